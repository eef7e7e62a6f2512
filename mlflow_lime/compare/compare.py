"""Compare the reasons of two versions over the whole reference set."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.compare.drift import DRIFT_METRICS, Drift, InstanceDrift, PartDrift
from mlflow_lime.compare.importance import importance_drift, importance_moved
from mlflow_lime.compare.instances import (
    Compared,
    Pair,
    compare_pair,
    pair_up,
    why_untrusted,
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
    absent = dict(missing or {})
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
    p_value = _p_of_set([i.p_value for i in instances if not i.untrusted], parts, settings)
    return Drift(
        instances=instances,
        parts=parts,
        p_value=p_value,
        alarm=p_value <= settings.alarm_rate,
        missing=absent,
        settings=asdict(settings),
        noise="sampling and training" if retrains else "sampling",
    )


def _p_of_set(
    instances: Sequence[float], parts: Sequence[PartDrift], settings: DriftSettings
) -> float:
    few = int(settings.min_share * len(instances) + 1e-9)
    ways = [simes(np.array(instances), few + 1)] if instances else []
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
    (answer_before, answer_after), changed = _answers(pair)
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


def _answers(pair: Pair) -> tuple[tuple[str, str], bool]:
    """Return both answers as text, and whether they differ."""
    if pair.before.mode == "regression":
        values = pair.label_before.prediction, pair.label_after.prediction
        moved = abs(values[1] - values[0])
        spread = max(pair.label_before.output_std, pair.label_after.output_std)
        return (f"{values[0]:.4g}", f"{values[1]:.4g}"), bool(moved > spread)
    first, second = (_predicted(item) for item in (pair.before, pair.after))
    return (first, second), first != second


def _predicted(explanation: Explanation) -> str:
    scores = explanation.scores
    if len(scores) == 1:
        name = explanation.class_names[0]
        return name if scores[0] >= 0.5 else f"not {name}"
    return explanation.class_names[int(np.argmax(scores))]


def drift_metrics(drift: Drift) -> dict[str, float]:
    """Return the numbers that a comparison logs: some of `DRIFT_METRICS`, in that order.

    Those that need compared instances are absent where there are none.
    """
    compared = drift.compared
    values = {
        "drift_alarm": float(drift.alarm),
        "drift_p_value": drift.p_value,
        "drift_instances": float(len(compared)),
        "drift_untrusted": float(len(drift.instances) - len(compared)),
    }
    if not compared:
        return values
    shares: dict[str, list[float]] = {
        "drift_label_flips": [item.answer_changed for item in compared],
        "drift_changed_share": [item.changed for item in compared],
        "drift_same_answer_new_reason": [item.same_answer_new_reason for item in compared],
        "drift_total_change": [item.total_change for item in compared],
        "drift_topk_overlap": [item.topk_overlap for item in compared],
        "drift_rank_agreement": [item.rank_agreement for item in compared],
        "drift_sign_flips": [item.sign_flips for item in compared],
    }
    means = {
        name: float(np.mean(finite))
        for name, found in shares.items()
        if (finite := [float(value) for value in found if np.isfinite(value)])
    }
    means["drift_weights_changed"] = float(sum(item.discovered.sum() for item in compared))
    if drift.parts:
        means["drift_parts_changed"] = float(sum(part.changed for part in drift.parts))
        moved = importance_moved(drift.parts)
        if np.isfinite(moved):
            means["drift_importance_change"] = moved
    every = {**values, **means}
    return {name: every[name] for name in DRIFT_METRICS if name in every}
