"""The step ``compare``: compare the version's reasons with a baseline's."""

from pydantic import Field

from mlflow_lime.config.sections import Section
from mlflow_lime.config.steps import StepKeys
from mlflow_lime.config.values import VersionWish
from mlflow_lime.errors import NoEarlierVersionError
from mlflow_lime.pipeline.step import Context, Result

__all__ = ["COMPARE_KEYS", "CompareKeys", "compare"]


class CompareKeys(Section):
    """What the step reads besides the keys of the section `compare`."""

    against: VersionWish | None = Field(
        default=None,
        description="The baseline; null for compare.baseline, else the version before.",
    )
    fail: bool = Field(
        default=False,
        description="Fail where the reasons changed as a whole, or nothing could be compared.",
    )


COMPARE_KEYS = StepKeys(own=CompareKeys, overrides="compare")


def compare(context: Context) -> Result:
    """Compare the version with a baseline, and log what changed.

    Raises
    ------
    MlflowLimeError
        If the two cannot be compared.
    """
    from mlflow_lime.tracking.comparison import compare_versions

    wish = CompareKeys.model_validate(context.options.model_dump())
    try:
        comparison = compare_versions(
            context.ref.uri,
            wish.against,
            context.config,
            client=context.client,
            progress=None if context.progress else False,
        )
    except NoEarlierVersionError as error:
        return Result(lines=(f"nothing to compare with: {error}",), outcome="unchanged")
    drift = comparison.drift
    compared = drift.counts.compared
    said = "changed as a whole" if drift.alarm else "not changed as a whole"
    said = f"{said} (p = {drift.p_value:.2g})" if compared else "unknown: nothing was comparable"
    lines = [
        f"against {comparison.baseline.label}: reasons {said}",
        f"{drift.counts.changed} of {compared} compared instances have other reasons",
    ]
    lines += [f"note: {note}" for note in comparison.notes]
    return Result(
        lines=tuple(lines),
        run_id=comparison.candidate_run,
        metrics=comparison.metrics,
        outcome="failed" if wish.fail and (drift.alarm or not compared) else "done",
    )
