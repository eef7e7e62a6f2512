"""Orthogonal arrays of strength 4 from BCH codes: any four columns show every pattern equally."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.errors import DataError

__all__ = ["binary_digits", "orthogonal_array", "orthogonal_runs", "strength_four"]

MaskArray = NDArray[np.uint8]

MAX_ORTHOGONAL_PARTS = 1_023

# Primitive polynomials over GF(2), by degree.
_PRIMITIVE = {
    2: 0b111,
    3: 0b1011,
    4: 0b10011,
    5: 0b100101,
    6: 0b1000011,
    7: 0b10001001,
    8: 0b100011101,
    9: 0b1000010001,
    10: 0b10000001001,
}
# Extending a code greedily takes time in proportion to runs x parts.
_MAX_GREEDY_BITS = 13


def orthogonal_runs(n_parts: int) -> int:
    """Return the rows of the smallest orthogonal array of strength 4 that is available here.

    Examples
    --------
    >>> [orthogonal_runs(n) for n in (4, 15, 30, 63, 127)]
    [16, 256, 1024, 4096, 16384]
    """
    return 1 << strength_four(n_parts)[0]


@lru_cache(maxsize=16)
def orthogonal_array(n_parts: int) -> MaskArray:
    """Return a linear orthogonal array: all combinations of the bits of its columns.

    Returns
    -------
    ndarray of uint8, shape (orthogonal_runs(n_parts), n_parts)

    References
    ----------
    Hedayat, Sloane, Stufken, "Orthogonal arrays", 1999, section 4.3: the words of the dual of a
    linear code with minimum distance 5 form an orthogonal array of strength 4.
    """
    n_bits, columns = strength_four(n_parts)
    runs = binary_digits(np.arange(1 << n_bits, dtype=np.uint32), n_bits)
    generator = binary_digits(np.array(columns, dtype=np.uint32), n_bits).T
    # At most 20 bits are added up, so uint8 cannot overflow.
    array: MaskArray = (runs @ generator) & np.uint8(1)
    array.setflags(write=False)
    return array


@lru_cache(maxsize=256)
def strength_four(n_parts: int) -> tuple[int, tuple[int, ...]]:
    """Return the bits needed, and columns of that many bits of which any four are independent."""
    if n_parts <= 5:
        # Unit vectors, and for five parts also their sum: any four are independent.
        n_bits = min(n_parts, 4)
        return n_bits, (*(1 << bit for bit in range(n_bits)), 15)[:n_parts]
    if n_parts > MAX_ORTHOGONAL_PARTS:
        msg = (
            f"orthogonal arrays serve at most {MAX_ORTHOGONAL_PARTS} parts, got {n_parts}; "
            "use 'sobol' or 'paired'"
        )
        raise DataError(msg)
    n_bits = 5
    while len(columns := _columns(n_bits)) < n_parts:
        n_bits += 1
    return n_bits, columns[:n_parts]


def _columns(n_bits: int) -> tuple[int, ...]:
    return _extended(n_bits) if n_bits <= _MAX_GREEDY_BITS else _bch_columns(n_bits // 2)


@lru_cache(maxsize=16)
def _bch_columns(degree: int) -> tuple[int, ...]:
    """Return the parity check of the BCH code of distance 5: (x, x^3) for all x of GF(2^degree)."""
    order = (1 << degree) - 1
    powers, value = [], 1
    for _ in range(order):
        powers.append(value)
        value <<= 1
        if value >> degree:
            value ^= _PRIMITIVE[degree]
    return tuple(powers[i] | powers[3 * i % order] << degree for i in range(order))


@lru_cache(maxsize=16)
def _extended(n_bits: int) -> tuple[int, ...]:
    """Return the BCH columns and every further vector that is no sum of three before it."""
    vectors = np.arange(1 << n_bits)
    sums = [vectors == 0] * 4
    columns: list[int] = []

    def add(column: int) -> None:
        columns.append(column)
        for terms in (3, 2, 1):
            sums[terms] = sums[terms] | sums[terms - 1][vectors ^ column]

    # At degree 2 the cubes are all 1 and the columns dependent.
    for column in _bch_columns(n_bits // 2) if n_bits > 5 else ():
        add(column)
    free = np.flatnonzero(~sums[3])
    while free.size:
        add(int(free[0]))
        free = free[~sums[3][free]]
    return tuple(columns)


def binary_digits(numbers: NDArray[np.uint32], n_bits: int) -> MaskArray:
    """Return the lowest bits of numbers as columns, shape (n_numbers, n_bits)."""
    places = np.arange(n_bits, dtype=np.uint32)
    return (numbers[:, None] >> places & np.uint32(1)).astype(np.uint8)
