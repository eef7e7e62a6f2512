"""Token counts of perturbed texts from masks, where they are the sum of what each part adds."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Analyzer", "CountRows", "Pieces", "additive_tokens"]

Places = Mapping[str, tuple[int, int]]
"""Column and sign of each known token."""

_WORD_CHARACTER = re.compile(r"\w")
_CELLS = 1 << 21


@dataclass(frozen=True, slots=True, eq=False)
class Analyzer:
    """What a vectoriser does to a text before it counts.

    Attributes
    ----------
    tokens : callable
        From a text to its tokens, stop words left out.
    preprocess : callable
        From a text to the text in which tokens are looked for.
    lowercase : bool
        Whether preprocessing lower-cases.
    """

    tokens: Callable[[str], Sequence[str]]
    preprocess: Callable[[str], str]
    lowercase: bool


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Tokens of a text by the part that they belong to.

    Attributes
    ----------
    kept : list of Counter, length n_active
        Tokens that each varied part adds while it is kept.
    masked : Counter
        Tokens of the mask, which each span of an absent part adds.
    spans : list of int, length n_active
        Spans of each varied part.
    base : Counter
        Tokens that are always there.
    """

    kept: list[Counter[str]]
    masked: Counter[str]
    spans: list[int]
    base: Counter[str]


def additive_tokens(
    analyzer: Analyzer,
    text: str,
    spans: NDArray[np.int32],
    active: NDArray[np.intp],
    mask: str | None,
) -> tuple[Pieces | None, str]:
    """Return the tokens of each part, or why a perturbed text may have other tokens.

    Tokens are the maximal runs of word characters of the preprocessed text. Lower-casing works
    character by character except for the Greek capital sigma, and so does the stripping of
    accents, since it drops what a neighbour could reorder. So the tokens of a perturbed text are
    those of its spans if no run of word characters can reach from one span into another, or out of
    it: the preprocessed gaps hold no word character, and between two spans that may hold word
    characters there is always something.

    Parameters
    ----------
    analyzer : Analyzer
    text : str
    spans : ndarray of int32, shape (n_spans, 3)
        Start, end and part of each span.
    active : ndarray of intp, shape (n_active,)
        Parts that are varied, ascending.
    mask : str or None
        What takes the place of an absent span.

    Returns
    -------
    Pieces or None
    str
        The reason where there are none.
    """
    if analyzer.lowercase and ("Σ" in text or (mask and "Σ" in mask)):
        return None, "lower-casing a Greek capital sigma depends on its neighbours"
    starts, ends = spans[:, 0].tolist(), spans[:, 1].tolist()
    texts = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    gaps = [
        analyzer.preprocess(text[start:end])
        for start, end in zip([0, *ends], [*starts, len(text)], strict=True)
    ]
    if _WORD_CHARACTER.search(" ".join(gaps)):
        return None, "the text has word characters outside its parts"
    mask_words = mask is not None and _WORD_CHARACTER.search(analyzer.preprocess(mask)) is not None
    open_word = False
    for gap, own in zip(gaps, texts, strict=False):
        open_word = open_word and not gap
        if mask_words or _WORD_CHARACTER.search(analyzer.preprocess(own)):
            if open_word:
                return None, "words touch each other"
            open_word = True
    tokens = [analyzer.tokens(own) for own in texts]
    if Counter(token for own in tokens for token in own) != Counter(analyzer.tokens(text)):
        return None, "the parts together have other tokens than the text"
    return _by_part(tokens, spans, active, Counter(analyzer.tokens(mask or ""))), ""


def _by_part(
    tokens: Sequence[Sequence[str]],
    spans: NDArray[np.int32],
    active: NDArray[np.intp],
    masked: Counter[str],
) -> Pieces:
    place = {int(part): i for i, part in enumerate(active)}
    pieces = Pieces([Counter() for _ in place], masked, [0] * len(place), Counter())
    for own, part in zip(tokens, spans[:, 2].tolist(), strict=True):
        if part in place:
            pieces.kept[place[part]].update(own)
            pieces.spans[place[part]] += 1
        else:
            pieces.base.update(own)
    return pieces


@dataclass(frozen=True, slots=True, eq=False)
class CountRows:
    """The matrix entries of one text's perturbed rows.

    Columns that one part alone fills, by a fixed amount, are copied from the masks; the others
    are sums over parts.

    Attributes
    ----------
    columns : ndarray of int32, shape (n_columns,)
        Columns of the vectoriser that may be filled, ascending.
    owners : ndarray of intp, shape (n_columns,)
        The one part that fills a column; 0 for the columns of sums.
    amounts : ndarray of intc, shape (n_columns,)
        What it adds; 0 for the columns of sums.
    summed : ndarray of intp, shape (n_summed,)
        Positions among `columns` of the columns of sums.
    values, counts : csr_array of float32, shape (n_summed, n_active)
        What each part adds to the columns of sums while it is kept: with the signs of a hashing
        vectoriser, and in tokens.
    value_base, count_base : ndarray of float32, shape (n_summed, 1)
        Sums where all parts are absent.
    """

    columns: NDArray[np.int32]
    owners: NDArray[np.intp]
    amounts: NDArray[np.intc]
    summed: NDArray[np.intp]
    values: Any
    counts: Any
    value_base: NDArray[np.float32]
    count_base: NDArray[np.float32]

    @classmethod
    def of(cls, pieces: Pieces, places: Places) -> Self:
        """Arrange the tokens of a text by column.

        Parameters
        ----------
        pieces : Pieces
        places : mapping of str to (column, sign)
            Tokens that are not in it are not counted.
        """
        base = _placed(pieces.base, places)
        masked = _placed(pieces.masked, places)
        added: dict[int, dict[int, tuple[int, int]]] = {column: {} for column in base}
        for part, (tokens, n_spans) in enumerate(zip(pieces.kept, pieces.spans, strict=True)):
            own = _placed(tokens, places)
            for column, (value, count) in masked.items():
                old = own.get(column, (0, 0))
                own[column] = old[0] - n_spans * value, old[1] - n_spans * count
                before = base.get(column, (0, 0))
                base[column] = before[0] + n_spans * value, before[1] + n_spans * count
            for column, amounts in own.items():
                added.setdefault(column, {})[part] = amounts
        columns = sorted(added)
        single = {c: next(iter(added[c].items())) for c in columns if len(added[c]) == 1}
        owned = {c: item for c, item in single.items() if c not in base}
        summed = [i for i, column in enumerate(columns) if column not in owned]
        sums = [added[columns[i]] for i in summed]
        bases = [base.get(columns[i], (0, 0)) for i in summed]
        n_active = len(pieces.kept)
        return cls(
            columns=np.array(columns, dtype=np.int32),
            owners=np.array([owned[c][0] if c in owned else 0 for c in columns], dtype=np.intp),
            amounts=np.array([owned[c][1][0] if c in owned else 0 for c in columns], dtype=np.intc),
            summed=np.array(summed, dtype=np.intp),
            values=_matrix([{p: v[0] for p, v in row.items()} for row in sums], n_active),
            counts=_matrix([{p: v[1] for p, v in row.items()} for row in sums], n_active),
            value_base=np.array([[v[0]] for v in bases], dtype=np.float32).reshape(-1, 1),
            count_base=np.array([[v[1]] for v in bases], dtype=np.float32).reshape(-1, 1),
        )

    def entries(
        self, masks: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.intc]]:
        """Return the entries of the rows of masks, as a CSR matrix holds them.

        Parameters
        ----------
        masks : ndarray of uint8, shape (n_rows, n_active)
            1 where the part is kept.

        Returns
        -------
        lengths : ndarray of int32, shape (n_rows,)
            Entries of each row.
        columns : ndarray of int32, shape (n_entries,)
            Ascending within each row.
        values : ndarray of intc, shape (n_entries,)
        """
        step = max(1, _CELLS // max(1, len(self.columns), masks.shape[1]))
        found = [self._chunk(masks[i : i + step]) for i in range(0, len(masks), step)]
        if not found:
            found = [self._chunk(masks)]
        lengths, columns, values = zip(*found, strict=True)
        return np.concatenate(lengths), np.concatenate(columns), np.concatenate(values)

    def _chunk(
        self, masks: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.intc]]:
        filled = masks.take(self.owners, axis=1)
        if len(self.summed) == 0:
            lengths, _, found = _filled_cells(filled)
            return lengths, self.columns[found], self.amounts[found]
        kept = masks.T.astype(np.float32, order="C")
        filled[:, self.summed] = (self.counts @ kept + self.count_base > 0).T
        lengths, rows, found = _filled_cells(filled)
        values = self.amounts[found]
        slots = np.full(len(self.columns), -1, dtype=np.intp)
        slots[self.summed] = np.arange(len(self.summed))
        slot = slots[found]
        mine = np.flatnonzero(slot >= 0)
        sums = self.values @ kept + self.value_base
        values[mine] = sums[slot[mine], rows[mine]]
        return lengths, self.columns[found], values


def _filled_cells(
    filled: NDArray[np.uint8],
) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.intp]]:
    """Return how many cells of each row hold a one, and the row and column of each such cell."""
    lengths = filled.sum(axis=1, dtype=np.int32)
    rows = np.repeat(np.arange(len(filled)), lengths)
    # In one dimension and for booleans the search is four times as fast.
    return lengths, rows, np.flatnonzero(filled.view(np.bool_)) - rows * filled.shape[1]


def _placed(tokens: Counter[str], places: Places) -> dict[int, tuple[int, int]]:
    """Return the signed and the plain number of tokens of each column."""
    found: dict[int, tuple[int, int]] = {}
    for token, count in tokens.items():
        if token in places:
            column, sign = places[token]
            value, total = found.get(column, (0, 0))
            found[column] = value + sign * count, total + count
    return found


def _matrix(rows: Sequence[Mapping[int, int]], n_columns: int) -> Any:
    data = [float(value) for row in rows for value in row.values()]
    columns = [column for row in rows for column in row]
    starts = np.cumsum([0, *(len(row) for row in rows)])
    return sparse.csr_array(
        (np.array(data, dtype=np.float32), np.array(columns, dtype=np.int32), starts),
        shape=(len(rows), n_columns),
    )
