"""Realism: how far perturbed rows lie from the instances, and how easily they are told apart."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.domain import Subject
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.seeds import REALISM, instance_seed
from mlflow_lime.core.tabular.columns import as_numbers, as_series
from mlflow_lime.core.tabular.table import Table

__all__ = ["MIN_INSTANCES", "Realism", "realism"]

FloatArray = NDArray[np.float64]

MIN_INSTANCES: Final = 8
"""Instances below which there is no telling what is near them."""
MAX_INSTANCES: Final = 500
"""Instances beyond which some must do: every row is compared with every instance."""
ROWS: Final = 32
"""Perturbed rows of an instance."""
TOLD_APART: Final = 4
"""Of these, rows that a forest is to tell from the instance."""
NEAR: Final = 0.95
"""Quantile of the distances among instances beyond which a row is off the manifold."""
_CHUNK: Final = 64
_FOLDS: Final = 3
_TREES: Final = 25
_FAR: Final = 10.0
"""Ranges beyond which a number is no farther."""
_MIXER = np.uint64(0x9E3779B97F4A7C15)
"""An odd multiplier, so that no bit of a hash is lost."""


@dataclass(frozen=True, slots=True, eq=False)
class Realism:
    """How real perturbed rows look.

    Attributes
    ----------
    off_manifold : dict of str to float
        Share of each instance's perturbed rows that lie off the manifold, by key.
    pairs : ndarray of float64, shape (n_instances, n_instances), or None
        Share of the perturbed rows of the second instance that a forest holds for less real than
        the first instance itself, ties by half. Their mean is the area under the curve.
    """

    off_manifold: dict[str, float] = field(default_factory=dict)
    pairs: FloatArray | None = None

    @property
    def auc(self) -> float:
        """Cross-validated area under the curve; NaN where it is not known."""
        return float("nan") if self.pairs is None else float(self.pairs.mean())


def realism(explainer: Explainer, subjects: Sequence[Subject]) -> Realism:
    """Return how real the perturbed rows of instances of a table look. The model is not asked.

    A perturbed row is off the manifold where its nearest instance is farther away than the 95 %
    quantile of the distances of the instances to their own nearest others. Distances are Gower's:
    the mean over parts of the difference over the range, and of whether categories (joint values
    of a group) differ; a missing value differs wholly from any other.

    The area under the curve is that of a random forest of 25 trees which is to tell the instances
    from 4 perturbed rows of each; 3 folds, in which an instance stands with its own rows, so that
    none of them is known. 0.5 is indistinguishable, 1 gives every perturbed row away: a model could
    then behave otherwise on perturbed rows than on real ones.

    Parameters
    ----------
    explainer : Explainer
        Draws the same rows as for its explanations.
    subjects : sequence of Subject
        At most 500 are used: those of the smallest digests.

    Returns
    -------
    Realism
        Empty for fewer than 8 instances, and for texts and images.

    References
    ----------
    Gower, "A general coefficient of similarity and some of its properties", Biometrics 27, 1971.
    Slack, Hilgard, Jia, Singh, Lakkaraju, "Fooling LIME and SHAP", AIES 2020, section 3.
    """
    table = getattr(explainer.domain, "table", None)
    varied = sorted((subject.digest, i) for i, subject in enumerate(subjects) if subject.n_active)
    used = [subjects[i] for _, i in varied[:MAX_INSTANCES]]  # in an order of their own
    if not isinstance(table, Table) or len(used) < MIN_INSTANCES:
        return Realism()
    originals = _frame(table, explainer.domain.originals(used))
    scale = _Scale.of(table, originals)
    real = scale.rows(originals)
    among = _distances(real, real)
    np.fill_diagonal(among, np.inf)
    limit = np.quantile(among.min(axis=1), NEAR) * (1 + 1e-9)
    shares: dict[str, float] = {}
    told: list[Rows] = []
    for start in range(0, len(used), _CHUNK):
        chunk = used[start : start + _CHUNK]
        draws = [(subject, _some_rows(explainer, subject)) for subject in chunk]
        rows = scale.rows(_frame(table, explainer.domain.perturb(draws)))
        nearest = _distances(rows, real).min(axis=1).reshape(len(chunk), ROWS)
        for subject, off in zip(chunk, (nearest > limit).mean(axis=1), strict=True):
            shares[subject.key] = float(off)
        few = np.arange(len(rows[0])).reshape(len(chunk), ROWS)[:, :TOLD_APART].ravel()
        told.append((rows[0][few], rows[1][few]))
    perturbed = tuple(np.concatenate(pieces) for pieces in zip(*told, strict=True))
    return Realism(shares, _pairs(real, (perturbed[0], perturbed[1])))


def _some_rows(explainer: Explainer, subject: Subject) -> MaskBlock:
    """Return a few rows of the instance's neighbourhood, as likely as they count in it."""
    rows = explainer.neighbourhood
    _, block = next(rows.blocks(subject, 0))
    kernel = rows.kernel(subject)
    domain = explainer.domain
    counts = kernel.weights(domain.features(subject, block), domain.origin(subject))
    counts = counts * block.weights
    seed = instance_seed(explainer.sampling.seed, subject.digest, REALISM)
    rng = np.random.Generator(np.random.PCG64(seed))
    chosen = rng.choice(len(counts), size=ROWS, p=counts / counts.sum())
    return MaskBlock(block.masks[chosen], block.levels[chosen], np.ones(ROWS))


def _frame(table: Table, rows: Any) -> pd.DataFrame:
    """Return rows as the model reads them, as a frame."""
    if isinstance(rows, pd.DataFrame):
        return rows
    return pd.DataFrame(rows, columns=pd.Index(table.columns)).infer_objects()


Rows = tuple[FloatArray, NDArray[np.uint64]]
"""Numbers as shares of their range, NaN where missing, and hashes of categories and groups."""


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """The parts of a table, and the ranges of the numbers among them."""

    table: Table
    low: FloatArray
    size: FloatArray

    @classmethod
    def of(cls, table: Table, originals: pd.DataFrame) -> "_Scale":
        lows, sizes = [], []
        for part in table.parts:
            if part.kind == "numeric":
                own = as_numbers(originals[part.columns[0]])
                known = np.concatenate([as_numbers(as_series(part.values[0])), own])
                known = known[np.isfinite(known)]
                lows.append(known.min() if len(known) else 0.0)
                sizes.append(np.ptp(known) if len(known) else 0.0)
        size = np.array(sizes)
        return cls(table, np.array(lows), np.where(size > 0, size, 1.0))

    def rows(self, frame: pd.DataFrame) -> Rows:
        """Return rows in a form in which they can be compared."""
        parts = self.table.parts
        numeric = [as_numbers(frame[p.columns[0]]) for p in parts if p.kind == "numeric"]
        hashes = [_hash(frame, p.columns) for p in parts if p.kind != "numeric"]
        numbers = np.array(numeric).reshape(-1, len(frame)).T
        scaled = np.clip((numbers - self.low) / self.size, -_FAR, 1 + _FAR)
        return scaled, np.array(hashes, dtype=np.uint64).reshape(-1, len(frame)).T


def _hash(frame: pd.DataFrame, columns: Sequence[Hashable]) -> NDArray[np.uint64]:
    total = np.zeros(len(frame), dtype=np.uint64)
    for column in columns:
        values = frame[column].astype(str).to_numpy(dtype=object)
        total = total * _MIXER + pd.util.hash_array(values)
    return total


def _distances(rows: Rows, others: Rows) -> FloatArray:
    """Return Gower's distances, shape (n_rows, n_others)."""
    from scipy.spatial.distance import cdist

    known = ~(np.isnan(rows[0]).any(axis=0) | np.isnan(others[0]).any(axis=0))
    total: FloatArray = cdist(rows[0][:, known], others[0][:, known], "cityblock")
    for j in np.flatnonzero(~known).tolist():
        a, b = rows[0][:, j, None], others[0][None, :, j]
        missing = np.isnan(a) != np.isnan(b)
        total += np.where(missing, 1.0, np.nan_to_num(np.abs(a - b)))
    for j in range(rows[1].shape[1]):
        total += (rows[1][:, j, None] != others[1][None, :, j]).astype(np.float64)
    distances: FloatArray = total / max(1, rows[0].shape[1] + rows[1].shape[1])
    return distances


def _pairs(real: Rows, perturbed: Rows) -> FloatArray:
    """Return how a forest ranks each instance against each other's perturbed rows."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GroupKFold

    n, m = len(real[0]), len(perturbed[0])
    features = _features(real, perturbed)
    is_real = np.arange(n + m) < n
    groups = np.concatenate([np.arange(n), np.repeat(np.arange(n), m // n)])
    scores = np.empty(n + m)
    for train, test in GroupKFold(_FOLDS).split(features, is_real, groups):
        forest = RandomForestClassifier(_TREES, class_weight="balanced", random_state=0)
        forest.fit(features[train], is_real[train])
        scores[test] = forest.predict_proba(features[test])[:, 1]
    own, others = scores[:n, None, None], scores[n:].reshape(1, n, m // n)
    ranked: FloatArray = ((own > others) + 0.5 * (own == others)).mean(axis=2)
    return ranked


def _features(real: Rows, perturbed: Rows) -> FloatArray:
    """Return the rows of both as numbers; missing ones lie below all others."""
    numbers = np.nan_to_num(np.concatenate([real[0], perturbed[0]]), nan=-2 * _FAR)
    hashes = np.concatenate([real[1], perturbed[1]])
    codes = [np.unique(column, return_inverse=True)[1].reshape(-1) for column in hashes.T]
    return np.column_stack([numbers, *codes])
