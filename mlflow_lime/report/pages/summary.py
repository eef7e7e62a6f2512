"""What a reader learns first: one line of verdict, and a few plain sentences."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mlflow_lime.checks.check import Outcome
from mlflow_lime.compare.drift import Drift, DriftCounts
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.metrics.aggregate import global_importance
from mlflow_lime.report.pages.content import Content, Other, Side
from mlflow_lime.report.wording import POOR_FIT, chance, cut, fit, sizes

__all__ = ["Level", "Summary", "poorly_explained", "raised", "summarise_content"]

Level = Literal["ok", "look", "stop"]

_NAME = 48
_NAMED = 3
"""Parts and findings that a sentence names."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The verdict on a version.

    Attributes
    ----------
    level : {"ok", "look", "stop"}
        Whether nothing stands out, something is to be looked at, or the version is to be stopped.
    headline : str
        The verdict in one line.
    sentences : tuple of str
        What the version relies on, how far that can be trusted, and what changed. Names in them
        come from the data.
    """

    level: Level
    headline: str
    sentences: tuple[str, ...]


def summarise_content(content: Content) -> Summary:
    """Return the verdict on what a page shows.

    A version is to be stopped where its gate failed, a check found an error, or nothing could be
    explained. It is to be looked at where a check warns, the gate could not judge, the reasons
    changed as a whole, instances failed, or most surrogates fit poorly.
    """
    stops, looks = list(_stops(content)), list(_looks(content))
    sentences = tuple(_sentences(content))
    if stops:
        return Summary("stop", f"Stop, {_joined(stops)}", sentences)
    if looks:
        return Summary("look", f"Look closer, {_joined(looks)}", sentences)
    checked = "no check raises anything" if content.outcomes is not None else "nothing stands out"
    steady = bool(content.others) and all(
        other.drift is not None and other.drift.counts.compared for other in content.others
    )
    return Summary("ok", f"{checked}{', and the reasons held' * steady}".capitalize(), sentences)


def raised(content: Content, severity: str) -> list[Outcome]:
    """Return what the checks raised with a severity."""
    return [
        item
        for item in content.outcomes or ()
        if item.state == "raised" and item.severity == severity
    ]


def poorly_explained(side: Side) -> list[str]:
    """Return the keys of the instances whose surrogate fits poorly; flat ones are not among them.

    A fit that is not known is no good fit.
    """
    labels = [(item.key, item.labels[0]) for item in side.explanations]
    return [key for key, label in labels if not label.flat and not fit(label) >= POOR_FIT]


def _stops(content: Content) -> Iterator[str]:
    if content.gate is not None and content.gate.outcome == "fail":
        against = f" against {cut(content.gate.against, _NAME)}" if content.gate.against else ""
        yield f"the gate says fail{against}"
    errors = raised(content, "error")
    if errors:
        yield _counted(len(errors), "finding", "of severity error")
    if not content.side.explanations:
        yield "no instance could be explained"


def _looks(content: Content) -> Iterator[str]:
    if content.gate is not None and content.gate.outcome == "not judged":
        yield "the gate could not judge"
    changed = [other.side.name for other in content.others if other.drift and other.drift.alarm]
    if changed:
        yield f"the reasons changed since {cut(changed[0], _NAME)}"
    yield from _other_answers(content)
    warnings = raised(content, "warning")
    if warnings:
        yield _counted(len(warnings), "warning")
    if content.side.n_failed:
        yield f"{_counted(content.side.n_failed, 'instance')} could not be explained"
    if 2 * len(poorly_explained(content.side)) > len(content.side.explanations):
        yield "most explanations fit poorly"


def _other_answers(content: Content) -> Iterator[str]:
    """Yield where the answers changed for more instances than reasons may, before it counts."""
    for other in content.others:
        counts = other.drift.counts if other.drift else DriftCounts()
        allowed = other.drift.settings.get("min_share", 0.2) if other.drift else 0.0
        if counts.answer_changed > allowed * counts.compared:
            name = cut(other.side.name, _NAME)
            answers = _counted(counts.compared, "answer")
            yield f"{counts.answer_changed} of {answers} changed since {name}"
            return


def _sentences(content: Content) -> Iterator[str]:
    yield from _reliance(content.side)
    yield from _trust(content.side)
    for other in content.others:
        yield from _changes(content.side, other)
    yield from _findings(content)
    gate = content.gate
    if gate is not None:
        against = f" against {cut(gate.against, _NAME)}" if gate.against else ""
        yield f"The gate said {cut(gate.outcome, _NAME)}{against}."


def _reliance(side: Side) -> Iterator[str]:
    if not side.explanations:
        return
    count = len(side.explanations)
    over = f"Over {_instances(side)}, {cut(side.name, _NAME)}"
    table = global_importance(side.explanations)
    named = float(table["importance"].sum())
    # Segments of images, and parts of texts that are not stored, have no names in common.
    total = sum(_weight(item) for item in side.explanations) / count
    if not total > 0:
        yield f"{over} was found to rely on no part: all weights are zero or unknown."
        return
    contents = (content for item in side.explanations for content in item.contents)
    what = "parts" if all(content.named for content in contents) else "regions of images"
    if not named > 0:
        yield f"{over} was explained by {what} that have no names in common."
        return
    heaviest = [
        f"{cut(name, _NAME)} ({weight / total:.0%} of the weight)"
        for name, weight in table[["name", "importance"]].head(_NAMED).itertuples(index=False)
    ]
    rest = 1 - named / total
    if rest >= 0.005:
        over += f" relies on {what} without common names for {rest:.0%} of the weight, and apart"
        yield f"{over} from them most on {_listed(heaviest)}."
        return
    yield f"{over} relies most on {_listed(heaviest)}."


def _instances(side: Side) -> str:
    """Return how many instances the page looks at, such as ``"1,000 shown instances"``."""
    return _counted(len(side.explanations), "shown instance" if side.sample else "instance")


def _weight(item: Explanation) -> float:
    """Return the weight of all parts of an instance, those without common names among them."""
    return float(sum(abs(w) for w in item.labels[0].weights.tolist() if math.isfinite(w)))


def _trust(side: Side) -> Iterator[str]:
    count = len(side.explanations)
    if count:
        poor = len(poorly_explained(side))
        flat = sum(item.labels[0].flat for item in side.explanations)
        good = count - poor - flat
        marked = f"; {poor} fit poorly and are marked" if poor else ""
        level = f"; around {flat} the output hardly varies" if flat else ""
        yield (
            f"For {good} of {_instances(side)} the weights describe at least a quarter"
            f" of what the model does nearby{marked}{level}."
        )
    stability = None if side.trust is None else side.trust.summary.get("stability_topk")
    if stability is not None:
        yield f"Refitted to parts of the sample, the heaviest parts agree to {stability.value:.0%}."
    if side.n_failed:
        yield f"{_counted(side.n_failed, 'instance')} could not be explained."


def _changes(side: Side, other: Other) -> Iterator[str]:
    name = cut(other.side.name, _NAME)
    drift = other.drift
    if drift is None:
        why = cut(other.why_not, 300).rstrip(". ") or "they have no instance in common"
        yield f"{cut(side.name, _NAME)} could not be compared with {name}: {why}."
        return
    if not drift.counts.compared:
        yield f"Too few instances are explained well enough to compare with {name}."
        return
    yield _changed_instances(drift, name)
    yield from _changed_importance(drift)


def _changed_instances(drift: Drift, name: str) -> str:
    counts = drift.counts
    same = f", {counts.same_answer_new_reason} of them with the same answer"
    kept = same if counts.changed else ""
    whole = "changed" if drift.alarm else "did not change beyond noise"
    return (
        f"Since {name}, the answer changed for {counts.answer_changed} and the reasons for"
        f" {counts.changed} of {_counted(counts.compared, 'compared instance')}{kept}; as a whole,"
        f" the reasons {whole} ({chance(drift.p_value)})."
    )


def _changed_importance(drift: Drift) -> Iterator[str]:
    moved = sorted((p for p in drift.parts if p.changed), key=lambda part: -abs(part.change))
    if moved:
        shown = [
            f"{cut(part.name, _NAME)} ({' → '.join(sizes([part.before, part.after]))})"
            for part in moved[:_NAMED]
        ]
        yield f"Importance moved most for {_listed(shown)}."


def _findings(content: Content) -> Iterator[str]:
    if content.outcomes is None:
        return
    counts = [
        _counted(len(items), word)
        for word in ("error", "warning", "remark")
        if (items := raised(content, "info" if word == "remark" else word))
    ]
    if not counts:
        yield "The checks found nothing."
        return
    worst = [*raised(content, "error"), *raised(content, "warning"), *raised(content, "info")]
    titles = [f"{item.code} {cut(item.title, _NAME)}" for item in worst[:_NAMED]]
    more = f" and {len(worst) - _NAMED} more" if len(worst) > _NAMED else ""
    yield f"The checks found {_listed(counts)}: {_listed(titles)}{more}."


def _counted(count: int, noun: str, after: str = "") -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> _counted(1, "warning"), _counted(2, "finding", "of severity error")
    ('1 warning', '2 findings of severity error')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}{f' {after}' if after else ''}"


def _listed(items: list[str]) -> str:
    """Return items as a person lists them.

    Examples
    --------
    >>> _listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _joined(reasons: list[str]) -> str:
    return "; ".join(reasons)
