"""The step ``reference``: make sure that the model pins the instances that are explained."""

from pydantic import Field

from mlflow_lime.config.sections import Section
from mlflow_lime.config.steps import StepKeys
from mlflow_lime.config.values import Name
from mlflow_lime.pipeline.step import Context, Result

__all__ = ["REFERENCE_KEYS", "ReferenceKeys", "reference"]


class ReferenceKeys(Section):
    """What the step reads besides the keys of the section `reference`."""

    new: bool = Field(
        default=False, description="Pick instances anew, in place of those that are pinned."
    )
    digest: Name | None = Field(
        default=None, description="Fail unless this reference set is the one that is pinned."
    )


REFERENCE_KEYS = StepKeys(own=ReferenceKeys, overrides="reference")


def reference(context: Context) -> Result:
    """Find the pinned reference set, or pick and pin one; nothing is explained.

    Raises
    ------
    MlflowLimeError
        If the set, the data that it is picked from, or the model cannot be used.
    """
    from mlflow_lime.tracking.pin_step import ensure_reference

    wish = ReferenceKeys.model_validate(context.options.model_dump())
    pinned = ensure_reference(
        context.ref,
        context.config,
        context.client,
        new_set=wish.new,
        expected_digest=wish.digest,
    )
    said = f"reference set {pinned.digest} of {pinned.instances} instances"
    lines = [f"{said} picked and pinned" if pinned.fresh else f"{said} is pinned"]
    return Result(
        lines=(*lines, *(f"note: {note}" for note in pinned.notes)),
        run_id=pinned.run_id,
        outcome="done" if pinned.fresh else "unchanged",
    )
