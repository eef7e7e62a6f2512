"""Compare the reasons of two versions over the whole reference set."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.compare.drift import (
    DRIFT_METRICS,
    Drift,
    DriftCounts,
    DriftOfMany,
    InstanceDrift,
    PartDrift,
)
from mlflow_lime.compare.importance import importance_drift, importance_moved, part_drifts
from mlflow_lime.compare.instances import (
    Compared,
    Pair,
    answers_of,
    compare_pair,
    pair_up,
    why_untrusted,
)
from mlflow_lime.compare.large import (
    MEASURES,
    Aligned,
    Discovered,
    Sums,
    align,
    look_at_all,
    to_list,
)
from mlflow_lime.compare.settings import DriftSettings
from mlflow_lime.compare.significance import discoveries, simes
from mlflow_lime.core.explanation import Explanation

__all__ = ["compare_explanations", "drift_metrics"]


def compare_explanations(
    before: Sequence[Explanation],
    after: Sequence[Explanation],
    *,
    retrains: Sequence[Sequence[Explanation]] = (),
    missing: Mapping[str, str] | None = None,
    settings: DriftSettings | None = None,
    most: int | None = None,
) -> Drift:
    """Compare the explanations of a baseline with those of a candidate.

    Parameters
    ----------
    before, after : sequence of Explanation
        Of the same instances, with the same recipe and seeds; matched by key.
    retrains : sequence of sequences of Explanation
        Of models that differ from the baseline in nothing that matters, at least three; what
        differs between them counts as noise.
    missing : mapping of str to str, optional
        Instances that a version could not explain, and why.
    settings : DriftSettings, optional
    most : int, optional
        Where there are more instances, so many of them are listed, and no more are held at once
        than a block; all numbers are of all. By default, all are held and listed.

    Returns
    -------
    Drift

    Notes
    -----
    What is tested is that no weight changed by more than `DriftSettings.min_change`, beyond the
    noise: that of sampling the neighbourhoods, or, with retrains, that of sampling and training.
    Weights are called changed at a rate of false discoveries (Benjamini and Hochberg) over all
    weights of all compared instances. The p-value of the set is twice the smaller of two: that of
    no more than `DriftSettings.min_share` of the instances having changed, and the smallest of
    Holm's for the importance of parts.

    Examples
    --------
    >>> compare_explanations([], []).alarm
    False
    """
    settings = settings or DriftSettings()
    if most is not None and max(len(before), len(after)) > most:
        return _compare_large(align((before, after, *retrains), missing), settings, most)
    return _compare_held((before, after, *retrains), dict(missing or {}), settings)


def _compare_held(
    runs: tuple[Sequence[Explanation], ...], absent: dict[str, str], settings: DriftSettings
) -> Drift:
    before, after, *retrains = runs
    pairs: list[tuple[Pair, str]] = []
    others = [{item.key: item for item in run} for run in (after, *retrains)]
    for item in before:
        there = [run[item.key] for run in others if item.key in run]
        if len(there) < len(others):
            absent.setdefault(item.key, "another version has no explanation of it")
            continue
        pair = pair_up(item, there[0], there[1:])
        if isinstance(pair, str):
            absent[item.key] = pair
        else:
            pairs.append((pair, why_untrusted(pair, settings)))
    known = {item.key for item in before}
    for item in after:
        if item.key not in known:
            absent.setdefault(item.key, "the baseline has no explanation of it")
    found = [compare_pair(pair, settings) for pair, _ in pairs]
    trusted = [not why for _, why in pairs]
    flags = _discovered(found, trusted, settings.fdr)
    instances = tuple(
        _instance(pair, compared, flag, why)
        for (pair, why), compared, flag in zip(pairs, found, flags, strict=True)
    )
    parts = importance_drift([pair for pair, why in pairs if not why], settings)
    p_values = np.array([i.p_value for i in instances if not i.untrusted], dtype=np.float64)
    p_value = _p_of_set(p_values, parts, settings)
    return Drift(
        instances=instances,
        parts=parts,
        p_value=p_value,
        alarm=p_value <= settings.alarm_rate,
        missing=absent,
        settings=asdict(settings),
        noise="sampling and training" if retrains else "sampling",
    )


def _compare_large(aligned: Aligned, settings: DriftSettings, most: int) -> Drift:
    sums = look_at_all(aligned, settings)
    found = sums.discovered()
    changed = found.counts > 0
    importance = sums.importance.found()
    parts = () if importance is None else part_drifts(importance, settings)
    p_value = _p_of_set(np.frombuffer(sums.measures["p_value"]), parts, settings)
    alarm = p_value <= settings.alarm_rate
    listed = to_list(sums, changed, most)
    place = {position: i for i, position in enumerate(sums.positions)}
    instances = []
    for position, (before, after, *retrains) in zip(listed, aligned.at(listed), strict=True):
        pair = pair_up(before, after, retrains)
        if not isinstance(pair, str):
            compared, i = compare_pair(pair, settings), place.get(position)
            flags = np.zeros(len(compared.p_values), dtype=bool) if i is None else found.flags(i)
            why = why_untrusted(pair, settings) if i is None else ""
            instances.append(_instance(pair, compared, flags, why))
    counts = sums.counts(changed, len(aligned.absent))
    return Drift(
        instances=tuple(instances),
        parts=parts,
        p_value=p_value,
        alarm=alarm,
        missing=dict(islice(aligned.absent.items(), most)),
        settings=asdict(settings),
        noise="sampling and training" if len(aligned.runs) > 2 else "sampling",
        of=DriftOfMany(
            counts=counts,
            metrics=_metrics(p_value, alarm, counts, _values(sums, changed, found), parts),
            note=(
                f"{len(instances):,} of {counts.total:,} instances are listed: the {most // 2:,} "
                "that changed most, and others spread evenly; all numbers are of all"
            ),
            glances=sums.glances(changed),
        ),
    )


def _p_of_set(
    instances: NDArray[np.float64], parts: Sequence[PartDrift], settings: DriftSettings
) -> float:
    few = int(settings.min_share * len(instances) + 1e-9)
    ways = [simes(instances, few + 1)] if len(instances) else []
    if parts:
        ways.append(min(part.p_adjusted for part in parts))
    return min(1.0, len(ways) * min(ways)) if ways else 1.0


def _discovered(
    found: Sequence[Compared], trusted: Sequence[bool], rate: float
) -> list[NDArray[np.bool_]]:
    """Return which weights changed, at a rate of false discoveries over all trusted instances."""
    flags = [np.zeros(len(item.p_values), dtype=bool) for item in found]
    kept = [i for i, good in enumerate(trusted) if good]
    if kept:
        every = discoveries(np.concatenate([found[i].p_values for i in kept]), rate)
        ends = np.cumsum([len(found[i].p_values) for i in kept])[:-1]
        for i, part in zip(kept, np.split(every, ends), strict=True):
            flags[i] = part
    return flags


def _instance(
    pair: Pair, compared: Compared, discovered: NDArray[np.bool_], why: str
) -> InstanceDrift:
    (answer_before, answer_after), changed = answers_of(pair)
    return InstanceDrift(
        key=pair.before.key,
        label=pair.label_before.label,
        parts=pair.before.parts,
        names=pair.before.names,
        before=pair.label_before.weights,
        after=pair.label_after.weights,
        std_errors=compared.std_errors,
        low=compared.low,
        high=compared.high,
        p_values=compared.p_values,
        discovered=discovered,
        prediction_before=pair.label_before.prediction,
        prediction_after=pair.label_after.prediction,
        answer_before=answer_before,
        answer_after=answer_after,
        answer_changed=changed,
        topk_overlap=compared.topk_overlap,
        rank_agreement=compared.rank_agreement,
        total_change=compared.total_change,
        sign_flips=compared.sign_flips,
        fidelity_before=getattr(pair.label_before, pair.measure),
        fidelity_after=getattr(pair.label_after, pair.measure),
        untrusted=why,
        p_value=compared.p_value,
    )


def drift_metrics(drift: Drift) -> dict[str, float]:
    """Return the numbers that a comparison logs: some of `DRIFT_METRICS`, in that order.

    Those that need compared instances are absent where there are none.
    """
    if drift.of is not None:
        return dict(drift.of.metrics)
    compared = drift.compared
    values = {
        name: np.array([getattr(item, name) for item in compared], dtype=np.float64)
        for name in (*_MEANS.values(), *_SUMS.values())
        if name != "n_discovered"
    }
    values["n_discovered"] = np.array([item.discovered.sum() for item in compared], np.float64)
    return _metrics(drift.p_value, drift.alarm, drift.counts, values, drift.parts)


_MEANS = {
    "drift_label_flips": "answer_changed",
    "drift_changed_share": "changed",
    "drift_same_answer_new_reason": "same_answer_new_reason",
    "drift_total_change": "total_change",
    "drift_topk_overlap": "topk_overlap",
    "drift_rank_agreement": "rank_agreement",
    "drift_sign_flips": "sign_flips",
}
_SUMS = {"drift_weights_changed": "n_discovered"}
"""Metrics, and the values of compared instances that they are means or sums of."""


def _values(
    sums: Sums, changed: NDArray[np.bool_], found: Discovered
) -> dict[str, NDArray[np.float64]]:
    """Return the values of every compared instance, by the names in `_MEANS` and `_SUMS`."""
    other = np.frombuffer(sums.answer_changed, dtype=np.int8) != 0
    return {
        **{name: np.frombuffer(sums.measures[name]) for name in MEASURES},
        "answer_changed": other.astype(np.float64),
        "changed": changed.astype(np.float64),
        "same_answer_new_reason": (changed & ~other).astype(np.float64),
        "n_discovered": found.counts.astype(np.float64),
    }


def _metrics(
    p_value: float,
    alarm: bool,
    counts: DriftCounts,
    values: Mapping[str, NDArray[np.float64]],
    parts: Sequence[PartDrift],
) -> dict[str, float]:
    every = {
        "drift_alarm": float(alarm),
        "drift_p_value": p_value,
        "drift_instances": float(counts.compared),
        "drift_untrusted": float(counts.untrusted),
    }
    if not counts.compared:
        return every
    for metric, name in _MEANS.items():
        finite = values[name][np.isfinite(values[name])]
        if len(finite):
            every[metric] = float(finite.mean())
    every |= {metric: float(values[name].sum()) for metric, name in _SUMS.items()}
    if parts:
        every["drift_parts_changed"] = float(sum(part.changed for part in parts))
        moved = importance_moved(parts)
        if np.isfinite(moved):
            every["drift_importance_change"] = moved
    return {name: every[name] for name in DRIFT_METRICS if name in every}
