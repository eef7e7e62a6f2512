"""Sequences with binary masks: an absent window takes its values from what replaces it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.blocks import LEVELS, MaskBlock
from mlflow_lime.core.contents import SequenceContent
from mlflow_lime.core.domain import Draw, Subject, instance_keys, unusable
from mlflow_lime.core.hashes import RARE_PARTS, mask_words
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.sequence.absent import (
    ABSENT,
    SequenceBackground,
    feature_means,
    interpolated,
    require_same,
)
from mlflow_lime.core.sequence.form import (
    SequenceForm,
    Series,
    Unusable,
    read_series,
    series_digest,
    series_like,
)
from mlflow_lime.core.sequence.windows import Cutter, part_names
from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = ["MaskedSequence", "Windowed", "sequence_digests"]

SOME_ROWS = (512, 128, 2048)
"""Rows of a call that are tried for networks."""

MANY_ROWS = (1024, 128, 4096)
"""Rows of a call that are tried where models read columns, as forests do."""

COMPOSED = 2**16
"""Values that are composed at once, so that what is needed for it stays in the cache."""

SHOWN_VALUES = 50_000
"""Longer sequences are shown by every second, third, ... step."""

NAMED = 5
"""Parts that a note names."""


@dataclass(frozen=True, slots=True, eq=False)
class Windowed:
    """What perturbing a sequence needs.

    Attributes
    ----------
    series : Series
        The sequence as the model has it.
    means : ndarray of float, shape (features,)
        Mean of each feature, of the dtype of the values.
    labels : ndarray of int32, shape (time, features)
        Part of each value.
    places : ndarray of intp, shape (time, features)
        Position of that part among those that can be tested; their number where it cannot.
    """

    series: Series
    means: NDArray[Any]
    labels: NDArray[np.int32]
    places: NDArray[np.intp]


class MaskedSequence:
    """Sequences as a set of windows, each kept or replaced.

    Parameters
    ----------
    form : SequenceForm, optional
        How sequences come, and how the model gets them; arrays (time, features) by default.
    parts, windows, count, length
        How sequences are taken apart; see `mlflow_lime.core.sequence.windows.Cutter`.
    absent : {"mean", "interpolate", "background"}, default "mean"
        What replaces an absent part: the mean of each feature (of the background where there is
        one, else of the sequence), the line between the nearest values that are kept, or the same
        stretch of a background series.
    background : SequenceBackground, optional
        Other sequences; needed for ``absent="background"``.
    pinned : mapping of str to array_like of int, optional
        Labels (time, features) by the digest of a sequence, used in place of cutting it.
    pinned_as : mapping of str to JSON values, optional
        The `cut` of the domain that found them, where it is another one.

    Raises
    ------
    DataError
        If a choice does not exist, or lacks its background.

    Examples
    --------
    >>> domain = MaskedSequence(count=2)
    >>> domain.subjects([np.arange(8.0).reshape(4, 2)])[0].parts
    ('steps 0 to 1', 'steps 2 to 3')
    """

    shared = False
    masked = True

    def __init__(
        self,
        form: SequenceForm | None = None,
        *,
        parts: str = "windows",
        windows: str = "fixed",
        count: int = 10,
        length: int | None = None,
        absent: str = "mean",
        background: SequenceBackground | None = None,
        pinned: Mapping[str, Any] | None = None,
        pinned_as: Mapping[str, Any] | None = None,
    ) -> None:
        if absent not in ABSENT:
            msg = f"absent must be one of {', '.join(ABSENT)}; got {shorten(absent)}."
            raise DataError(msg + did_you_mean(absent, ABSENT))
        if absent == "background" and (background is None or background.series is None):
            msg = "absent: background needs background series of the same shape; there are none"
            raise DataError(msg)
        self.form = form or SequenceForm()
        self.cutter = Cutter(parts, windows, count=count, length=length)
        self.absent = absent
        self.background = background
        self.pinned = dict(pinned or {})
        self.pinned_as = dict(pinned_as or self.cut)

    @property
    def call_rows(self) -> tuple[int, ...]:
        """Rows of a call that are tried, in this order, where none is configured."""
        return MANY_ROWS if self.form.kind == "flat" else SOME_ROWS

    # From instances to subjects

    def subjects(self, instances: Any, keys: Sequence[str] | None = None) -> list[Subject]:
        """Return the sequences made ready to be perturbed.

        A sequence that cannot be used is a subject without parts, whose note says why; `originals`
        raises for it.

        Raises
        ------
        DataError
            If the container is none that holds sequences, or the keys are of another number.
        """
        found = read_series(instances, self.form)
        names = instance_keys(keys, len(found))
        return [self._subject(series, str(name)) for series, name in zip(found, names, strict=True)]

    def _subject(self, series: Series | Unusable, key: str) -> Subject:
        if isinstance(series, Unusable):
            return unusable(key, series)
        digest = series_digest(series.values)
        try:
            return self._readable(series, key, digest)
        except DataError as error:
            return unusable(key, Unusable(str(error), digest))

    def _readable(self, series: Series, key: str, digest: str) -> Subject:
        values = series.values
        n_steps, n_features = values.shape
        features, steps = self.form.names(n_features), self.form.numbers(n_steps)
        labels = self._labels(values, digest)
        if self.background is not None:
            require_same(self.background, values.shape, drawn=self.absent == "background")
        means = feature_means(values) if self.background is None else self.background.means
        means = means.astype(values.dtype)
        n_parts = int(labels.max()) + 1
        tested = np.zeros(n_parts, dtype=bool)
        tested[labels[self._can_change(values, means)]] = True
        position = np.where(tested, np.cumsum(tested) - 1, tested.sum())
        names = part_names(labels, features, steps, self.form.counted)
        step = -(-values.size // SHOWN_VALUES)
        shown = SequenceContent(
            "",
            values[::step].astype(np.float64),
            labels[::step],
            features,
            steps[::step],
            self.form.counted,
        )
        return Subject(
            key=key,
            digest=digest,
            parts=names,
            names=names,
            active=np.flatnonzero(tested),
            n_draws=int(tested.sum()) if self.absent == "background" else 0,
            content=Windowed(series, means, labels, position[labels]),
            notes=self._notes([names[i] for i in np.flatnonzero(~tested)], n_parts),
            shown=(shown,),
            facts={"untestable": np.flatnonzero(~tested).tolist()} if not tested.all() else {},
        )

    def _labels(self, values: NDArray[Any], digest: str) -> NDArray[np.int32]:
        if digest not in self.pinned:
            return self.cutter(values)
        labels = np.asarray(self.pinned[digest])
        known = np.unique(labels)
        if labels.shape != values.shape or known.tolist() != list(range(len(known))):
            msg = (
                f"pinned windows of shape {labels.shape} do not fit a sequence of shape "
                f"{values.shape}; replace the reference set"
            )
            raise DataError(msg)
        return labels.astype(np.int32)

    def _can_change(self, values: NDArray[Any], means: NDArray[Any]) -> NDArray[np.bool_]:
        """Return for each value whether anything that replaces it differs from it."""
        if self.absent == "background" and self.background is not None:
            drawn = np.asarray(self.background.series).astype(values.dtype)
            return np.asarray((~_same(drawn, values[None])).any(axis=0))
        differs = ~_same(values, np.broadcast_to(means, values.shape))
        if self.absent == "interpolate":
            # A line between equal values is no change, but one from elsewhere is.
            known = np.isfinite(values)
            low = np.min(values, axis=0, initial=np.inf, where=known)
            high = np.max(values, axis=0, initial=-np.inf, where=known)
            differs |= (low < high)[None, :]
        return np.asarray(differs)

    def _notes(self, untestable: Sequence[str], n_parts: int) -> tuple[str, ...]:
        if not untestable:
            return ()
        more = f", and {len(untestable) - NAMED} more" if len(untestable) > NAMED else ""
        return (
            f"not varied: {len(untestable)} of {n_parts} windows cannot be tested, because what "
            f"replaces them (absent: {self.absent}) equals their values: "
            f"{'; '.join(untestable[:NAMED])}{more}; choose another absent to test them",
        )

    @property
    def cut(self) -> dict[str, Any]:
        """How sequences that are not pinned are cut, as plain JSON values."""
        return self.cutter.recipe()

    def pin(self, subject: Subject) -> NDArray[np.int32]:
        """Return the labels of a sequence, shape (time, features), for `pinned`.

        Raises
        ------
        DataError
            If the sequence cannot be used.
        """
        return _windowed(subject).labels

    def element_parts(self, subject: Subject) -> NDArray[np.intp]:
        """Return the part that each value of the model's input belongs to, among all parts.

        Returns
        -------
        ndarray of intp
            Of the shape of one instance as the model reads it: (time, features) for arrays, with
            the axes in the order of the form, and (n_columns,) for values that stand in columns.

        Raises
        ------
        DataError
            If the sequence cannot be used.
        """
        found = _windowed(subject)
        like = Series(found.series.values, plain=found.series.plain)
        return np.asarray(series_like(like, self.form, found.labels[None])[0]).astype(np.intp)

    # From masks to model inputs

    def features(self, subject: Subject, block: MaskBlock) -> NDArray[np.uint8]:
        """Return the masks themselves, shape (n_rows, n_active)."""
        return block.masks

    def origin(self, subject: Subject) -> NDArray[np.float64]:
        """Return ones: the instance has every part."""
        return np.ones(subject.n_active)

    def originals(self, subjects: Sequence[Subject]) -> Any:
        """Return the sequences themselves as the model reads them.

        Raises
        ------
        DataError
            If one of them cannot be used; the message says why.
        """
        found = [_windowed(subject) for subject in subjects]
        return self._inputs([(one, one.series.values[None]) for one in found])

    def perturb(self, draws: Sequence[Draw]) -> Any:
        """Return the sequences of several blocks, one after the other.

        Returns
        -------
        ndarray, DataFrame, or list
            In the form of the instances. Arrays of one shape and dtype are one array, others a
            list.
        """
        found = [_windowed(subject) for subject, _ in draws]
        return self._inputs(
            [(one, self._rows(one, block)) for one, (_, block) in zip(found, draws, strict=True)]
        )

    def _inputs(self, made: Sequence[tuple[Windowed, NDArray[Any]]]) -> Any:
        first = made[0][0].series
        blocks = [rows for _, rows in made]
        kinds = {(rows.shape[1:], one.series.plain) for one, rows in made}
        if len(kinds) == 1 and len({rows.dtype for rows in blocks}) == 1:
            return series_like(first, self.form, np.concatenate(blocks))
        if self.form.kind == "flat":  # of several types
            return series_like(first, self.form, np.concatenate(blocks).astype(np.float64))
        return [row for one, rows in made for row in series_like(one.series, self.form, rows)]

    def _rows(self, one: Windowed, block: MaskBlock) -> NDArray[Any]:
        values = one.series.values
        rows = np.empty((len(block.masks), *values.shape), dtype=values.dtype)
        size = max(1, COMPOSED // values.size)
        for start in range(0, len(rows), size):
            some = slice(start, start + size)
            masks, places = block.masks[some], one.places
            kept = np.column_stack([masks, np.ones(len(masks), dtype=masks.dtype)])
            shown = kept[:, places].astype(bool)
            if self.absent == "interpolate":
                rows[some] = interpolated(values, shown, one.means)
            else:
                rows[some] = np.where(shown, values, self._fill(one, block.levels[some]))
        return rows

    def _fill(self, one: Windowed, levels: NDArray[np.uint16]) -> NDArray[Any]:
        """Return what replaces each value where it is absent: the same in all rows, or drawn."""
        if self.absent == "mean" or self.background is None or self.background.series is None:
            return one.means
        series = self.background.series
        drawn = np.column_stack([levels, np.zeros(len(levels), dtype=levels.dtype)])
        which = drawn[:, one.places].astype(np.intp) * len(series) // LEVELS
        rows, columns = np.indices(one.places.shape)
        return np.asarray(series[which, rows, columns].astype(one.series.values.dtype))

    def fingerprints(self, draws: Sequence[Draw]) -> NDArray[np.uint64] | None:
        """Return a hash of each row; None where rows hardly ever repeat."""
        rare = all(subject.n_active > RARE_PARTS for subject, _ in draws)
        if rare or self.absent == "background":
            return None
        return np.concatenate([mask_words(subject.digest, block.masks) for subject, block in draws])

    # What the core asks for

    def row_bytes(self, subject: Subject) -> int:
        """Return the approximate size of one perturbed sequence."""
        if not isinstance(subject.content, Windowed):
            return 1
        return 2 * int(subject.content.series.values.nbytes)

    def default_rows(self, subject: Subject) -> int:
        """Return the rows of a first round: 256, or the power of two above 5 rows a part.

        Where stretches are drawn, what is drawn varies too, and 1024 or 8 rows a part are used.
        """
        if self.absent == "background":
            return max(1024, 8 * subject.n_active)
        return max(256, 1 << (5 * subject.n_active - 1).bit_length())

    def default_law(self) -> tuple[str, float | None]:
        """Return the law of the masks: each part is kept with probability 1/2."""
        return "bernoulli", None

    def default_kernel(self, subject: Subject) -> Kernel:
        """Return the kernel where none is configured: every row counts alike."""
        return Kernel()

    def recipe(self) -> dict[str, Any]:
        """Return the choices that determine the perturbed sequences."""
        how = self.pinned_as if self.pinned else self.cut
        known = self.background and self.background.digest()
        return {"domain": "sequence", **how, "absent": self.absent, "background": known}


def sequence_digests(instances: Any, form: SequenceForm) -> list[str]:
    """Return the hash of each sequence's values, 32 hexadecimal digits, as its subject has it."""
    return [
        found.digest if isinstance(found, Unusable) else series_digest(found.values)
        for found in read_series(instances, form)
    ]


def _same(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((one == other) | (np.isnan(one) & np.isnan(other)))


def _windowed(subject: Subject) -> Windowed:
    if isinstance(subject.content, Windowed):
        return subject.content
    raise DataError(*subject.notes)
