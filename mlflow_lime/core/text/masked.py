"""Texts as a kind of data: which parts a text has, and the texts that the masks stand for."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.contents import TextContent
from mlflow_lime.core.domain import Draw, Subject, instance_keys
from mlflow_lime.core.hashes import mix_bits
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.pool import SIZES
from mlflow_lime.core.text.compose import Composer
from mlflow_lime.core.text.offsets import callable_name
from mlflow_lime.core.text.sparse_rows import Analyzer, CountRows
from mlflow_lime.core.text.split import (
    Parts,
    Split,
    readable,
    require_parts,
    split,
    split_at,
)
from mlflow_lime.core.text.vectorised import Draft, TextPipeline
from mlflow_lime.errors import DataError

__all__ = ["MaskedText", "text_digest"]

COMPARED_TEXTS = 64
"""Texts whose sparse rows are compared with the vectoriser's in one call."""

Pinned = Mapping[str, Sequence[Sequence[int]]]


@dataclass(frozen=True, slots=True, eq=False)
class _Text:
    """What a text needs in order to be perturbed.

    Attributes
    ----------
    text : str
    composer : Composer
        Makes strings.
    rows : CountRows or None
        Makes sparse rows, where that is exact.
    n_bytes : int
        Size of one perturbed input.
    """

    text: str
    composer: Composer
    rows: CountRows | None
    n_bytes: int


@dataclass(slots=True, eq=False)
class _Read:
    """A text that was cut, and how sparse rows of it would be made."""

    text: str
    digest: str
    cut: Split
    active: NDArray[np.intp]
    notes: tuple[str, ...]
    draft: Draft | None
    why: str


class MaskedText:
    """Texts whose parts are kept, or removed.

    Parameters
    ----------
    parts : {"words", "positions", "sentences", "characters"} or callable, default "words"
        How a text is cut, see `mlflow_lime.core.text.split.split`.
    mask : str, optional
        What takes the place of each absent span. By default spans are removed, while the white
        space and the punctuation around them stay.
    pinned : mapping of str to list of [start, end, part], optional
        Spans that were found earlier, by the digest of the text, see `pin`. They are used in place
        of another cut.
    pinned_as : mapping of str to JSON values, optional
        The `cut` of the domain that found them, where it is another one.
    pipeline : TextPipeline, optional
        The model, if perturbed texts may be given to it as sparse rows.
    why : str, default "no pipeline given"
        Why there is no pipeline; recorded with each instance.

    Raises
    ------
    DataError
        If `parts` is neither a known kind nor callable.
    """

    shared = False
    masked = True
    call_rows: tuple[int, ...]

    def __init__(
        self,
        parts: Parts = "words",
        *,
        mask: str | None = None,
        pinned: Pinned | None = None,
        pinned_as: Mapping[str, Any] | None = None,
        pipeline: TextPipeline | None = None,
        why: str = "no pipeline given",
    ) -> None:
        require_parts(parts)
        self.parts = parts
        self.mask = mask or None
        self.pinned = dict(pinned or {})
        self.pinned_as = dict(pinned_as or self.cut)
        self.pipeline = pipeline
        self.why = why
        # Models of strings may be slow and large; sparse rows are neither, and a call has a price.
        self.call_rows = (1024, 4096, 256) if pipeline is None else SIZES

    def subjects(self, instances: Any, keys: Sequence[str] | None = None) -> list[Subject]:
        """Return the texts made ready to be perturbed.

        A text that is missing, cannot be cut, or has nothing to vary becomes a subject without
        active parts whose notes say why.

        Parameters
        ----------
        instances : sequence of str, Series, or ndarray of object, shape (n_instances,)
        keys : sequence of str, optional
            Names of the instances; their positions by default.

        Raises
        ------
        DataError
            If the instances are no sequence, or pinned spans do not fit their text.
        """
        texts = _texts(instances)
        names = instance_keys(keys, len(texts))
        analyzer = None if self.pipeline is None else self.pipeline.analyzer()
        subjects: list[Subject] = []
        for start in range(0, len(texts), COMPARED_TEXTS):
            some = slice(start, start + COMPARED_TEXTS)
            read = [self._read(text, analyzer) for text in texts[some]]
            self._compare([one for one in read if one is not None])
            for text, one, key in zip(texts[some], read, names[some], strict=True):
                subjects.append(_no_text(text, key) if one is None else self._subject(one, key))
        return subjects

    def _read(self, text: Any, analyzer: Analyzer | None) -> "_Read | None":
        if not isinstance(text, str):
            return None
        digest = text_digest(text)
        cut, notes = self._cut(text, digest)
        fixed = [j for j, part in enumerate(cut.texts) if part == self.mask]
        active = np.setdiff1d(np.arange(len(cut.texts)), fixed).astype(np.intp)
        if fixed:
            notes.append("not varied: parts that equal the mask")
        draft, why = self._draft(text, digest, cut, active, analyzer)
        return _Read(text, digest, cut, active, tuple(notes), draft, why)

    def _draft(
        self,
        text: str,
        digest: str,
        cut: Split,
        active: NDArray[np.intp],
        analyzer: Analyzer | None,
    ) -> tuple[Draft | None, str]:
        if self.pipeline is None or analyzer is None:
            return None, self.why
        if len(active) == 0:
            return None, "no part can be varied"
        return self.pipeline.draft(analyzer, text, cut, active, self.mask, int(digest, 16))

    def _compare(self, read: "Sequence[_Read]") -> None:
        """Drop the drafts of sparse rows that differ from the vectoriser's."""
        if self.pipeline is None:
            return
        drafted = [(one, one.draft) for one in read if one.draft is not None]
        exact = self.pipeline.exact([draft for _, draft in drafted])
        for (one, _), same in zip(drafted, exact, strict=True):
            if not same:
                one.draft, one.why = None, "sparse rows differ from the vectoriser's"

    def _subject(self, read: "_Read", key: str) -> Subject:
        text, cut, active = read.text, read.cut, read.active
        how = self.pinned_as if read.digest in self.pinned else self.cut
        readings = _readings(cut, numbered=how["parts"] != "words")
        rows = None if read.draft is None else read.draft.rows
        n_bytes = len(text.encode("utf-8", "surrogatepass"))
        if rows is not None:
            n_bytes = 12 * len(rows.columns) + 8
        return Subject(
            key=key,
            digest=read.digest,
            parts=readings,
            names=readings,
            active=active,
            n_draws=0,
            content=_Text(text, Composer.of(text, cut.spans, active, self.mask), rows, n_bytes),
            notes=read.notes,
            shown=(TextContent("", text, cut.spans),),
            facts={"path": "sparse"} if rows is not None else {"path": "strings", "why": read.why},
        )

    def _cut(self, text: str, digest: str) -> tuple[Split, list[str]]:
        """Return the pieces of a text, and a note where there are none."""
        if digest in self.pinned:
            cut = split_at(text, self.pinned[digest])
        else:
            try:
                cut = split(text, self.parts)
            except DataError as error:
                return Split(np.zeros((0, 3), dtype=np.int32), ()), [str(error)]
        return cut, [] if cut.texts else [self._nothing(text)]

    def _nothing(self, text: str) -> str:
        if not text:
            return "the text is empty"
        if text.isspace():
            return "the text is white space alone"
        if callable(self.parts):
            return f"the tokenizer {callable_name(self.parts)} found no tokens in the text"
        return (
            "the text holds no words, only punctuation or other signs; use parts 'characters' to "
            "vary these"
        )

    @property
    def cut(self) -> dict[str, Any]:
        """How texts that are not pinned are cut, as plain JSON values."""
        return {"parts": callable_name(self.parts) if callable(self.parts) else self.parts}

    def pin(self, subject: Subject) -> list[list[int]]:
        """Return the spans of a subject, for `pinned` of a later domain."""
        (shown,) = subject.shown
        spans: list[list[int]] = shown.spans.tolist() if isinstance(shown, TextContent) else []
        return spans

    def perturb(self, draws: Sequence[Draw]) -> Any:
        """Return the model inputs of several blocks, one after the other.

        Returns
        -------
        list of str, or CSR matrix of shape (n_rows, n_columns)
            A matrix where one of the instances has sparse rows; texts of the others are then
            vectorised.
        """
        if self.pipeline is None or all(subject.content.rows is None for subject, _ in draws):
            return self._strings(draws)
        pieces = []
        for exact, group in groupby(draws, lambda draw: draw[0].content.rows is not None):
            if exact:
                blocks = [(subject.content.rows, masks) for subject, masks in _by_text(group)]
                pieces.append(self.pipeline.matrix(blocks))
            else:
                pieces.append(self.pipeline.vectorise(self._strings(list(group))))
        return pieces[0] if len(pieces) == 1 else sparse.vstack(pieces, format="csr")

    @staticmethod
    def _strings(draws: Sequence[Draw]) -> list[str]:
        texts: list[str] = []
        for subject, masks in _by_text(draws):
            texts += subject.content.composer.strings(masks)
        return texts

    def originals(self, subjects: Sequence[Subject]) -> list[str]:
        """Return the texts themselves, untouched.

        Raises
        ------
        DataError
            If an instance is no text.
        """
        for subject in subjects:
            if not isinstance(subject.content, _Text):
                raise DataError(*subject.notes)
        return [subject.content.text for subject in subjects]

    def features(self, subject: Subject, block: MaskBlock) -> NDArray[np.uint8]:
        """Return the masks themselves, shape (n_rows, n_active)."""
        return block.masks

    def origin(self, subject: Subject) -> NDArray[np.float64]:
        """Return ones: the instance has every part."""
        return np.ones(subject.n_active)

    def fingerprints(self, draws: Sequence[Draw]) -> NDArray[np.uint64] | None:
        """Return a hash of each row: equal for equal masks of texts with equal digests.

        None where no row can occur twice: the masks of each text are enumerated.

        Each word of 64 mask bits, mixed with a number that belongs to the text and to the word's
        place, adds to the hash; different rows are confused with probability 2**-64 a pair.
        """
        texts = {subject.digest for subject, _ in draws}
        if len(texts) == len(draws) and all(block.distinct for _, block in draws):
            return None
        return np.concatenate([_hashes(subject.digest, block.masks) for subject, block in draws])

    def element_parts(self, subject: Subject) -> NDArray[np.intp]:
        """Return the part of each character, -1 between the parts, shape (n_characters,)."""
        found = np.full(len(subject.content.text), -1, dtype=np.intp)
        for content in subject.shown:
            if isinstance(content, TextContent):
                for start, end, part in content.spans.tolist():
                    found[start:end] = part
        return found

    def row_bytes(self, subject: Subject) -> int:
        """Return the approximate size of one perturbed input and its mask."""
        if not isinstance(subject.content, _Text):
            return 1
        return subject.content.n_bytes + subject.n_active

    def default_rows(self, subject: Subject) -> int:
        """Return the rows of a first round where none are configured.

        1,024; for many parts ten rows each up to 2,000, which the reference package's precision
        takes (``benchmarks/binary_designs.py``), four each up to 8,192, and three each at least,
        near which the weights are hardly determined.
        """
        n_parts = subject.n_active
        return max(1024, min(10 * n_parts, 2000), min(4 * n_parts, 8192), 3 * n_parts)

    def default_law(self) -> tuple[str, float | None]:
        """Return the law of the masks: each part is kept with probability 1/2."""
        return "bernoulli", None

    def default_kernel(self, subject: Subject) -> Kernel:
        """Return the kernel where none is configured."""
        return Kernel()

    def recipe(self) -> dict[str, Any]:
        """Return the choices that determine the perturbed texts."""
        how = self.pinned_as if self.pinned else self.cut
        return {"domain": "text", **how, "mask": self.mask}


def text_digest(text: Any) -> str:
    """Return the hash of a text, 32 hexadecimal digits; of what it is instead, if it is no text.

    Examples
    --------
    >>> text_digest("")
    'cae66941d9efbd404e4d88758ea67670'
    """
    if not isinstance(text, str):
        text = f"\0no text: {type(text).__name__}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _by_text(draws: Iterable[Draw]) -> Iterator[tuple[Subject, NDArray[np.uint8]]]:
    """Yield each text once for all of its blocks that follow each other, with their masks."""
    for _, group in groupby(draws, lambda draw: id(draw[0])):
        own = list(group)
        masks = [block.masks for _, block in own]
        yield own[0][0], masks[0] if len(masks) == 1 else np.concatenate(masks)


def _no_text(value: Any, key: str) -> Subject:
    if value is None or (isinstance(value, float) and value != value) or value is pd.NA:
        note = "the text is missing; leave the instance out, or fill it in"
    else:
        note = f"expected a text, got {type(value).__name__}; convert the column to text"
    return Subject(
        key=key,
        digest=text_digest(value),
        parts=(),
        names=(),
        active=np.empty(0, dtype=np.intp),
        n_draws=0,
        content=None,
        notes=(note,),
    )


def _texts(instances: Any) -> list[Any]:
    if isinstance(instances, (pd.Series, np.ndarray)) and instances.ndim == 1:
        instances = instances.tolist()
    if not isinstance(instances, (list, tuple)):
        kind = type(instances).__name__
        msg = f"instances must be a list of texts, got one {kind}; give [text] for a single text"
        raise DataError(msg)
    return list(instances)


def _readings(cut: Split, *, numbered: bool) -> tuple[str, ...]:
    """Return what a person reads of each part, all different."""
    texts = [readable(text) for text in cut.texts]
    if not numbered and len(set(texts)) == len(texts):
        return tuple(texts)
    number_of = Counter(texts)
    return tuple(
        f"{text} [{i}]" if numbered or number_of[text] > 1 else text
        for i, text in enumerate(texts, 1)
    )


def _hashes(digest: str, masks: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return a hash of each mask of one text, shape (n_rows,)."""
    packed = np.packbits(masks, axis=1)
    n_words = -(-packed.shape[1] // 8)
    padded = np.zeros((len(packed), 8 * n_words), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    keys = np.random.Generator(np.random.PCG64(int(digest, 16)))
    numbers = keys.integers(0, 2**64, n_words, dtype=np.uint64)
    return np.asarray(mix_bits(padded.view("<u8") ^ numbers).sum(axis=1, dtype=np.uint64))
