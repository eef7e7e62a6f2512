"""Which parts are kept in each perturbed input, and which background value replaces the others.

A *law* says how masks are distributed, a *design* how evenly a block of rows represents that law.
Every row of every design but ``exact`` has exactly the law of a random row, so estimates are
unbiased whatever the number of rows; designs differ in their variance only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, erfinv

from mlflow_lime.core.arrays import (
    MAX_ENUMERATED_PARTS,
    MAX_ORTHOGONAL_PARTS,
    enumerate_masks,
    folded_columns,
    linear_rows,
    orthogonal_array,
    orthogonal_runs,
    strength_three,
)
from mlflow_lime.core.blocks import LEVELS, MaskBlock
from mlflow_lime.core.laws import LAWS, count_weights
from mlflow_lime.errors import DataError, did_you_mean

__all__ = [
    "DESIGNS",
    "LAWS",
    "LEVEL_BITS",
    "LOCAL_WIDTH",
    "choose_design",
    "count_weights",
    "enumerate_masks",
    "mask_block",
]

UintArray = NDArray[np.uint32]
MaskArray = NDArray[np.uint8]
LevelArray = NDArray[np.uint16]
FloatArray = NDArray[np.float64]

DESIGNS: Final = ("exact", "orthogonal", "linear", "sobol", "stratified", "paired", "iid")
LOCAL_WIDTH: Final = 0.45
"""Width of the local law of tables; ``benchmarks/designs.py`` prints the table behind it."""
MAX_SOBOL_DIMENSIONS: Final = 21_201

LEVEL_BITS = 10
_BERNOULLI = ("orthogonal", "linear")
_HALF = np.uint32(1 << 31)


@dataclass(frozen=True)
class _Plan:
    """What a design has to draw, and from which random numbers."""

    law: str
    width: float | None
    n_parts: int
    n_draws: int
    n_rows: int
    start: int
    seed: np.random.SeedSequence
    replicate: int
    round_: int

    @cached_property
    def rng(self) -> np.random.Generator:
        """Random numbers of this block alone."""
        return _generator(self.seed, self.replicate, 1 + self.round_)

    @cached_property
    def replicate_rng(self) -> np.random.Generator:
        """Random numbers that are the same in all rounds of the replicate."""
        return _generator(self.seed, self.replicate, 0)

    @property
    def split_draws(self) -> bool:
        """Whether one number per part decides both whether it is kept and its level."""
        return self.n_draws == self.n_parts

    @property
    def n_dims(self) -> int:
        """Dimensions of a point: the share kept (if random), the parts, the separate levels."""
        counts = self.law == "uniform_count" and self.n_parts > 0
        return int(counts) + self.n_parts + (0 if self.split_draws else self.n_draws)


def mask_block(
    design: str,
    *,
    law: str,
    n_parts: int,
    n_draws: int,
    n_rows: int,
    seed: np.random.SeedSequence,
    replicate: int = 0,
    round_: int = 0,
    start: int | None = None,
    width: float | None = None,
) -> MaskBlock:
    """Draw one block of masks and background levels.

    Parameters
    ----------
    design : {"exact", "orthogonal", "linear", "sobol", "stratified", "paired", "iid"}
        ``exact`` repeats the enumeration of all masks; ``orthogonal`` are orthogonal arrays of
        strength 4 (law ``bernoulli`` only); ``linear`` are linear codes for fewer rows than that
        (``bernoulli`` only), of strength 3 where the rows suffice, and folded beyond, so that
        interactions of two parts never leak into a weight; ``sobol`` is a digitally shifted
        Sobol sequence with its columns in random order; ``stratified`` is a Latin hypercube;
        ``paired`` holds antithetic pairs (complements, where the law is symmetric); ``iid`` is
        plain sampling.
    law : {"uniform_count", "bernoulli"}
        ``uniform_count``: a share p uniform on (0, 1), then each part is kept with probability
        p, so every number of kept parts is equally likely. ``bernoulli``: p = 1/2.
    n_parts : int
        Number of parts; 0 for levels alone.
    n_draws : int
        Number of levels of a row; `n_parts` where each part has its own, 0 where absent parts
        are replaced by something fixed.
    n_rows : int
        Rows of the block.
    seed : numpy.random.SeedSequence
        Seed of the instance; never changed by the call.
    replicate : int
        Replicates are independent of each other.
    round_ : int
        Later rounds extend a replicate: the Sobol sequence goes on where the round before
        stopped; orthogonal arrays and linear codes get another coset, with their columns in
        another order; other designs another independent block.
    start : int, optional
        Rows of the earlier rounds of this replicate, where the Sobol sequence goes on; by
        default ``round_ * n_rows``, right where all rounds have the same rows.
    width : float, optional
        For ``uniform_count``: makes the law local. The expected share removed, 1 - p, gets the
        density ``exp(-(1 - p)**2 / (2 width**2))`` on (0, 1), up to a constant. Rows come from
        that law itself and need no kernel weights.

    Returns
    -------
    MaskBlock
        A function of the arguments alone.

    Raises
    ------
    DataError
        If the design or law does not exist, or the design cannot serve the law or the sizes.

    References
    ----------
    Owen, "Monte Carlo theory, methods and examples", 2013, chapters 8 and 17. Tan, Tian, Li,
    "GLIME", NeurIPS 2023, for sampling from the kernel-weighted law itself.

    Examples
    --------
    >>> block = mask_block(
    ...     "sobol", law="uniform_count", n_parts=3, n_draws=3, n_rows=8,
    ...     seed=np.random.SeedSequence(0))
    >>> block.masks.shape, block.levels.dtype
    ((8, 3), dtype('uint16'))
    """
    _check(design, law, n_parts, n_draws, n_rows, width)
    plan = _Plan(
        law=law,
        width=width,
        n_parts=n_parts,
        n_draws=n_draws,
        n_rows=n_rows,
        start=round_ * n_rows if start is None else start,
        seed=seed,
        replicate=replicate,
        round_=round_,
    )
    return _DRAW[design](plan)


def choose_design(
    law: str, *, n_parts: int, n_draws: int, n_rows: int, n_replicates: int = 4
) -> str:
    """Return the design that ``auto`` stands for, by law and size.

    Where absent parts take random values, or the law is ``uniform_count``, it is never one that
    loses against plain sampling. A ``linear`` code of fewer rows than strength 4 takes can: on
    scores that are odd under the exchange of kept and absent parts, such as a step half way,
    folded rows have up to twice the variance of plain ones; where interactions of two parts
    prevail they have a tenth or less (``benchmarks/binary_designs.py``).

    Parameters
    ----------
    law : {"uniform_count", "bernoulli"}
        Law of the masks.
    n_parts, n_draws : int
        As in `mask_block`.
    n_rows : int
        Rows of one replicate.
    n_replicates : int
        Number of replicates.

    Returns
    -------
    str
        ``exact`` where all masks fit in all rows together and nothing else is random (one block
        of ``2**n_parts`` rows, no replicates); otherwise a design of independent replicates.

    Examples
    --------
    >>> choose_design("bernoulli", n_parts=6, n_draws=0, n_rows=64)
    'exact'
    >>> choose_design("bernoulli", n_parts=15, n_draws=0, n_rows=256)
    'orthogonal'
    >>> choose_design("bernoulli", n_parts=45, n_draws=0, n_rows=64)
    'linear'
    >>> choose_design("uniform_count", n_parts=30, n_draws=30, n_rows=250)
    'sobol'
    """
    _check_law(law)
    if n_draws == 0:
        if n_parts <= MAX_ENUMERATED_PARTS and 1 << n_parts <= n_rows * n_replicates:
            return "exact"
        if law == "bernoulli":
            # More parts than rows never fit, and beyond 1,023 parts there is no array.
            fits = n_parts < n_rows and n_parts <= MAX_ORTHOGONAL_PARTS
            if fits and orthogonal_runs(n_parts) <= n_rows:
                return "orthogonal"
            # Three replicates of a folded code, of n rows each, have rank 3 n / 2: the weights of
            # more parts than rows would hardly be determined without a replicate, or not at all.
            return "linear" if n_parts <= n_rows else "iid"
        return "sobol" if n_parts < min(n_rows, MAX_SOBOL_DIMENSIONS) else "stratified"
    # A binary net of n rows has fewer than n distinct leading bits for its columns.
    n_dims = n_parts + (0 if n_draws == n_parts else n_draws) + 1
    return "sobol" if 4 * n_dims <= n_rows else "stratified"


# ------------------------------------------------------------------------------- checks


def _check_law(law: str) -> None:
    if law not in LAWS:
        msg = f"the law of the masks must be one of {LAWS}, got {law!r}.{did_you_mean(law, LAWS)}"
        raise DataError(msg)


def _check(
    design: str, law: str, n_parts: int, n_draws: int, n_rows: int, width: float | None
) -> None:
    _check_law(law)
    if design not in DESIGNS:
        hint = did_you_mean(design, DESIGNS)
        msg = f"the design of the masks must be one of {DESIGNS}, got {design!r}.{hint}"
        raise DataError(msg)
    if min(n_parts, n_draws) < 0 or n_parts + n_draws == 0 or n_rows < 1:
        msg = (
            "a block needs parts or draws, and rows; got "
            f"n_parts={n_parts}, n_draws={n_draws}, n_rows={n_rows}"
        )
        raise DataError(msg)
    if width is not None and (law != "uniform_count" or not width > 0):
        msg = f"width must be a positive number, and needs law 'uniform_count'; got {width!r}"
        raise DataError(msg)
    if design in _BERNOULLI and law != "bernoulli":
        others = tuple(name for name in DESIGNS if name not in _BERNOULLI)
        what = "orthogonal arrays" if design == "orthogonal" else "linear codes"
        msg = f"{what} serve law 'bernoulli' only; for {law!r} use one of {others}"
        raise DataError(msg)


def _generator(seed: np.random.SeedSequence, *key: int) -> np.random.Generator:
    # Not seed.spawn(): it counts its calls, so results would depend on their order.
    child = np.random.SeedSequence(
        seed.entropy, spawn_key=(*seed.spawn_key, *key), pool_size=seed.pool_size
    )
    return np.random.Generator(np.random.PCG64(child))


# ------------------------------------------------------------- designs made from points
# A point is a column of unsigned 32-bit fractions, each uniform on its own: points lie beside each
# other, because the share kept differs from one to the next.


def _draw_iid(plan: _Plan) -> MaskBlock:
    return _from_points(_random_points(plan, plan.n_rows).T, plan)


def _draw_paired(plan: _Plan) -> MaskBlock:
    half = _random_points(plan, (plan.n_rows + 1) // 2)
    pairs = np.stack([half, ~half], axis=1).reshape(-1, plan.n_dims)
    return _from_points(pairs[: plan.n_rows].T, plan)


def _draw_stratified(plan: _Plan) -> MaskBlock:
    cells = np.empty((plan.n_dims, plan.n_rows), dtype=np.uint32)
    cells[:] = np.arange(plan.n_rows, dtype=np.uint32)
    cells = plan.rng.permuted(cells, axis=1, out=cells)
    inside = plan.rng.random(cells.shape[::-1]).T
    points = ((cells + inside) * (2.0**32 / plan.n_rows)).astype(np.uint32)
    return _from_points(points, plan)


def _draw_sobol(plan: _Plan) -> MaskBlock:
    return _from_points(_net(plan), plan)


def _random_points(plan: _Plan, n_rows: int) -> UintArray:
    return plan.rng.integers(0, 1 << 32, size=(n_rows, plan.n_dims), dtype=np.uint32)


def _net(plan: _Plan) -> UintArray:
    """Return shifted Sobol points; the share kept stays in the first, most even, dimension."""
    rng, n_dims = plan.replicate_rng, plan.n_dims
    base = _sobol(n_dims, plan.start, plan.n_rows)
    first = int(plan.law == "uniform_count" and plan.n_parts > 0)
    order = np.concatenate([np.arange(first), first + rng.permutation(n_dims - first)])
    shift = rng.integers(0, 1 << 32, size=n_dims, dtype=np.uint32)
    points = np.take(base, order, axis=0)
    points ^= shift[:, None]
    return points


@lru_cache(maxsize=32)
def _sobol(n_dims: int, start: int, n_rows: int) -> UintArray:
    if n_dims > MAX_SOBOL_DIMENSIONS:
        msg = (
            f"Sobol sequences have at most {MAX_SOBOL_DIMENSIONS} dimensions, got {n_dims}; "
            "use design 'stratified'"
        )
        raise DataError(msg)
    from scipy.stats import qmc  # a third of a second, for those who never draw

    sequence = qmc.Sobol(n_dims, scramble=False, bits=32)
    if start:
        sequence.fast_forward(start)
    points = np.ldexp(_sobol_rows(sequence, n_rows), 32).astype(np.uint32).T.copy()
    points.setflags(write=False)
    return points


def _sobol_rows(sequence: Any, n_rows: int) -> FloatArray:
    # In one piece scipy warns unless the rows are a power of two; a digital shift keeps every
    # row uniform, so balance is a gain here and not a condition.
    powers = [1 << bit for bit in range(n_rows.bit_length()) if n_rows >> bit & 1]
    return np.concatenate([sequence.random(size) for size in reversed(powers)])


def _from_points(points: UintArray, plan: _Plan) -> MaskBlock:
    """Turn points into masks and levels: keep a part where its number is below the share kept."""
    n_parts = plan.n_parts
    first = plan.n_dims - n_parts - (0 if plan.split_draws else plan.n_draws)
    parts = points[first : first + n_parts]
    share = _share_kept(points[0], plan.width) if first else None
    kept = (parts < (_HALF if share is None else share)).view(np.uint8)
    if plan.split_draws:
        levels = _remaining_levels(parts, kept, share)
    else:
        levels = _leading_levels(points[first + n_parts :])
    return MaskBlock(kept.T.copy(), levels.T.copy(), np.ones(plan.n_rows))


def _share_kept(points: UintArray, width: float | None) -> UintArray:
    """Return the share kept as a 32-bit fraction in (0, 1), by inversion of its distribution."""
    if width is None:
        return np.maximum(points, np.uint32(1))
    scale = width * np.sqrt(2.0)
    removed = scale * erfinv((points + 0.5) * (erf(1.0 / scale) * 2.0**-32))
    share: FloatArray = np.clip(2.0**32 * (1.0 - removed), 1.0, 2.0**32 - 1.0)
    return share.astype(np.uint32)


def _leading_levels(points: UintArray) -> LevelArray:
    return (points >> np.uint32(32 - LEVEL_BITS)).astype(np.uint16)


def _remaining_levels(points: UintArray, kept: MaskArray, share: UintArray | None) -> LevelArray:
    """Return the levels that are left in the points once it is known what they keep.

    Below the share kept a point is uniform, and above it also: stretched to the whole range
    either gives a level, so one number per part keeps the evenness of the design for both.
    """
    if share is None:
        return _leading_levels(points << np.uint32(1))
    below = np.float32(LEVELS) / share.astype(np.float32)
    above = np.float32(LEVELS) / (~share + np.uint32(1)).astype(np.float32)
    # Where a part is kept the difference wraps round and exceeds the point itself.
    within = points - share
    np.minimum(points, within, out=within)
    stretched = kept.astype(np.float32)
    stretched *= below - above
    stretched += above
    stretched *= within.astype(np.float32)
    np.minimum(stretched, np.float32(LEVELS - 1), out=stretched)
    return stretched.astype(np.uint16)


# --------------------------------------------------------------- designs made from masks


def _draw_exact(plan: _Plan) -> MaskBlock:
    masks = enumerate_masks(plan.n_parts)
    if plan.n_rows % len(masks):
        msg = (
            f"design 'exact' needs a multiple of {len(masks)} rows for {plan.n_parts} parts, "
            f"got {plan.n_rows}; use another design, or that many rows"
        )
        raise DataError(msg)
    masks = np.tile(masks, (plan.n_rows // len(masks), 1))
    weights = count_weights(plan.law, plan.n_parts, plan.width)
    return MaskBlock(masks, _shuffled_levels(plan), weights[masks.sum(axis=1, dtype=np.intp)])


def _draw_orthogonal(plan: _Plan) -> MaskBlock:
    """Draw cosets of a linear code, each under its own shift; the last one may be cut short."""
    array = orthogonal_array(plan.n_parts)
    if plan.n_rows < len(array):
        msg = (
            f"an orthogonal array of strength 4 for {plan.n_parts} parts needs at least "
            f"{len(array)} rows a replicate, got {plan.n_rows}; use 'sobol' or 'paired', or more"
        )
        raise DataError(msg)
    shifts = _shifts(plan, -(-plan.n_rows // len(array)))
    columns = plan.rng.permutation(plan.n_parts)
    masks = (array[:, columns] ^ shifts).reshape(-1, plan.n_parts)[: plan.n_rows]
    return MaskBlock(masks, _shuffled_levels(plan), np.ones(plan.n_rows))


def _draw_linear(plan: _Plan) -> MaskBlock:
    # A code that is cut short would let interactions of two parts into the weights.
    bits = [bit for bit in range(plan.n_rows.bit_length()) if plan.n_rows >> bit & 1]
    masks = np.concatenate([_linear_coset(plan, n_bits) for n_bits in reversed(bits)])
    return MaskBlock(masks, _shuffled_levels(plan), np.ones(plan.n_rows))


def _linear_coset(plan: _Plan, n_bits: int) -> MaskArray:
    shift = _shifts(plan, 1)[0]
    found = strength_three(plan.n_parts, n_bits)
    if found is not None:
        columns = np.array(found, dtype=np.uint32)
    elif n_bits:
        # Parts beyond the number of columns share one, in each replicate with another part.
        columns = np.resize(plan.rng.permutation(folded_columns(n_bits)), plan.n_parts)
    else:
        columns = np.zeros(plan.n_parts, dtype=np.uint32)
    rows: MaskArray = linear_rows(n_bits, plan.rng.permutation(columns)) ^ shift
    return rows


def _shifts(plan: _Plan, n_cosets: int) -> MaskArray:
    return plan.rng.integers(0, 2, size=(n_cosets, 1, plan.n_parts), dtype=np.uint8)


def _shuffled_levels(plan: _Plan) -> LevelArray:
    """Return even levels whose rows meet the masks in random order."""
    if plan.n_draws == 0:
        return np.empty((plan.n_rows, 0), dtype=np.uint16)
    shift = plan.rng.integers(0, 1 << 32, size=plan.n_draws, dtype=np.uint32)
    levels = _leading_levels(_sobol(plan.n_draws, 0, plan.n_rows).T ^ shift)
    return plan.rng.permutation(levels)


_DRAW: dict[str, Callable[[_Plan], MaskBlock]] = {
    "exact": _draw_exact,
    "orthogonal": _draw_orthogonal,
    "linear": _draw_linear,
    "sobol": _draw_sobol,
    "stratified": _draw_stratified,
    "paired": _draw_paired,
    "iid": _draw_iid,
}
