"""What a kind of data must know to be explained: its parts, and how to perturb them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.contents import Content
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.errors import DataError

__all__ = ["Domain", "Draw", "Refused", "Subject", "instance_keys", "unusable"]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One instance, made ready to be perturbed.

    Attributes
    ----------
    key : str
        Name of the instance.
    digest : str
        Hash of its content, 32 hexadecimal digits.
    parts : tuple of str
        What each part is, as a person reads it.
    names : tuple of str
        Short names of the parts, free of the instance's values.
    active : ndarray of intp, shape (n_active,)
        Parts that can be varied; the others get weight zero and a note.
    n_draws : int
        Background levels that one perturbed row needs; zero where absence is deterministic.
    content : object
        What the domain itself needs.
    notes : tuple of str
        What a reader must know.
    owners : ndarray of intp, shape (n_draws,), or None
        Position among `active` of the part that each level belongs to; None where level and part
        have the same position, or where there are no levels.
    shown : tuple of Content
        Texts, images and sequences that the parts lie in.
    facts : mapping of str to JSON values
        What belongs into the recipe of this instance's explanation.
    """

    key: str
    digest: str
    parts: tuple[str, ...]
    names: tuple[str, ...]
    active: NDArray[np.intp]
    n_draws: int
    content: Any
    notes: tuple[str, ...] = ()
    owners: NDArray[np.intp] | None = None
    shown: tuple[Content, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_active(self) -> int:
        """Number of parts that can be varied."""
        return len(self.active)


Draw = tuple[Subject, MaskBlock]
"""An instance and a block of masks and background levels for it."""


class Domain(Protocol):
    """A kind of data. Everything but these methods is the same for every kind.

    Attributes
    ----------
    shared : bool
        Whether the perturbed rows do not depend on the instance, so that one pool of rows
        serves every instance.
    masked : bool
        Whether rows are made from binary masks; otherwise from background levels alone.
    call_rows : tuple of int
        Rows of a call that are tried, in this order, where none is configured.
    """

    @property
    def shared(self) -> bool:
        """Whether one pool of rows serves every instance."""
        ...

    @property
    def masked(self) -> bool:
        """Whether rows are made from binary masks."""
        ...

    @property
    def call_rows(self) -> tuple[int, ...]:
        """Rows of a call that are tried, in this order, where none is configured."""
        ...

    def subjects(self, instances: Any, keys: Sequence[str] | None = None) -> list[Subject]:
        """Return the instances made ready to be perturbed."""
        ...

    def perturb(self, draws: Sequence[Draw]) -> Any:
        """Return the model inputs of several blocks, one after the other."""
        ...

    def originals(self, subjects: Sequence[Subject]) -> Any:
        """Return the model inputs of the instances themselves."""
        ...

    def features(self, subject: Subject, block: MaskBlock) -> NDArray[Any]:
        """Return the interpretable features of a block, shape (n_rows, n_active)."""
        ...

    def origin(self, subject: Subject) -> NDArray[np.float64]:
        """Return the interpretable features of the instance itself, shape (n_active,)."""
        ...

    def fingerprints(self, draws: Sequence[Draw]) -> NDArray[np.uint64] | None:
        """Return a hash of each row, so that equal rows are predicted once; None if rare."""
        ...

    def element_parts(self, subject: Subject) -> NDArray[np.intp]:
        """Return the part of each element of what the model reads of an instance, -1 for none.

        The shape is that of the input: columns, or pixels, or time and features; of a text, its
        characters.
        """
        ...

    def row_bytes(self, subject: Subject) -> int:
        """Return the approximate size of one perturbed input."""
        ...

    def default_rows(self, subject: Subject) -> int:
        """Return the rows of a first round where none are configured."""
        ...

    def default_law(self) -> tuple[str, float | None]:
        """Return the law of the masks where none is configured, and the width of a local one."""
        ...

    def default_kernel(self, subject: Subject) -> Kernel:
        """Return the kernel where none is configured."""
        ...

    def recipe(self) -> dict[str, Any]:
        """Return the choices that determine the perturbed inputs, as plain JSON values."""
        ...


class Refused(Protocol):
    """What is known of an instance that cannot be used.

    Attributes
    ----------
    reason : str
        Why.
    digest : str
        Hash of its content.
    """

    @property
    def reason(self) -> str:
        """Why it cannot be used."""
        ...

    @property
    def digest(self) -> str:
        """Hash of its content."""
        ...


def unusable(key: str, why: Refused) -> Subject:
    """Return an instance without parts, whose note says why it cannot be used."""
    return Subject(
        key=key,
        digest=why.digest,
        parts=(),
        names=(),
        active=np.empty(0, dtype=np.intp),
        n_draws=0,
        content=why,
        notes=(why.reason,),
    )


def instance_keys(keys: Sequence[str] | None, n_instances: int) -> Sequence[str]:
    """Return one name for each instance: its position where none is given."""
    if keys is None:
        return [str(i) for i in range(n_instances)]
    if len(keys) != n_instances:
        msg = f"{len(keys)} keys are given for {n_instances} instances; give one for each"
        raise DataError(msg)
    return keys
