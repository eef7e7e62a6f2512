"""Versions of tables, texts, images and sequences as reviews hold them, with a baseline."""

from dataclasses import replace

import numpy as np
from skimage import data
from skimage.segmentation import slic
from skimage.transform import resize

from mlflow_lime.checks.check import Outcome
from mlflow_lime.compare.drift import Drift, InstanceDrift, PartDrift
from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.metrics.agreement import agreement
from mlflow_lime.metrics.attributions import Attribution, Attributions
from mlflow_lime.metrics.trust import Trust, summarise
from mlflow_lime.report.facts import InstanceFacts
from mlflow_lime.report.pages.content import Content, GateSaid, Other, Side
from tests.report.with_contents import image_content, series_explanation, text_explanation
from tests.strategies import make_explanation, make_label

REASONS = ("near the decision boundary", "answered wrongly", "typical of its class")
TEXT = (
    "the service was slow and the food arrived cold but our waiter smiled all evening and the "
    "terrace is lovely so we may come back once the kitchen has found its feet again"
)


def table_of(n, n_features=30, *, seed=0, shift=0.0):
    """Return a version of a table that was explained at `n` instances."""
    rng = np.random.default_rng(seed)
    names = [f"worst fractal dimension {j}" for j in range(n_features)]
    scale = np.geomspace(0.2, 0.002, n_features)
    explained = []
    for i in range(n):
        values = rng.normal(size=n_features)
        weights = scale * rng.normal(size=n_features) + shift * (np.arange(n_features) == 3)
        score = float(rng.uniform(0.02, 0.98))
        explained.append(
            make_explanation(
                [_label(rng, weights, scale, score)],
                names=names,
                parts=[f"{name} = {v:.4g}" for name, v in zip(names, values, strict=True)],
                scores=np.array([score, 1 - score]),
                key=f"{i:02d} #{rng.integers(16**6):06x}",
                digest=f"{i:032x}",
            )
        )
    return _side("credit", explained, rng)


def texts_of(n, *, seed=0):
    """Return a version of texts that was explained at `n` instances."""
    rng = np.random.default_rng(seed)
    explained = []
    for i in range(n):
        words = TEXT.split()
        text = " ".join(rng.permutation(words).tolist())
        size = len(set(words))
        weights = rng.normal(size=size) * np.geomspace(0.3, 0.01, size)
        score = float(rng.uniform(0.02, 0.98))
        label = _label(rng, weights, np.full(size, 0.05), score)
        own = {"scores": np.array([score, 1 - score]), "key": f"{i:02d} #a{i:05x}"}
        explained.append(text_explanation(text, label=label, exact=False, **own))
    return _side("reviews", explained, rng)


def images_of(n, *, seed=0, side=224, segments=60):
    """Return a version of images that was explained at `n` instances."""
    rng = np.random.default_rng(seed)
    names = ("astronaut", "coffee", "chelsea", "rocket")
    explained = []
    for i in range(n):
        content = _image(names[i % len(names)], side, segments)
        size = len(content.owners)
        weights = rng.normal(size=size) * np.geomspace(0.3, 0.01, size)
        score = float(rng.uniform(0.02, 0.98))
        parts = [f"segment {j}" for j in range(size)]
        explained.append(
            make_explanation(
                [_label(rng, weights, np.full(size, 0.05), score)],
                names=parts,
                parts=parts,
                contents=(content,),
                scores=np.array([score, 1 - score]),
                key=f"{i:02d} #b{i:05x}",
            )
        )
    return _side("photos", explained, rng)


_IMAGES = {}


def series_of(n, *, seed=0, n_steps=500, n_features=8):
    """Return a version of sequences that was explained at `n` instances."""
    rng = np.random.default_rng(seed)
    size = 10 * n_features
    explained = []
    for i in range(n):
        weights = rng.normal(size=size) * np.geomspace(0.3, 0.01, size)
        score = float(rng.uniform(0.02, 0.98))
        label = _label(rng, weights, np.full(size, 0.05), score)
        own = {"scores": np.array([score, 1 - score]), "key": f"{i:02d} #c{i:05x}"}
        values = np.cumsum(rng.normal(size=(n_steps, n_features)), axis=0)
        explained.append(series_explanation(values, label=label, count=10, **own))
    return _side("pumps", explained, rng)


def _image(name, side, segments):
    if (name, side) not in _IMAGES:
        pixels = resize(getattr(data, name)(), (side, side), anti_aliasing=True)
        found = slic(pixels, n_segments=segments, start_label=0)
        _IMAGES[name, side] = image_content(np.rint(255 * pixels), found)
    return _IMAGES[name, side]


def _label(rng, weights, scale, score):
    error = 0.1 * scale + 1e-3
    return make_label(
        weights,
        std_errors=error,
        low=weights - 3 * error,
        high=weights + 3 * error,
        replicate_weights=weights + error * rng.normal(size=(4, len(weights))),
        prediction=score,
        fidelity_r2=float(rng.beta(4, 3)),
        partial_r2=float(rng.beta(4, 2)),
    )


def _side(name, explained, rng):
    keys = [item.key for item in explained]
    failed = (FailedExplanation("99 #ffffff", "the model gave no score", "ModelOutputError"),)
    trust = summarise(explained, failed)
    return Side(
        name=f"{name}/7",
        explanations=tuple(explained),
        failed=failed,
        facts=InstanceFacts(
            reasons={key: REASONS[i % 3] for i, key in enumerate(keys)},
            true_labels={key: ("malignant", "benign")[int(rng.integers(2))] for key in keys},
            slices={"region": {key: "nsw"[i % 3] for i, key in enumerate(keys)}},
        ),
        metrics={
            "accuracy_score": 0.94,
            **{f"lime/{metric}": item.value for metric, item in trust.summary.items()},
        },
        trust=Trust(summary=trust.summary, notes=("faithfulness was not measured",)),
        provenance={"run": "3eb25cc0", "reference set": "9d2bb3", "mlflow": "3.17.2"},
        config_text="model: credit\nexplain:\n  rows: 1024\n",
        notes=("one column is constant",),
    )


def content_of(side, former=None):
    """Return a version beside its baseline, with everything that a page can show."""
    others = () if former is None else (Other(former, drift_between(former, side)),)
    keys = tuple(item.key for item in side.explanations[:2])
    outcomes = (
        Outcome("LIM001", "poor local fit", "warning", "raised", "2 of 8 fit poorly", keys, 0.2),
        Outcome("LIM005", "one part dominates", "error", "raised", "carries 80 %", keys[:1], 0.8),
        Outcome("LIM008", "sensitive columns", "info", "skipped", "no column is declared"),
    )
    gate = GateSaid("fail", "credit/6", ("lime/fidelity_r2_p10 is 0.03, at least 0.2 is asked",))
    return Content(side, others, outcomes, gate)


def drift_between(former, side):
    """Return the changes of each instance and part, without statistics."""
    pairs = list(zip(former.explanations, side.explanations, strict=True))
    instances = tuple(
        _changed(before, after, i % 3 == 0) for i, (before, after) in enumerate(pairs)
    )
    images = any(item.contents and item.names[0] == "segment 0" for item in side.explanations)
    names = side.explanations[0].names if not images else ()
    parts = [_part(name, j, pairs) for j, name in enumerate(names)]
    parts.sort(key=lambda part: -abs(part.change))
    return Drift(instances, tuple(parts), 0.01, alarm=True)


def _changed(before, after, changed):
    first, second = before.labels[0], after.labels[0]
    error = first.std_errors + second.std_errors
    change = second.weights - first.weights
    answers = ["malignant" if item.scores[0] >= 0.5 else "benign" for item in (before, after)]
    discovered = changed & (np.abs(change) > 3 * error)
    return InstanceDrift(
        key=after.key,
        label=second.label,
        parts=after.parts,
        names=after.names,
        before=first.weights,
        after=second.weights,
        std_errors=error,
        low=change - 3 * error,
        high=change + 3 * error,
        p_values=np.full(len(change), 0.01),
        discovered=discovered,
        prediction_before=first.prediction,
        prediction_after=second.prediction,
        answer_before=answers[0],
        answer_after=answers[1],
        answer_changed=answers[0] != answers[1],
        topk_overlap=0.6,
        rank_agreement=0.7,
        total_change=0.4,
        sign_flips=1,
        fidelity_before=first.fidelity_r2,
        fidelity_after=second.fidelity_r2,
        untrusted="the surrogate fits too poorly" if min(first.fidelity_r2, 0.2) < 0.15 else "",
        p_value=0.01,
    )


def _part(name, j, pairs):
    before = float(np.mean([abs(former.labels[0].weights[j]) for former, _ in pairs]))
    after = float(np.mean([abs(item.labels[0].weights[j]) for _, item in pairs]))
    change = after - before
    return PartDrift(
        name, before, after, change, change - 0.01, change + 0.01, 0.01, 0.02, abs(change) > 0.01
    )


def inside_of(side, *, seed=0, refused=()):
    """Return a version whose network was looked into, by two methods that nearly agree."""
    rng = np.random.default_rng(seed)
    instances = {}
    for item in side.explanations:
        weights = item.labels[0].weights
        instances[item.key] = {
            method: Attribution(
                label=item.labels[0].label,
                values=5 * weights + rng.normal(size=len(weights)) * np.abs(weights).mean(),
                rest=0.0,
                output=float(rng.normal()),
                missing=1e-7,
                biases=0.1,
            )
            for method in ("deeplift", "lrp")
        }
    attributions = Attributions(
        instances=instances,
        settings={"deeplift": "rescale rule; baseline: zero", "lrp": "rule: composite"},
        unit="log-odds",
        refused={"lrp": tuple(refused)} if refused else {},
    )
    pairs = [(item, None) for item in side.explanations]
    values = agreement(None, pairs, attributions, curves=False)
    trust = summarise(side.explanations, side.failed, measured=[values])
    return replace(side, attributions=attributions, trust=trust)
