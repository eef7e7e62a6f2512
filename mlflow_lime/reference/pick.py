"""Choosing representative instances: one way, or several together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from mlflow_lime.errors import DataError, did_you_mean
from mlflow_lime.reference.material import Choice, Material, Picker, Replies, Wish
from mlflow_lime.reference.medoids import medoids
from mlflow_lime.reference.pickers_of_data import (
    by_id,
    by_query,
    by_row,
    random,
    rare,
    stratified,
)
from mlflow_lime.reference.pickers_of_scores import (
    boundary,
    confident_errors,
    disagreement,
    errors,
)
from mlflow_lime.reference.submodular import submodular

__all__ = ["PICKERS", "Picked", "pick_instances"]

PICKERS: Mapping[str, Picker] = MappingProxyType(
    {
        "stratified": stratified,
        "random": random,
        "ids": by_id,
        "rows": by_row,
        "query": by_query,
        "boundary": boundary,
        "errors": errors,
        "confident_errors": confident_errors,
        "rare": rare,
        "medoids": medoids,
        "submodular": submodular,
        "disagreement": disagreement,
    }
)

_AS_THEY_ARE = ("ids", "rows", "query")
"""Pickers of what a person named: whatever they find is what was asked for."""
_LOOK_IN_A_POOL = frozenset(PICKERS) - {"stratified", "random", *_AS_THEY_ARE}


@dataclass(frozen=True, slots=True)
class Picked:
    """Rows chosen from a data frame.

    Attributes
    ----------
    positions : tuple of int
        Row numbers, from 0, in the order of choice; each once.
    reasons : tuple of str
        Why each was chosen; several reasons are joined with ``"; "``.
    notes : tuple of str
        What a reader must know.
    """

    positions: tuple[int, ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()


def pick_instances(
    frame: pd.DataFrame,
    pick: str | Mapping[str, int] = "stratified",
    *,
    count: int = 20,
    wish: Wish | None = None,
    replies: Replies | None = None,
) -> Picked:
    """Choose instances.

    Parameters
    ----------
    frame : DataFrame
        Data to choose from.
    pick : str or mapping of str to int
        One of `PICKERS`, or several and how many instances each chooses. They choose in this
        order. An instance that several choose keeps all reasons, and the next best takes the free
        seat. What a picker lacks, because too few rows are as it wants them, is filled up as
        ``"stratified"`` does, with a note; ``"ids"``, ``"rows"`` and ``"query"`` are not filled up.
    count : int, default 20
        How many, at most, where `pick` is one name; ``"ids"`` and ``"rows"`` choose all.
    wish : Wish, optional
        What the pickers need.
    replies : Replies, optional
        What the model says, for the pickers that need it.

    Returns
    -------
    Picked

    Raises
    ------
    DataError
        If the data is empty, the query cannot be evaluated, or a picker does not suit the model.
    InstanceNotFoundError
        If an id or a row does not exist, or no row fits the query.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [31, 42, 58], "name": ["a", "b", "c"]})
    >>> pick_instances(frame, "ids", wish=Wish(ids=["c", "a"], id_column="name")).positions
    (2, 0)
    >>> both = {"rows": 1, "query": 1}
    >>> pick_instances(frame, both, wish=Wish(rows=[1], query="age > 40")).reasons
    ('chosen by row number; fits age > 40', 'fits age > 40')
    """
    wish = wish or Wish()
    counts = {pick: count} if isinstance(pick, str) else dict(pick)
    for name in counts:
        if name not in PICKERS:
            hint = did_you_mean(name, PICKERS)
            msg = f"pick must be one of {', '.join(PICKERS)}; got {name!r}.{hint}"
            raise DataError(msg)
    if len(frame) == 0:
        msg = "there is no data to pick instances from: the data has no rows"
        raise DataError(msg)
    counts |= {name: len(getattr(wish, name)) for name in ("ids", "rows") if name in counts}
    return _mixture(Material(frame, wish, replies), counts)


def _mixture(material: Material, counts: Mapping[str, int]) -> Picked:
    reasons: dict[int, list[str]] = {}
    notes: list[str] = []
    for name, count in counts.items():
        lacking = _seat(PICKERS[name], material, count, reasons)
        if lacking and len(reasons) < len(material.frame) and name not in _AS_THEY_ARE:
            found = count - lacking
            why = f"pick: {name} found {found} of {count} instances in {_searched(material, name)}"
            notes.append(f"{why}; the rest is filled up with typical ones")
            _seat(_typical, material, lacking, reasons, suffix=f", in place of {name}")
    notes += _sampled(material, counts)
    notes += material.given.notes if material.given is not None else ()
    return Picked(tuple(reasons), tuple("; ".join(item) for item in reasons.values()), tuple(notes))


def _seat(
    picker: Picker,
    material: Material,
    count: int,
    reasons: dict[int, list[str]],
    *,
    suffix: str = "",
) -> int:
    """Add the choices of a picker until so many are new; return how many are lacking."""
    if count < 1:
        return 0
    before = frozenset(reasons)
    for row, reason in picker(material, count, before):
        if row in before or row not in reasons:
            reasons.setdefault(row, []).append(reason + suffix)
        if len(reasons) - len(before) == count:
            break
    return count - (len(reasons) - len(before))


def _typical(material: Material, count: int, taken: frozenset[int]) -> Iterator[Choice]:
    try:
        return stratified(material, count, taken)
    except DataError:  # the target is no label
        return random(material, count, taken)


def _searched(material: Material, name: str) -> str:
    if name not in _LOOK_IN_A_POOL:
        return f"{len(material.frame)} rows"
    explained = name == "submodular" or (
        name == "medoids" and material.wish.medoids_over == "explanations"
    )
    return f"{len(material.small_pool if explained else material.pool)} rows"


def _sampled(material: Material, counts: Mapping[str, int]) -> list[str]:
    """Return a note where pickers did not look at all rows."""
    names = [name for name in counts if name in _LOOK_IN_A_POOL]
    if not names or len(material.pool) == len(material.frame):
        return []
    return [
        f"pick: {', '.join(names)} looked at {len(material.pool)} of {len(material.frame)} rows; "
        "raise reference.pool to look at more"
    ]
