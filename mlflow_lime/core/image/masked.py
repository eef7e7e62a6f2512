"""Images with binary masks: an absent segment takes its pixels from what replaces it."""

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.domain import Draw, Subject, instance_keys, unusable
from mlflow_lime.core.hashes import RARE_PARTS, mask_words
from mlflow_lime.core.image.absent import Absence, Absent, differing
from mlflow_lime.core.image.cells import (
    Cell,
    ImageForm,
    Unreadable,
    encode_cell,
    flat_like,
    pixels_digest,
    read_cells,
)
from mlflow_lime.core.image.compose import Layers
from mlflow_lime.core.image.display import as_shown, positions, stride
from mlflow_lime.core.image.files import MAX_PIXELS, encode
from mlflow_lime.core.image.segments import Segmenter, Segments, relabel
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.errors import DataError

__all__ = ["MaskedImage", "Picture", "image_digests"]

ENCODED_ROWS = 16
"""Images that are composed at once where each is then encoded."""

FEW_ROWS = (32, 8, 128)
"""Rows of a call that are tried for networks, which are fastest while a call fits in the cache."""

MANY_ROWS = (1024, 128, 4096)
"""Rows of a call that are tried where models read pixels in a row, as forests do."""

NAMED = 10
"""Segments that a note names."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What perturbing an image needs.

    Attributes
    ----------
    cell : Cell
        The image as the model has it.
    fill : ndarray of the shape and dtype of the cell's pixels
        The image where every segment is absent; may be a view that repeats one colour.
    labels : ndarray of int32, shape (height, width)
        Segment of each pixel, 0 to n_segments - 1.
    places : ndarray of int32, shape (height, width)
        Part of each pixel; -1 where the segment cannot be tested.
    """

    cell: Cell
    fill: NDArray[Any]
    labels: NDArray[np.int32]
    places: NDArray[np.int32]

    def layers(self) -> Layers:
        """Return the image and what replaces it, laid out for the writing of many batches."""
        split = self.cell.split
        return Layers.of(
            self.cell.pixels.reshape(split), self.fill.reshape(split), self.places.ravel()
        )


class MaskedImage:
    """Images as a set of segments, each kept or replaced.

    Parameters
    ----------
    form : ImageForm, optional
        How images come, and how the model gets them; arrays by default.
    segments : str, callable, or array_like of int, default "slic"
        How images are taken apart; see `mlflow_lime.core.image.segments.Segmenter`.
    n_segments : int, default 50
        About how many segments.
    absent : str, number, sequence of numbers, ndarray, or path, default "mean"
        What replaces absent segments; see `mlflow_lime.core.image.absent.Absence`.
    pinned : mapping of str to array_like of int, optional
        Labels (height, width) by the digest of an image, used in place of `segments`.
    pinned_as : mapping of str to JSON values, optional
        The `cut` of the domain that found them, where it is another one.
    max_pixels : int, default 40,000,000
        Files with more pixels are refused before they are decoded.

    Raises
    ------
    DataError
        If a choice does not exist.

    Examples
    --------
    >>> domain = MaskedImage(segments="grid", n_segments=4)
    >>> image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    >>> domain.subjects([image])[0].parts[0]
    'segment 0 (top left)'
    """

    shared = False
    masked = True

    def __init__(
        self,
        form: ImageForm | None = None,
        *,
        segments: Segments = "slic",
        n_segments: int = 50,
        absent: Absent = "mean",
        pinned: Mapping[str, Any] | None = None,
        pinned_as: Mapping[str, Any] | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.form = form or ImageForm()
        self.segmenter = Segmenter(segments, n_segments)
        self.absence = Absence(absent)
        self.pinned = dict(pinned or {})
        self.pinned_as = dict(pinned_as or self.cut)
        self.max_pixels = max_pixels
        self._folder: str | None = None
        self._laid: tuple[Picture, Layers] | None = None  # those of the image before

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but the folder of files for the model, which is one process's own."""
        return {**self.__dict__, "_folder": None, "_laid": None}

    @property
    def call_rows(self) -> tuple[int, ...]:
        """Rows of a call that are tried, in this order, where none is configured."""
        return MANY_ROWS if self.form.kind == "flat" else FEW_ROWS

    # From instances to subjects

    def subjects(self, instances: Any, keys: Sequence[str] | None = None) -> list[Subject]:
        """Return the images made ready to be perturbed.

        An image that cannot be used is a subject without parts, whose note says why; `originals`
        raises for it.

        Raises
        ------
        DataError
            If the container is none that holds images, or the labels or keys are of another
            number.
        """
        cells = read_cells(instances, self.form, max_pixels=self.max_pixels)
        self.segmenter.require(len(cells))
        names = instance_keys(keys, len(cells))
        return [
            self._subject(cell, str(name), i)
            for i, (cell, name) in enumerate(zip(cells, names, strict=True))
        ]

    def _subject(self, cell: Cell | Unreadable, key: str, place: int) -> Subject:
        if isinstance(cell, Unreadable):
            return unusable(key, cell)
        digest = pixels_digest(cell.pixels)
        try:
            return self._readable(cell, key, digest, place)
        except DataError as error:
            return unusable(key, Unreadable(str(error), digest))

    def _readable(self, cell: Cell, key: str, digest: str, place: int) -> Subject:
        image = cell.image
        labels = self._labels(image, digest, place)
        fill = cell.fit(cell.like_pixels(self.absence.fill(image, labels)))
        tested = differing(image, replace(cell, pixels=fill).image, labels)
        owners = np.where(tested, np.cumsum(tested) - 1, -1).astype(np.int32)
        untestable = np.flatnonzero(~tested).tolist()
        where = positions(labels)
        ids = np.flatnonzero(tested).tolist()
        facts: dict[str, Any] = {"segments_found": len(tested), "untestable": untestable}
        if cell.file is not None:
            facts["file"] = f"{cell.file.format}, given as PNG {cell.file.mode}"
        step = stride(*labels.shape)
        shown = ImageContent("", as_shown(image[::step, ::step]), labels[::step, ::step], owners)
        return Subject(
            key=key,
            digest=digest,
            parts=tuple(f"segment {i} ({where[i]})" for i in ids),
            names=tuple(f"segment {i}" for i in ids),
            active=np.arange(len(ids), dtype=np.intp),
            n_draws=0,
            content=Picture(cell, fill, labels, owners[labels] if untestable else labels),
            notes=self._notes(untestable, len(tested)),
            shown=(shown,),
            facts=facts,
        )

    def _labels(self, image: NDArray[Any], digest: str, place: int) -> NDArray[np.int32]:
        if digest in self.pinned:
            return relabel(self.pinned[digest], image.shape[:2])
        return self.segmenter(image, place)

    def _notes(self, untestable: Sequence[int], n_segments: int) -> tuple[str, ...]:
        if not untestable:
            return ()
        which = ", ".join(str(i) for i in untestable[:NAMED])
        more = f", and {len(untestable) - NAMED} more" if len(untestable) > NAMED else ""
        return (
            f"{len(untestable)} of {n_segments} segments cannot be tested, because what replaces "
            f"them (absent: {self.absence.method}) equals their pixels: {which}{more}; choose "
            "another absent to test them, such as blur or a colour",
        )

    @property
    def cut(self) -> dict[str, Any]:
        """How images that are not pinned are cut, as plain JSON values."""
        return self.segmenter.recipe()

    def pin(self, subject: Subject) -> NDArray[np.int32]:
        """Return the labels of an image, shape (height, width), for `pinned`.

        Raises
        ------
        DataError
            If the image cannot be used.
        """
        return _picture(subject).labels

    # From masks to model inputs

    def features(self, subject: Subject, block: MaskBlock) -> NDArray[np.uint8]:
        """Return the masks themselves, shape (n_rows, n_active)."""
        return block.masks

    def origin(self, subject: Subject) -> NDArray[np.float64]:
        """Return ones: the instance has every part."""
        return np.ones(subject.n_active)

    def originals(self, subjects: Sequence[Subject]) -> Any:
        """Return the images themselves as the model reads them.

        Raises
        ------
        DataError
            If one of them cannot be used; the message says why.
        """
        pictures = [_picture(subject) for subject in subjects]
        return self._inputs([(p, np.ones((1, _n_parts(p)), dtype=np.uint8)) for p in pictures])

    def perturb(self, draws: Sequence[Draw]) -> Any:
        """Return the images of several blocks, one after the other.

        Returns
        -------
        ndarray, DataFrame, or list
            In the form of the instances. Arrays of one shape and dtype are one array
            (n_rows, *shape), others a list. Files are encoded as PNG, without loss; those of an
            earlier call are gone.
        """
        return self._inputs([(_picture(subject), block.masks) for subject, block in draws])

    def _inputs(self, work: Sequence[tuple[Picture, NDArray[np.uint8]]]) -> Any:
        if self.form.encoded:
            return self._files(work)
        kinds = {(picture.cell.pixels.shape, picture.cell.pixels.dtype) for picture, _ in work}
        if len(kinds) > 1:
            parts = [self._array([piece]) for piece in work]
            if self.form.kind == "flat":  # one shape, but several dtypes
                return flat_like(work[0][0].cell, np.concatenate(parts))
            return [image for part in parts for image in part]
        whole = self._array(work)
        return flat_like(work[0][0].cell, whole) if self.form.kind == "flat" else whole

    def _array(self, work: Sequence[tuple[Picture, NDArray[np.uint8]]]) -> NDArray[Any]:
        pixels = work[0][0].cell.pixels
        n_rows = sum(len(masks) for _, masks in work)
        out = np.empty((n_rows, *pixels.shape), dtype=pixels.dtype)
        start = 0
        for picture, masks in work:
            self._layers(picture).write(out[start : start + len(masks)], masks)
            start += len(masks)
        return out

    def _layers(self, picture: Picture) -> Layers:
        """Return the layers of an image; batches of the same one follow each other."""
        laid = self._laid
        if laid is None or laid[0] is not picture:
            laid = self._laid = (picture, picture.layers())
        return laid[1]

    def _files(self, work: Sequence[tuple[Picture, NDArray[np.uint8]]]) -> list[Any]:
        folder = self._empty_folder() if self.form.kind == "path" else None
        found: list[Any] = []
        for picture, masks in work:
            for start in range(0, len(masks), ENCODED_ROWS):
                for pixels in self._array([(picture, masks[start : start + ENCODED_ROWS])]):
                    if folder is None:
                        found.append(encode_cell(picture.cell, pixels, self.form))
                        continue
                    path = folder / f"{len(found):06d}.png"
                    path.write_bytes(encode(pixels, picture.cell.file))
                    found.append(str(path))
        return found

    def _empty_folder(self) -> Path:
        """Return a folder of this process's own, without the files of the call before."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="mlflow-lime-")
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        folder = Path(self._folder)
        for path in folder.glob("*.png"):
            path.unlink()
        return folder

    def fingerprints(self, draws: Sequence[Draw]) -> NDArray[np.uint64] | None:
        """Return a hash of each row; None where all instances have too many parts to repeat."""
        if all(subject.n_active > RARE_PARTS for subject, _ in draws):
            return None
        return np.concatenate([mask_words(subject.digest, block.masks) for subject, block in draws])

    def element_parts(self, subject: Subject) -> NDArray[np.intp]:
        """Return the part of each pixel and channel, -1 where untestable, in the image's shape.

        Raises
        ------
        DataError
            If the image cannot be used.
        """
        picture = _picture(subject)
        places = picture.places.astype(np.intp).reshape(1, -1, 1)
        cell = picture.cell
        return np.broadcast_to(places, cell.split).reshape(cell.pixels.shape)

    # What the core asks for

    def row_bytes(self, subject: Subject) -> int:
        """Return the approximate size of one perturbed image."""
        if not isinstance(subject.content, Picture):
            return 1
        size = int(subject.content.cell.pixels.nbytes)
        if self.form.kind == "path":
            return max(1, size // 4)  # the files lie on the disk, a few images in memory
        if self.form.encoded:
            return 2 * size  # a noisy image does not shrink, and base64 adds a third
        # Where equal rows are predicted once, the remaining ones are copied.
        return 2 * size if subject.n_active <= RARE_PARTS else size

    def default_rows(self, subject: Subject) -> int:
        """Return the rows of a first round: 256, or the power of two above 5 rows a part."""
        return max(256, 1 << (5 * subject.n_active - 1).bit_length())

    def default_law(self) -> tuple[str, float | None]:
        """Return the law of the masks: each part is kept with probability 1/2."""
        return "bernoulli", None

    def default_kernel(self, subject: Subject) -> Kernel:
        """Return the kernel where none is configured: every row counts alike."""
        return Kernel()

    def recipe(self) -> dict[str, Any]:
        """Return the choices that determine the perturbed images."""
        how = self.pinned_as if self.pinned else self.cut
        return {"domain": "image", **how, **self.absence.recipe()}


def image_digests(instances: Any, form: ImageForm, *, max_pixels: int = MAX_PIXELS) -> list[str]:
    """Return the hash of each image's pixels, 32 hexadecimal digits, as its subject has it."""
    cells = read_cells(instances, form, max_pixels=max_pixels)
    return [
        cell.digest if isinstance(cell, Unreadable) else pixels_digest(cell.pixels)
        for cell in cells
    ]


def _picture(subject: Subject) -> Picture:
    if isinstance(subject.content, Picture):
        return subject.content
    raise DataError(*subject.notes)


def _n_parts(picture: Picture) -> int:
    return int(picture.places.max()) + 1
