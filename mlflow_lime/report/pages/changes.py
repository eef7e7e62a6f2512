"""What changed since another version: parts and instances, most changed first."""

from collections.abc import Iterator
from typing import Any

from markupsafe import Markup, escape

from mlflow_lime.compare.compare import drift_metrics
from mlflow_lime.compare.drift import Drift, InstanceDrift
from mlflow_lime.report.pages.axis import MARKS, Axis, Lane
from mlflow_lime.report.pages.content import Content, Other
from mlflow_lime.report.wording import chance, cut, number, r2, score, signed, sizes

__all__ = ["changes_views"]

_PARTS = 12
_INSTANCES = 12
_SHIFTS = 3
_NAME = 40
_PART = 90


def changes_views(content: Content) -> list[dict[str, Any]]:
    """Return what the template shows of each other version, as cleaned strings."""
    return [
        _view(content, other, MARKS[place % len(MARKS)])
        for place, other in enumerate(content.others)
    ]


def _view(content: Content, other: Other, mark: str) -> dict[str, Any]:
    drift = other.drift
    return {
        "name": cut(other.side.name, _NAME),
        "own": cut(content.side.name, _NAME),
        "mark": mark,
        "why_not": cut(other.why_not or "they have no instance in common", 300),
        "known": drift is not None,
        "facts": _facts(drift) if drift else [],
        "parts": _parts(drift) if drift else [],
        "more_parts": max(0, len(drift.parts) - _PARTS) if drift else 0,
        "instances": _instances(drift) if drift else [],
        "more_instances": max(0, drift.counts.either_changed - _INSTANCES) if drift else 0,
        "left_out": _left_out(drift) if drift else "",
    }


def _facts(drift: Drift) -> list[tuple[str, str]]:
    """Return the comparison in figures: what is counted, and how many."""
    counts, n = drift.counts, drift.counts.compared
    if not n:
        return [("compared", f"0 of {counts.total} instances")]
    means = drift_metrics(drift)
    overlap, ranks = means.get("drift_topk_overlap"), means.get("drift_rank_agreement")
    verdict = "changed" if drift.alarm else "not changed beyond noise"
    return [
        ("as a whole", f"{verdict} ({chance(drift.p_value)})"),
        ("compared", f"{n} of {counts.total} instances"),
        ("other answers", f"{counts.answer_changed} of {n}"),
        ("other reasons", f"{counts.changed} of {n}"),
        ("same answer, other reasons", f"{counts.same_answer_new_reason} of {n}"),
        ("overlap of the top parts", "n/a" if overlap is None else r2(overlap)),
        ("rank agreement", "n/a" if ranks is None else r2(ranks)),
    ]


def _parts(drift: Drift) -> list[dict[str, Any]]:
    """Return the parts whose importance changed most, before and after on one axis."""
    shown = sorted(drift.parts, key=lambda part: (not part.changed, -abs(part.change)))[:_PARTS]
    axis = Axis.from_zero(value for part in shown for value in (part.before, part.after))
    before_and_after = sizes([value for part in shown for value in (part.before, part.after)])
    changes = signed([value for p in shown for value in (p.change, p.low, p.high)])
    return [
        {
            "name": cut(part.name, _PART),
            "before": before_and_after[2 * i],
            "after": before_and_after[2 * i + 1],
            "change": changes[3 * i].replace("-", "−"),
            "limits": " to ".join(changes[3 * i + 1 : 3 * i + 3]).replace("-", "−"),
            "changed": part.changed,
            "svg": _drawn(axis, part.after, part.before),
        }
        for i, part in enumerate(shown)
    ]


def _instances(drift: Drift) -> list[dict[str, Any]]:
    """Return the instances that changed most, each with its most changed weights."""
    changed = [item for item in drift.compared if item.changed or item.answer_changed]
    changed.sort(key=lambda item: (not item.changed, -item.total_change))
    shown = changed[:_INSTANCES]
    axis = Axis.around_zero(
        float(value)
        for item in shown
        for values in (item.before, item.after)
        for value in values[item.order()[:_SHIFTS]]
    )
    texts = iter(
        signed(
            float(value)
            for item in shown
            for j in item.order()[:_SHIFTS]
            for value in (item.before[j], item.after[j])
        )
    )
    return [
        {
            "key": cut(item.key, 60),
            "answer": _answer(item),
            "answer_changed": item.answer_changed,
            "output": _outputs(item),
            "overlap": r2(item.topk_overlap),
            "agreement": r2(item.rank_agreement),
            "shifts": [_shift(item, int(j), axis, texts) for j in item.order()[:_SHIFTS]],
        }
        for item in shown
    ]


def _outputs(item: InstanceDrift) -> str:
    before, after = item.prediction_before, item.prediction_after
    if item.label == "value":
        return f"prediction {number(before)} → {number(after)}"
    return f"P({cut(item.label, _NAME)}) {score(before)} → {score(after)}"


def _answer(item: InstanceDrift) -> str:
    if item.answer_changed:
        return f"{cut(item.answer_before, _NAME)} → {cut(item.answer_after, _NAME)}"
    return cut(item.answer_after, _NAME)


def _shift(item: InstanceDrift, part: int, axis: Axis, texts: Iterator[str]) -> dict[str, Any]:
    before, after = float(item.before[part]), float(item.after[part])
    return {
        "name": cut(item.parts[part], _PART),
        "before": next(texts).replace("-", "−"),
        "after": next(texts).replace("-", "−"),
        "changed": bool(item.discovered[part]),
        "svg": _drawn(axis, after, before),
    }


def _drawn(axis: Axis, after: float, before: float) -> Markup:
    words = escape(f"{number(before)} before, {number(after)} now")
    return Markup(axis.draw(Lane(after), [Lane(before)], words))  # numbers and escaped words


def _left_out(drift: Drift) -> str:
    """Return why instances were not compared, in one sentence."""
    counts = drift.counts
    first = next((item for item in drift.instances if item.untrusted), None)
    pieces = []
    if counts.untrusted:
        such = f", such as {first.key}: {first.untrusted}" if first else ""
        pieces.append(f"{counts.untrusted} left out{such}")
    if drift.missing:
        key, why = next(iter(drift.missing.items()))
        pieces.append(f"{counts.missing} missing, such as {key}: {why}")
    if drift.of is not None:
        pieces.append(drift.of.note)
    return cut("; ".join(pieces), 400)
