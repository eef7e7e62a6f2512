"""Hypothesis strategies, and a plain builder, for finished explanations."""

import numpy as np
from hypothesis import strategies as st

from mlflow_lime.core.explanation import Explanation, FailedExplanation, LabelExplanation

HOSTILE_NAMES = (
    "</script><img src=x onerror=alert(1)>",
    "]]></style><svg onload=alert(1)>",
    "\"' onmouseover='alert(1)' x=\"",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp; &#60;",
    "\x00\x07\x1b[31m\x7f\x85 bell",
    "line\nbreak\r\ttab\u2028separator",
    "\u202emalignant\u2066 reordered",
    "دخل سنوي",
    "年収 = 五百万円",
    "$\\frac{1}{2}$ of $price$",
    "%s %(name)s {0}",
    "🧬 zero\u200bwidth\ufeff",
    "\ufffe\uffff",
    "",
    " ",
    "n" * 300,
)
"""Names that break naive formatting, escaping or layout."""

_CHARACTERS = st.characters(codec="utf-8")
_WEIGHTS = st.floats(-1e6, 1e6) | st.floats(-1, 1) | st.just(0.0)
_SHARES = st.floats(0, 1)


def make_label(weights, *, label="malignant", index=0, error=0.02, **changes):
    """Return a consistent surrogate with these weights; `changes` replace its fields."""
    weights = np.asarray(weights, dtype=np.float64)
    errors = np.full(len(weights), float(error))
    fields = {
        "label": label,
        "index": index,
        "weights": weights,
        "std_errors": errors,
        "low": weights - 2 * errors,
        "high": weights + 2 * errors,
        "replicate_weights": weights + errors * np.array([[-1.0], [1.0]]) if error else [],
        "intercept": 0.4,
        "prediction": 0.69,
        "surrogate_prediction": 0.66,
        "fidelity_r2": 0.58,
        "error": 0.05,
        "output_std": 0.2,
        "decision_agreement": 0.9,
        "stability_topk": 0.8,
        "sign_agreement": 1.0,
        "flat": False,
    }
    fields |= changes
    if not isinstance(fields["replicate_weights"], np.ndarray):
        rows = fields["replicate_weights"]
        fields["replicate_weights"] = np.reshape(rows, (len(rows), len(weights)))
    return LabelExplanation(**fields)


def make_explanation(labels, *, parts=None, names=None, key="03 #21cc2b", **changes):
    """Return an explanation of these surrogates; `changes` replace its fields."""
    n_parts = len(labels[0].weights)
    names = tuple(names if names is not None else (f"feature {j}" for j in range(n_parts)))
    fields = {
        "key": key,
        "mode": "classification",
        "class_names": ("malignant", "benign"),
        "scores": np.array([0.69, 0.31]),
        "parts": tuple(parts if parts is not None else (f"{name} = 17.3" for name in names)),
        "names": names,
        "labels": tuple(labels),
        "ess_share": 0.6,
        "rows": 1024,
        "rows_predicted": 1000,
        "converged": True,
        "exact": False,
        "seed": 0,
        "digest": "21cc2b",
        "recipe": {"design": "orthogonal", "kernel": {"width": 0.75}},
        "notes": (),
    }
    return Explanation(**(fields | changes))


def texts():
    """Return names and values as hostile data may hold them."""
    return st.sampled_from(HOSTILE_NAMES) | st.text(_CHARACTERS, max_size=40)


def _vectors(n_parts, elements):
    return st.lists(elements, min_size=n_parts, max_size=n_parts).map(np.array)


@st.composite
def label_explanations(draw, n_parts, *, label="value", index=0, exact=False):
    """Return surrogates of `n_parts` parts; flat ones and exact ones among them."""
    flat = draw(st.booleans())
    weights = draw(_vectors(n_parts, st.just(0.0) if flat else _WEIGHTS))
    errors = np.zeros(n_parts) if exact else draw(_vectors(n_parts, st.floats(0, 1e3)))
    n_replicates = 0 if exact else draw(st.integers(1, 3))
    replicates = [draw(_vectors(n_parts, _WEIGHTS)) for _ in range(n_replicates)]
    return make_label(
        weights,
        label=label,
        index=index,
        std_errors=errors,
        low=weights - 2 * errors,
        high=weights + 2 * errors,
        replicate_weights=replicates,
        prediction=draw(_WEIGHTS | _SHARES),
        surrogate_prediction=draw(_WEIGHTS),
        fidelity_r2=float("nan") if flat else draw(st.floats(-5, 1) | st.just(float("nan"))),
        decision_agreement=draw(_SHARES | st.just(float("nan"))),
        stability_topk=draw(_SHARES),
        flat=flat,
    )


@st.composite
def explanations(draw, *, min_parts=1, max_parts=8):
    """Return explanations of any mode, number of parts and labels, with hostile names."""
    n_parts = draw(st.integers(min_parts, max_parts))
    mode = draw(st.sampled_from(("classification", "regression")))
    n_outputs = 1 if mode == "regression" else draw(st.integers(2, 4))
    names = [draw(texts()) for _ in range(n_outputs)]
    class_names = tuple(f"{name}{j}" for j, name in enumerate(names))  # distinct
    explained = draw(st.permutations(range(n_outputs)))[: draw(st.integers(1, n_outputs))]
    exact = draw(st.booleans())
    labels = [
        draw(label_explanations(n_parts, label=class_names[j], index=j, exact=exact))
        for j in explained
    ]
    return make_explanation(
        labels,
        parts=[draw(texts()) for _ in range(n_parts)],
        names=[draw(texts()) for _ in range(n_parts)],
        key=draw(texts()),
        mode=mode,
        class_names=class_names,
        scores=draw(_vectors(n_outputs, _SHARES | st.just(float("nan")))),
        ess_share=draw(_SHARES),
        rows=draw(st.integers(1, 10**6)),
        rows_predicted=draw(st.integers(0, 10**6)),
        converged=draw(st.booleans()),
        exact=exact,
        seed=draw(st.integers(0, 2**63)),
        notes=tuple(draw(st.lists(texts(), max_size=3))),
    )


def failed_explanations():
    """Return instances that could not be explained."""
    return st.builds(FailedExplanation, key=texts(), reason=texts(), kind=texts())
