"""LIM012: the answer was right before and still is, but for other reasons."""

from pydantic import Field

from mlflow_lime.checks.check import NEEDS, Check, Evidence, Finding
from mlflow_lime.checks.options import Options
from mlflow_lime.checks.shares import percent

__all__ = ["NEW_REASON", "NewReasonOptions"]


class NewReasonOptions(Options):
    """How many right answers may have new reasons."""

    share: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Raised where more of the right answers have new reasons.",
    )


def _applies(evidence: Evidence) -> str:
    if any(item.mode == "regression" for item in evidence.explanations):
        return "a predicted value is more or less right, not right or wrong"
    return ""


def _find(evidence: Evidence, options: NewReasonOptions) -> Finding:
    if evidence.drift is None:
        return Finding.skipped(NEEDS["drift"])
    right = [
        item
        for item in evidence.drift.glances
        if item.answer_before == item.answer_after == evidence.true_labels.get(item.key)
    ]
    if not right:
        return Finding.skipped("of no compared instance both versions give the true label")
    keys = list(dict.fromkeys(item.key for item in right))
    changed = sorted((i for i in right if i.changed), key=lambda item: -item.total_change)
    new = tuple(dict.fromkeys(item.key for item in changed))
    share = len(new) / len(keys)
    return Finding.judged(
        share > options.share,
        f"for {len(new)} of {len(keys)} instances that both versions get right the reasons "
        f"changed; up to {percent(options.share)} may",
        instances=new,
        value=share,
    )


NEW_REASON = Check(
    code="LIM012",
    title="Right answer for a new reason",
    severity="warning",
    summary="Right answers that stayed while the reasons for them changed.",
    find=_find,
    applies=_applies,
    needs=("drift", "true_labels"),
    options=NewReasonOptions,
    page="docs/checks/LIM012.md",
)
