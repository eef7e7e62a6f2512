"""Orthogonal arrays from linear codes, whose columns show every pattern of a few parts equally.

Strength 4, from BCH codes, where the rows suffice; else strength 3 with few relations of four
columns; else folded arrays, which hold the complement of each of their rows.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.errors import DataError

__all__ = [
    "binary_digits",
    "enumerate_masks",
    "folded_columns",
    "linear_rows",
    "orthogonal_array",
    "orthogonal_runs",
    "strength_four",
    "strength_three",
]

MaskArray = NDArray[np.uint8]

MAX_ENUMERATED_PARTS = 20
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
# Exchanging columns takes runs x parts x parts for each pass over them.
_MAX_EXCHANGE_BITS = 9
_EXCHANGES = 12
_EXCHANGED = 9


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
    array = linear_rows(n_bits, np.array(columns, dtype=np.uint32))
    array.setflags(write=False)
    return array


def linear_rows(n_bits: int, columns: NDArray[np.uint32]) -> MaskArray:
    """Return all combinations of the bits of columns.

    Parameters
    ----------
    n_bits : int
    columns : ndarray of uint32, shape (n_parts,)
        Numbers of that many bits.

    Returns
    -------
    ndarray of uint8, shape (2**n_bits, n_parts)
        Row i has in column j the parity of the bits that i and ``columns[j]`` share.
    """
    runs = binary_digits(np.arange(1 << n_bits, dtype=np.uint32), n_bits)
    # At most 20 bits are added up, so uint8 cannot overflow.
    rows: MaskArray = (runs @ binary_digits(columns, n_bits).T) & np.uint8(1)
    return rows


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


@lru_cache(maxsize=256)
def strength_three(n_parts: int, n_bits: int) -> tuple[int, ...] | None:
    """Return columns of which any three are independent, and few four dependent.

    A relation of four columns lets an interaction of three parts leak into the weight of a fourth.
    Columns are chosen one by one, each for the fewest relations, and then exchanged one by one
    while that lowers their number. So the array is folded only where it is small: in a folded one
    all relations are even, and interactions of three or five parts leak twice as much as in random
    rows.

    Parameters
    ----------
    n_parts : int
    n_bits : int
        The array has ``2**n_bits`` rows.

    Returns
    -------
    tuple of int or None
        None where the search finds no such columns, as when there are more than about 5/16 as many
        parts as rows: strength 3 then takes a folded array.

    References
    ----------
    Fries, Hunter, "Minimum aberration 2^(k-p) designs", Technometrics 22, 1980. Bruen, Haddad,
    Wehlau, "Binary codes and caps", Journal of Combinatorial Designs 6, 1998, for the 5/16.

    Examples
    --------
    >>> len(strength_three(17, 6)), strength_three(30, 6)
    (17, None)
    """
    if not n_bits <= n_parts <= 5 << max(n_bits - 4, 0):
        return None
    for exchanged in (_EXCHANGED, n_parts):
        columns = [1 << bit for bit in range(n_bits)]
        # What exchanges leave may not be extended; unexchanged columns mostly can.
        while (column := _fewest_relations(columns, n_bits)) and len(columns) < n_parts:
            columns.append(column)
            if len(columns) % exchanged == 0:
                _exchange(columns, n_bits)
        if len(columns) == n_parts:
            _exchange(columns, n_bits)
            return tuple(columns)
    return None


def _exchange(columns: list[int], n_bits: int) -> None:
    """Replace the columns in turn, each by the one of fewest relations, until none changes."""
    for _ in range(_EXCHANGES if n_bits <= _MAX_EXCHANGE_BITS else 0):
        before = columns.copy()
        for place in range(len(columns)):
            rest = columns[:place] + columns[place + 1 :]
            columns[place] = _fewest_relations(rest, n_bits) or columns[place]
        if columns == before:
            break


def _fewest_relations(columns: list[int], n_bits: int) -> int | None:
    """Return the vector that makes the fewest relations of four, then five, then six columns.

    Only vectors that are no sum of two columns come into question; None if there are none.
    """
    vectors = np.arange(1 << n_bits)
    # How many sets of 0 to 5 columns add up to each vector.
    sums = np.zeros((6, 1 << n_bits), dtype=np.int64)
    sums[0, 0] = 1
    for column in columns:
        sums[1:] += sums[:-1, vectors ^ column]
    places = np.flatnonzero((sums[:3] == 0).all(axis=0))
    if not places.size:
        return None
    return int(places[np.lexsort(sums[:2:-1, places])[0]])


def folded_columns(n_bits: int) -> NDArray[np.uint32]:
    """Return the columns of a folded array: all vectors of an odd number of ones.

    Whatever columns are chosen among them, and however often, the complement of a row is a row, so
    no interaction of an even number of parts leaks into a weight. Different ones have strength 3.

    Returns
    -------
    ndarray of uint32, shape (2**(n_bits - 1),)
    """
    numbers = np.arange(1 << n_bits, dtype=np.uint32)
    odd = binary_digits(numbers, n_bits).sum(axis=1) % 2 == 1
    columns: NDArray[np.uint32] = numbers[odd]
    return columns


def binary_digits(numbers: NDArray[np.uint32], n_bits: int) -> MaskArray:
    """Return the lowest bits of numbers as columns, shape (n_numbers, n_bits)."""
    places = np.arange(n_bits, dtype=np.uint32)
    return (numbers[:, None] >> places & np.uint32(1)).astype(np.uint8)


def enumerate_masks(n_parts: int) -> MaskArray:
    """Return every mask of `n_parts` parts, in binary order.

    Returns
    -------
    ndarray of uint8, shape (2**n_parts, n_parts)

    Raises
    ------
    DataError
        If there are more than 20 parts.

    Examples
    --------
    >>> enumerate_masks(2).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    if not 0 <= n_parts <= MAX_ENUMERATED_PARTS:
        msg = (
            f"all masks can be enumerated for at most {MAX_ENUMERATED_PARTS} parts, got "
            f"{n_parts}; use another design"
        )
        raise DataError(msg)
    return binary_digits(np.arange(1 << n_parts, dtype=np.uint32), n_parts)
