"""LIM005: the model relies on something that is declared as sensitive."""

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.shares import Reliance, mean_share, named, percent, sensitive_parts
from mlflow_lime.errors import did_you_mean
from mlflow_lime.metrics.aggregate import weights_by_name

__all__ = ["SENSITIVE"]


def _applies(evidence: Evidence) -> str:
    if evidence.explanations and not any(map(weights_by_name, evidence.explanations)):
        return "the parts have no names that could be declared as sensitive"
    return ""


def _unlooked_for(evidence: Evidence, found: set[str]) -> str:
    """Return why something that was declared could not be looked for; empty where all could."""
    missing = [name for name in evidence.sensitive if name not in found]
    if missing and any(item.recipe.get("numbered_parts") for item in evidence.explanations):
        return f"the words of the texts are not stored, so {named(missing)} cannot be looked for"
    layout = evidence.layout
    if layout is None or not layout.is_table:
        return ""
    known = [str(column) for column in layout.columns]
    known += evidence.associations.columns if evidence.associations else ()
    columns = {name.casefold() for name in known}
    for name in missing:
        if name.casefold() not in columns:
            return f"{named([name])} is no column of the data.{did_you_mean(name, known)}"
    return ""


def _find(evidence: Evidence, options: Reliance) -> Finding:
    parts = sensitive_parts(evidence)
    why = _unlooked_for(evidence, set(parts.values()))
    if why:
        return Finding.skipped(why)
    if not parts:
        return Finding.judged(
            False,
            f"none of {named(evidence.sensitive)} is a part of any explained instance",
            value=0.0,
        )
    mean, shares = mean_share(evidence.telling, parts.__contains__)
    found = sorted(set(parts.values()))
    carries = "carries" if len(found) == 1 else "carry"
    return Finding.judged(
        options.exceeded(mean),
        f"{named(found)} {carries} {mean} of the weight, mean over {mean.n} "
        f"instances; the interval may begin at {percent(options.share)} at most, and the mean may "
        f"be {percent(options.certain)}",
        instances=tuple(key for key, share in shares if share > options.share),
        value=mean.value,
    )


SENSITIVE = Check(
    code="LIM005",
    title="Sensitive feature relied on",
    severity="error",
    summary="Weight on columns or words that are declared as sensitive.",
    find=_find,
    applies=_applies,
    needs=("sensitive", "telling"),
    options=Reliance,
    page="docs/checks/LIM005.md",
)
