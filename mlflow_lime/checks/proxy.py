"""LIM006: the model relies on what stands in for something sensitive."""

from pydantic import Field

from mlflow_lime.checks.check import NEEDS, Check, Evidence, Finding
from mlflow_lime.checks.shares import (
    Mean,
    Reliance,
    mean_share,
    mean_shares,
    named,
    part_columns,
    percent,
    sensitive_parts,
)
from mlflow_lime.errors import shorten
from mlflow_lime.reference.associations import Associations

__all__ = ["PROXY", "ProxyOptions"]


class ProxyOptions(Reliance):
    """What counts as a proxy, and from which share of the weight on."""

    strength: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Smallest association with a sensitive column that makes a proxy.",
    )


def _applies(evidence: Evidence) -> str:
    if evidence.layout is not None and evidence.background is None:
        return "the model reads no columns of numbers or categories"
    return ""


def _find(evidence: Evidence, options: ProxyOptions) -> Finding:
    known = evidence.associations
    if known is None:
        return Finding.skipped(NEEDS["associations"])
    declared = {name.casefold() for name in evidence.sensitive}
    columns = [name for name in known.columns if name.casefold() in declared]
    if not columns:
        return Finding.skipped(
            f"none of {named(evidence.sensitive)} is a column of the data that the instances were "
            "picked from, so nothing is known of what goes together with it"
        )
    proxies = _proxies(evidence, known, columns, options.strength)
    means = mean_shares(evidence.telling, proxies)
    heavy = sorted(
        (name for name in proxies if options.exceeded(means[name])), key=lambda n: -means[n].value
    )
    mean, shares = mean_share(evidence.telling, frozenset(heavy or proxies).__contains__)
    return Finding.judged(
        bool(heavy),
        _reason(proxies, means, heavy, columns, options),
        instances=tuple(key for key, share in shares if share > options.share),
        value=mean.value,
    )


def _proxies(
    evidence: Evidence, known: Associations, sensitive: list[str], least: float
) -> dict[str, tuple[str, float]]:
    """Return the sensitive column that a part stands in for, and how well, by the part's name."""
    own = sensitive_parts(evidence)
    found: dict[str, tuple[str, float]] = {}
    for name, columns in part_columns(evidence).items():
        pairs = [(known.between(a, b) or 0.0, b) for a in columns for b in sensitive if a != b]
        strength, column = max(pairs, default=(0.0, ""))
        if strength >= least and name not in own:
            found[name] = (column, strength)
    return found


def _reason(
    proxies: dict[str, tuple[str, float]],
    means: dict[str, Mean],
    heavy: list[str],
    sensitive: list[str],
    options: ProxyOptions,
) -> str:
    if not proxies:
        return (
            f"no part goes together with {named(sensitive)} with a strength of {options.strength:g}"
        )
    told = [
        f"{shorten(name, 60)} (association {proxies[name][1]:.2f} with "
        f"{shorten(proxies[name][0], 60)}) carries {means[name]} of the weight"
        for name in (heavy or sorted(proxies, key=lambda n: -means[n].value))[:3]
    ]
    more = f"; and {len(heavy) - 3} more" if len(heavy) > 3 else ""
    return (
        f"{'; '.join(told)}{more}; each interval may begin at {percent(options.share)} at most, "
        f"and each mean may be {percent(options.certain)}"
    )


PROXY = Check(
    code="LIM006",
    title="Proxy of a sensitive feature",
    severity="warning",
    summary="Weight on columns that go together with a sensitive one, be that an input or not.",
    find=_find,
    applies=_applies,
    needs=("sensitive", "telling", "associations"),
    options=ProxyOptions,
    page="docs/checks/LIM006.md",
)
