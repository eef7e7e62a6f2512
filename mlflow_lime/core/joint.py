"""Several kinds of data in one instance: columns of a frame, each explained by its own domain."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.domain import Domain, Draw, Subject
from mlflow_lime.core.image.pins import labels_to_json
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.masks import LOCAL_WIDTH
from mlflow_lime.errors import DataError

__all__ = ["Child", "Cutting", "JointDomain", "joint_digest"]

_MIXER = np.uint64(0x9E3779B97F4A7C15)
"""An odd multiplier, so that no bit of a hash is lost (Fibonacci hashing; Knuth, 1998)."""


@runtime_checkable
class Cutting(Protocol):
    """A domain that cuts each instance into parts of its own."""

    @property
    def cut(self) -> dict[str, Any]:
        """How instances that are not pinned are cut, as plain JSON values."""
        ...

    def pin(self, subject: Subject) -> Any:
        """Return how an instance is cut: spans of a text, or labels of the pixels."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """Columns of one kind.

    Attributes
    ----------
    name : str
        Name of the column; empty for the tabular columns together.
    columns : tuple of Hashable
        The columns.
    domain : Domain
        What takes them apart. It reads and gives frames where there are several columns, and the
        cells of the column where there is one with a name.
    self_named : bool, default False
        Whether the names of its parts, such as ``temp, lags 6 to 4``, need no name before them.
    """

    name: str
    columns: tuple[Hashable, ...]
    domain: Domain
    self_named: bool = False

    @property
    def single(self) -> bool:
        """Whether the domain reads the cells of one column."""
        return self.name != "" and len(self.columns) == 1

    def read(self, frame: pd.DataFrame) -> Any:
        """Return what the domain reads of a frame."""
        return frame[self.columns[0]].tolist() if self.single else frame[list(self.columns)]


def joint_digest(named: Sequence[tuple[str, str]]) -> str:
    """Return the digest of an instance from those of its kinds, by their names."""
    if len(named) == 1:
        return named[0][1]
    return hashlib.blake2b(repr(list(named)).encode(), digest_size=16).hexdigest()


class JointDomain:
    """Instances whose columns are of several kinds, or of one kind that is no table.

    The parts of an instance are those of its columns, one after the other; a mask says of all of
    them together what is present. The model is given a data frame.

    Parameters
    ----------
    children : sequence of Child
        The kinds; their columns do not overlap.
    columns : sequence of Hashable
        All columns, in the order that the model reads.
    dtypes : mapping of Hashable to dtype, optional
        Types of the columns of text, as in the user's data.
    bare : bool, default False
        Whether the model is given what the only child makes itself, such as one array of all
        images, instead of a data frame.
    """

    shared = False
    masked = True

    def __init__(
        self,
        children: Sequence[Child],
        columns: Sequence[Hashable],
        *,
        dtypes: Mapping[Any, Any] | None = None,
        bare: bool = False,
    ) -> None:
        if not children:
            msg = "there are no columns that could be explained"
            raise DataError(msg)
        self.children = tuple(children)
        self.columns = tuple(columns)
        self.dtypes = dict(dtypes or {})
        self.bare = bare

    @property
    def only(self) -> Domain | None:
        """The domain of the only child; None where there are several."""
        return self.children[0].domain if len(self.children) == 1 else None

    @property
    def call_rows(self) -> tuple[int, ...]:
        """Rows of a call that are tried: those of the child that wants the fewest."""
        return min((child.domain.call_rows for child in self.children), key=lambda rows: rows[0])

    # Reading

    def subjects(self, instances: pd.DataFrame, keys: Sequence[str] | None = None) -> list[Subject]:
        """Return the instances made ready to be perturbed."""
        found = [child.domain.subjects(child.read(instances), keys) for child in self.children]
        return [self._join(group) for group in zip(*found, strict=True)]

    def _join(self, group: Sequence[Subject]) -> Subject:
        several = len(group) > 1
        parts: list[str] = []
        names: list[str] = []
        active: list[NDArray[np.intp]] = []
        owners: list[NDArray[np.intp]] = []
        shown: list[Any] = []
        n_active = 0
        for child, subject in zip(self.children, group, strict=True):
            before = f"{child.name}: " if several and child.name and not child.self_named else ""
            shown += [content.moved(len(parts), child.name) for content in subject.shown]
            active.append(subject.active + len(parts))
            if subject.n_draws:
                own = np.arange(subject.n_draws) if subject.owners is None else subject.owners
                owners.append(own + n_active)
            n_active += subject.n_active
            parts += [f"{before}{part}" for part in subject.parts]
            names += [f"{before}{name}" for name in subject.names]
        return Subject(
            key=group[0].key,
            digest=self._digest(group),
            parts=tuple(parts),
            names=tuple(names),
            active=np.concatenate(active),
            n_draws=sum(subject.n_draws for subject in group),
            content=tuple(group),
            notes=tuple(self._notes(group)),
            owners=np.concatenate(owners) if several and owners else group[0].owners,
            shown=tuple(shown),
            facts=self._facts(group),
        )

    def _digest(self, group: Sequence[Subject]) -> str:
        named = zip(self.children, group, strict=True)
        return joint_digest([(child.name, subject.digest) for child, subject in named])

    def _notes(self, group: Sequence[Subject]) -> list[str]:
        if len(group) == 1:
            return list(group[0].notes)
        return [
            f"{child.name}: {note}" if child.name else note
            for child, subject in zip(self.children, group, strict=True)
            for note in subject.notes
        ]

    def _facts(self, group: Sequence[Subject]) -> dict[str, Any]:
        if len(group) == 1:
            return dict(group[0].facts)
        named = zip(self.children, group, strict=True)
        facts = {child.name: dict(subject.facts) for child, subject in named if subject.facts}
        return {"columns": facts} if facts else {}

    def pins(self, subject: Subject) -> dict[str, Any]:
        """Return how an instance is cut into parts, by column, as plain JSON values.

        Each value holds the ``digest`` of the column's content, and the ``parts`` in the form in
        which the column's domain takes them as pinned.
        """
        named = zip(self.children, subject.content, strict=True)
        return {
            child.name: {"digest": own.digest, "parts": _as_json(child.domain.pin(own))}
            for child, own in named
            if isinstance(child.domain, Cutting) and own.n_active
        }

    @property
    def cuts(self) -> dict[str, dict[str, Any]]:
        """How instances are cut into parts where nothing is pinned, by column."""
        return {
            child.name: child.domain.cut
            for child in self.children
            if isinstance(child.domain, Cutting)
        }

    # Writing

    def perturb(self, draws: Sequence[Draw]) -> Any:
        """Return the rows of several blocks, one after the other."""
        if self.only is not None:
            own = [(subject.content[0], block) for subject, block in draws]
            return self._frame([self.only.perturb(own)])
        pieces = [_split(subject, block) for subject, block in draws]
        return self._frame(
            [child.domain.perturb([p[i] for p in pieces]) for i, child in enumerate(self.children)]
        )

    def originals(self, subjects: Sequence[Subject]) -> Any:
        """Return the instances themselves as the model reads them."""
        return self._frame(
            [
                child.domain.originals([subject.content[i] for subject in subjects])
                for i, child in enumerate(self.children)
            ]
        )

    def _frame(self, made: Sequence[Any]) -> Any:
        """Return what the children made, put together as the model reads it."""
        if sparse.issparse(made[0]) or (self.bare and len(made) == 1):
            return made[0]
        arrays: dict[Hashable, Any] = {}
        for child, values in zip(self.children, made, strict=True):
            if isinstance(values, pd.DataFrame):
                arrays.update({column: values[column].array for column in child.columns})
            else:
                arrays[child.columns[0]] = self._column(child.columns[0], values)
        if len(made) == 1 and isinstance(made[0], pd.DataFrame):
            return made[0]
        ordered = {column: arrays[column] for column in self.columns}
        return pd.DataFrame(ordered, columns=pd.Index(self.columns), copy=False)

    def _column(self, column: Hashable, values: Any) -> Any:
        dtype = self.dtypes.get(column)
        if dtype is not None:
            return pd.array(list(values), dtype=dtype)
        cells = np.empty(len(values), dtype=object)
        for i, value in enumerate(values):
            cells[i] = value
        return cells

    # What the mechanism asks

    def features(self, subject: Subject, block: MaskBlock) -> NDArray[np.uint8]:
        """Return the masks themselves, shape (n_rows, n_active)."""
        return block.masks

    def origin(self, subject: Subject) -> NDArray[np.float64]:
        """Return ones: the instance has every part."""
        return np.ones(subject.n_active)

    def fingerprints(self, draws: Sequence[Draw]) -> NDArray[np.uint64] | None:
        """Return a hash of each row; None where one of the kinds hardly ever repeats."""
        if self.only is not None:
            return self.only.fingerprints([(s.content[0], block) for s, block in draws])
        pieces = [_split(subject, block) for subject, block in draws]
        total: NDArray[np.uint64] | None = None
        for i, child in enumerate(self.children):
            own = child.domain.fingerprints([p[i] for p in pieces])
            if own is None:
                return None
            total = own if total is None else total * _MIXER + own
        return total

    def element_parts(self, subject: Subject) -> NDArray[np.intp]:
        """Return the part of each element of the only column, or of each column of a frame.

        Raises
        ------
        DataError
            If texts or images lie beside other columns.
        """
        if self.only is not None:
            return self.only.element_parts(subject.content[0])
        found: dict[Hashable, int] = {}
        before = 0
        for child, own in zip(self.children, subject.content, strict=True):
            parts = child.domain.element_parts(own).ravel()
            if child.single or len(parts) != len(child.columns):
                msg = f"column {child.name!r} holds texts or images beside other columns"
                raise DataError(msg)
            moved = np.where(parts >= 0, parts + before, -1).tolist()
            found.update(zip(child.columns, moved, strict=True))
            before += len(own.parts)
        return np.array([found[column] for column in self.columns], dtype=np.intp)

    def row_bytes(self, subject: Subject) -> int:
        """Return the approximate size of one perturbed row."""
        named = zip(self.children, subject.content, strict=True)
        return sum(child.domain.row_bytes(own) for child, own in named)

    def default_rows(self, subject: Subject) -> int:
        """Return the rows of a first round where none are configured."""
        if self.only is not None:
            return self.only.default_rows(subject.content[0])
        named = zip(self.children, subject.content, strict=True)
        return max([8 * subject.n_active, *(c.domain.default_rows(own) for c, own in named)])

    def default_law(self) -> tuple[str, float | None]:
        """Return the law of the masks where none is configured."""
        laws = {child.domain.default_law() for child in self.children}
        return laws.pop() if len(laws) == 1 else ("uniform_count", LOCAL_WIDTH)

    def default_kernel(self, subject: Subject) -> Kernel:
        """Return the kernel where none is configured."""
        return Kernel()

    def recipe(self) -> dict[str, Any]:
        """Return the choices that determine the perturbed rows."""
        if self.only is not None:
            return self.only.recipe()
        recipes = {child.name or "table": child.domain.recipe() for child in self.children}
        return {"domain": "mixed", "kinds": recipes}


def _as_json(pin: Any) -> Any:
    return labels_to_json(pin) if isinstance(pin, np.ndarray) else pin


def _split(subject: Subject, block: MaskBlock) -> list[Draw]:
    """Return each kind's share of the masks and levels of an instance."""
    draws: list[Draw] = []
    part = level = 0
    for own in subject.content:
        masks = np.ascontiguousarray(block.masks[:, part : part + own.n_active])
        levels = np.ascontiguousarray(block.levels[:, level : level + own.n_draws])
        draws.append((own, MaskBlock(masks, levels, block.weights)))
        part += own.n_active
        level += own.n_draws
    return draws
