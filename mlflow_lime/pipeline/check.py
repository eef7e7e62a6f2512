"""The step ``check``: look for what is wrong with the version's reasons."""

from typing import Literal

from pydantic import Field

from mlflow_lime.config.sections import Section
from mlflow_lime.config.steps import StepKeys
from mlflow_lime.config.values import VersionWish
from mlflow_lime.pipeline.step import Context, Result

__all__ = ["CHECK_KEYS", "CheckKeys", "check"]


class CheckKeys(Section):
    """What the step reads besides the keys of the section `checks`."""

    against: VersionWish | None = Field(
        default=None, description="The version to compare with first; null for none."
    )
    fail: Literal["error", "warning", "never"] = Field(
        default="never", description="Fail where a check of this severity or above is raised."
    )


CHECK_KEYS = StepKeys(own=CheckKeys, overrides="checks")


def check(context: Context) -> Result:
    """Check the version, and log what is found.

    Raises
    ------
    MlflowLimeError
        If the version cannot be explained, or not be compared.
    """
    from mlflow_lime.checks.check import SEVERITIES
    from mlflow_lime.report.findings import findings_lines
    from mlflow_lime.tracking.checking import check_version

    wish = CheckKeys.model_validate(context.options.model_dump())
    progress = None if context.progress else False
    drift = None
    if wish.against is not None:
        from mlflow_lime.tracking.comparison import compare_versions

        comparison = compare_versions(
            context.ref.uri,
            wish.against,
            context.config,
            client=context.client,
            progress=progress,
        )
        drift = comparison.drift
    checked = check_version(
        context.ref.uri, context.config, client=context.client, drift=drift, progress=progress
    )
    fatal = () if wish.fail == "never" else SEVERITIES[SEVERITIES.index(wish.fail) :]
    raised = [item for item in checked.outcomes if item.state == "raised"]
    return Result(
        lines=tuple(line for line in findings_lines(checked.outcomes) if line),
        run_id=checked.run_id,
        metrics=checked.metrics,
        outcome="failed" if any(item.severity in fatal for item in raised) else "done",
    )
