"""What a reference set lists, without its instances; and how two sets differ."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mlflow_lime.errors import ReferenceSetError, shorten
from mlflow_lime.reference.instance_lists import read_content
from mlflow_lime.reference.reference_set import FORMAT, REFERENCE_FILE

__all__ = ["Listed", "Listing", "SetDifference", "compare_listings"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One instance of a reference set.

    Attributes
    ----------
    key : str
        Its name.
    digest : str
        Hash of its content.
    position : int
        Its row in the data that it was picked from.
    reason : str
        Why it was chosen.
    true_label : str or None
        Its true label, where known.
    labels : tuple of str
        Labels to explain.
    parts : str or None
        Hash of its part definitions; None for plain tables.
    """

    key: str
    digest: str
    position: int
    reason: str
    true_label: str | None
    labels: tuple[str, ...]
    parts: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of a reference set without its instances.

    Attributes
    ----------
    digest : str
        Digest of the set.
    store_inputs : {"full", "redacted", "none"}
        What of it is stored.
    background : str or None
        Digest of its background.
    layout : str
        What its columns hold, as JSON; empty for plain tables.
    instances : tuple of Listed
        In their order.
    """

    digest: str
    store_inputs: str
    background: str | None
    layout: str
    instances: tuple[Listed, ...]

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self:
        """Read the files that a reference set gave.

        Raises
        ------
        ReferenceSetError
            If they are damaged, or were written by a newer format.
        """
        try:
            return cls._of_content(read_content(files[REFERENCE_FILE], files, FORMAT))
        except ReferenceSetError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            msg = (
                f"the stored reference set cannot be read: {type(error).__name__}: "
                f"{shorten(str(error), 200)}; replace it"
            )
            raise ReferenceSetError(msg) from error

    @classmethod
    def _of_content(cls, content: Mapping[str, Any]) -> Self:
        keys = content["keys"]
        columns = zip(
            keys,
            content["digests"],
            content["positions"],
            content["reasons"],
            content["true_labels"],
            map(tuple, content["labels"]),
            content.get("part_digests") or [None] * len(keys),
            strict=True,
        )
        return cls(
            digest=str(content["digest"]),
            store_inputs=str(content["store_inputs"]),
            background=content["background_digest"],
            layout=json.dumps(content.get("layout", ""), sort_keys=True),
            instances=tuple(Listed(*row) for row in columns),
        )


@dataclass(frozen=True, slots=True)
class SetDifference:
    """What a second reference set has that the first has not, and the other way round.

    Attributes
    ----------
    added, removed, kept : tuple of Listed
        Instances by their content; kept ones as the second set lists them.
    relabelled, recut : tuple of Listed
        Those of the kept whose labels to explain, or whose parts, are others.
    moved : bool
        Whether the kept ones stand in another order.
    background, layout : bool
        Whether the background is another one, and what the columns hold.
    """

    added: tuple[Listed, ...]
    removed: tuple[Listed, ...]
    kept: tuple[Listed, ...]
    relabelled: tuple[Listed, ...]
    recut: tuple[Listed, ...]
    moved: bool
    background: bool
    layout: bool

    def __bool__(self) -> bool:
        """Return whether there is any difference."""
        lists = (self.added, self.removed, self.relabelled, self.recut)
        return any(lists) or self.moved or self.background or self.layout


def compare_listings(first: Listing, second: Listing) -> SetDifference:
    """Return how a second reference set differs from a first.

    Sets of the same digest do not differ. Instances of the same content are told apart by their
    order.
    """
    before, after = _by_content(first), _by_content(second)
    kept = [(before[name], item) for name, item in after.items() if name in before]
    common = [name for name in before if name in after]
    return SetDifference(
        added=tuple(item for name, item in after.items() if name not in before),
        removed=tuple(item for name, item in before.items() if name not in after),
        kept=tuple(new for _, new in kept),
        relabelled=tuple(new for old, new in kept if old.labels != new.labels),
        recut=tuple(new for old, new in kept if old.parts != new.parts),
        moved=common != [name for name in after if name in before],
        background=first.background != second.background,
        layout=first.layout != second.layout,
    )


def _by_content(listing: Listing) -> dict[tuple[str, int], Listed]:
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], Listed] = {}
    for item in listing.instances:
        found[item.digest, seen[item.digest]] = item
        seen[item.digest] += 1
    return found
