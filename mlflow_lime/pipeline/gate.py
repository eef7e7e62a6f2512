"""The step ``gate``: hold the version against rules, as ``mlflow-lime gate`` does."""

from pydantic import Field

from mlflow_lime.config.sections import Section
from mlflow_lime.config.steps import StepKeys
from mlflow_lime.config.values import Name, VersionWish
from mlflow_lime.pipeline.step import Context, Result

__all__ = ["GATE_KEYS", "GateKeys", "gate"]


class GateKeys(Section):
    """What the step reads besides the keys of the section `gate`."""

    against: VersionWish | None = Field(
        default=None,
        description="previous, a version number, @alias, or a URI; null for compare.baseline.",
    )
    promote: Name | None = Field(
        default=None, description="Alias that is moved to the version if it passes."
    )


GATE_KEYS = StepKeys(own=GateKeys, overrides="gate")


def gate(context: Context) -> Result:
    """Hold the version against the rules; the step fails unless the version passes.

    Raises
    ------
    MlflowLimeError
        If the version, the one that it is held against, or the store cannot be used.
    """
    from mlflow_lime.report.verdict import verdict_lines
    from mlflow_lime.tracking.gating import gate_version
    from mlflow_lime.tracking.review import show_progress

    wish = GateKeys.model_validate(context.options.model_dump())
    gated = gate_version(
        context.ref.uri,
        context.config,
        against=wish.against,
        client=context.client,
        promote=wish.promote,
        progress=show_progress(context.config) if context.progress else False,
    )
    return Result(
        lines=tuple(verdict_lines(gated.verdict, gated.facts)),
        run_id=gated.run_id,
        outcome="done" if gated.verdict.outcome == "pass" else "failed",
    )
