"""Scikit-learn pipelines on texts, perturbed as sparse rows where that is exact."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mlflow_lime.core.text.compose import Composer
from mlflow_lime.core.text.sparse_rows import Analyzer, CountRows, Places, additive_tokens
from mlflow_lime.core.text.split import Split

__all__ = ["Draft", "TextPipeline"]

_TOKEN_PATTERNS = (r"(?u)\b\w\w+\b", r"(?u)\b\w+\b")
_LONGEST_TEXT = 1 << 23
"""Token counts are summed in float32, which holds whole numbers below 2**24."""

_CHECKED_ROWS = 6


@dataclass(frozen=True, slots=True, eq=False)
class TextPipeline:
    """A scikit-learn pipeline whose first step counts words.

    It reads texts like the pipeline itself, and sparse rows like the steps after the vectoriser.

    Attributes
    ----------
    model : sklearn.pipeline.Pipeline
        Fitted; its first step is a `CountVectorizer`, `TfidfVectorizer` or `HashingVectorizer`.
    method : str
        What is asked of it, such as ``"predict_proba"``.
    """

    model: Any
    method: str = "predict_proba"

    @classmethod
    def of(cls, model: Any, method: str = "predict_proba") -> tuple[Self | None, str]:
        """Return the pipeline if its rows can be perturbed after the vectoriser.

        Parameters
        ----------
        model : object
            Any model.
        method : str, default "predict_proba"
            What will be asked of it.

        Returns
        -------
        TextPipeline or None
        str
            The reason where there is none; empty otherwise.

        Examples
        --------
        >>> TextPipeline.of("a model")
        (None, 'the model is no scikit-learn pipeline')
        """
        from sklearn.pipeline import Pipeline

        if type(model) is not Pipeline:
            return None, "the model is no scikit-learn pipeline"
        if len(model.steps) < 2 or not hasattr(model[1:], method):
            return None, f"the pipeline has no {method} after its first step"
        reason = _refusal(model.steps[0][1])
        return (None, reason) if reason else (cls(model, method), "")

    def __call__(self, inputs: Any) -> Any:
        """Return the scores of texts, or of sparse rows that `matrix` or `vectorise` made."""
        model = self.model[1:] if sparse.issparse(inputs) else self.model
        return getattr(model, self.method)(inputs)

    @property
    def vectoriser(self) -> Any:
        """The first step."""
        return self.model.steps[0][1]

    def vectorise(self, texts: Sequence[str]) -> Any:
        """Return what the vectoriser makes of texts, a CSR matrix of shape (n_texts, n_columns)."""
        return self.vectoriser.transform(texts)

    def analyzer(self) -> Analyzer:
        """Return what the vectoriser does to a text before it counts."""
        vectoriser = self.vectoriser
        return Analyzer(
            vectoriser.build_analyzer(), vectoriser.build_preprocessor(), vectoriser.lowercase
        )

    def draft(
        self,
        analyzer: Analyzer,
        text: str,
        cut: Split,
        active: NDArray[np.intp],
        mask: str | None,
        seed: int,
    ) -> tuple["Draft | None", str]:
        """Return how sparse rows of a text would be made, or why only strings are exact.

        Parameters
        ----------
        analyzer : Analyzer
            What `analyzer` returned.
        text : str
        cut : Split
        active : ndarray of intp, shape (n_active,)
            Parts that are varied, ascending.
        mask : str or None
            What takes the place of an absent span.
        seed : int
            Seed of the masks with which the rows are compared with those of strings.

        Returns
        -------
        Draft or None
            To be used where it is `exact` alone.
        str
            The reason where there is none.
        """
        if len(text) > _LONGEST_TEXT:
            return None, "the text is too long"
        pieces, reason = additive_tokens(analyzer, text, cut.spans, active, mask)
        if pieces is None:
            return None, reason
        tokens = {*pieces.base, *pieces.masked}.union(*pieces.kept)
        rows = CountRows.of(pieces, self._places(sorted(tokens)))
        random = np.random.Generator(np.random.PCG64(seed))
        masks = random.integers(0, 2, (_CHECKED_ROWS + 2, len(active)), dtype=np.uint8)
        masks[0], masks[1] = 1, 0
        strings = Composer.of(text, cut.spans, active, mask).strings(masks)
        return Draft(rows, masks, tuple(strings)), ""

    def exact(self, drafts: Sequence["Draft"]) -> list[bool]:
        """Return of each draft whether its rows are those of the vectoriser, in every bit."""
        if not drafts:
            return []
        ours = self.matrix([(draft.rows, draft.masks) for draft in drafts])
        theirs = self.vectorise([text for draft in drafts for text in draft.strings])
        if _same_bits(ours, theirs):
            return [True] * len(drafts)
        stops = np.cumsum([len(draft.strings) for draft in drafts]).tolist()
        rows = [slice(start, stop) for start, stop in pairwise([0, *stops])]
        return [_same_bits(ours[own], theirs[own]) for own in rows]

    def _places(self, tokens: Sequence[str]) -> Places:
        """Return the column and the sign of each token that the vectoriser counts."""
        from sklearn.feature_extraction import FeatureHasher

        vectoriser = self.vectoriser
        if not _hashes(vectoriser):
            known = vectoriser.vocabulary_
            return {token: (int(known[token]), 1) for token in tokens if token in known}
        if not tokens:
            return {}
        hasher = FeatureHasher(
            vectoriser.n_features,
            input_type="string",
            alternate_sign=vectoriser.alternate_sign,
        )
        found = hasher.transform([[token] for token in tokens])
        columns, signs = found.indices.tolist(), found.data.tolist()
        return {t: (c, int(s)) for t, c, s in zip(tokens, columns, signs, strict=True)}

    def matrix(self, blocks: Sequence[tuple[CountRows, NDArray[np.uint8]]]) -> Any:
        """Return the sparse rows of masks, equal in every bit to the vectoriser's of the texts.

        Parameters
        ----------
        blocks : sequence of (CountRows, ndarray of uint8, shape (n_rows, n_active))

        Returns
        -------
        CSR matrix, shape (sum of n_rows, n_columns)
        """
        vectoriser = self.vectoriser
        lengths, columns, values = zip(
            *(rows.entries(masks) for rows, masks in blocks), strict=True
        )
        starts = np.zeros(sum(map(len, lengths)) + 1, dtype=np.int64)
        np.cumsum(np.concatenate(lengths), out=starts[1:])
        data = np.concatenate(values).astype(vectoriser.dtype)
        if vectoriser.binary:
            data.fill(1)
        entries = np.concatenate(columns)
        index = np.int32 if starts[-1] <= np.iinfo(np.int32).max else np.int64
        width = vectoriser.n_features if _hashes(vectoriser) else len(vectoriser.vocabulary_)
        found = _aligned((data, entries.astype(index, copy=False), starts.astype(index)), width)
        # The vectoriser's own transformer, for the same bits in every release of scikit-learn.
        if hasattr(vectoriser, "_tfidf"):
            return vectoriser._tfidf.transform(found, copy=False)
        if _hashes(vectoriser) and vectoriser.norm is not None:
            from sklearn.preprocessing import normalize

            return normalize(found, norm=vectoriser.norm, copy=False)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """How sparse rows of a text would be made, and what they must be equal to.

    Attributes
    ----------
    rows : CountRows
    masks : ndarray of uint8, shape (n_strings, n_active)
    strings : tuple of str
        The texts of these masks.
    """

    rows: CountRows
    masks: NDArray[np.uint8]
    strings: tuple[str, ...]


def _hashes(vectoriser: Any) -> bool:
    return not hasattr(vectoriser, "vocabulary_")


def _aligned(parts: tuple[NDArray[Any], NDArray[Any], NDArray[Any]], width: int) -> Any:
    """Return a CSR matrix of the kind that scikit-learn is configured to return."""
    from sklearn import get_config

    as_array = get_config().get("sparse_interface") == "sparray"
    kind = sparse.csr_array if as_array else sparse.csr_matrix
    return kind(parts, shape=(len(parts[2]) - 1, width))


def _same_bits(ours: Any, theirs: Any) -> bool:
    return (
        ours.shape == theirs.shape
        and ours.dtype == theirs.dtype
        and np.array_equal(ours.indptr, theirs.indptr)
        and np.array_equal(ours.indices, theirs.indices)
        and ours.data.tobytes() == theirs.data.tobytes()
    )


def _refusal(vectoriser: Any) -> str:
    """Return why rows of a vectoriser cannot be put together from parts; empty if they can."""
    from sklearn.exceptions import NotFittedError
    from sklearn.feature_extraction.text import (
        CountVectorizer,
        HashingVectorizer,
        TfidfVectorizer,
    )

    if type(vectoriser) not in (CountVectorizer, TfidfVectorizer, HashingVectorizer):
        return f"the first step is a {type(vectoriser).__name__}, no word vectoriser"
    reasons = {
        "the vectoriser reads files": vectoriser.input != "content",
        "the vectoriser has another analyser than words": vectoriser.analyzer != "word",
        "the vectoriser counts n-grams": tuple(vectoriser.ngram_range) != (1, 1),
        "the vectoriser has a tokenizer of its own": vectoriser.tokenizer is not None,
        "the vectoriser has a preprocessor of its own": vectoriser.preprocessor is not None,
        "the vectoriser strips accents in its own way": callable(vectoriser.strip_accents),
        "the vectoriser has a token pattern of its own": (
            vectoriser.token_pattern not in _TOKEN_PATTERNS
        ),
        "the vectoriser counts in an unusual type": np.dtype(vectoriser.dtype)
        not in (np.float64, np.float32, np.int64, np.int32),
    }
    for reason, applies in reasons.items():
        if applies:
            return reason
    try:
        vectoriser.transform([""])
    except (NotFittedError, ValueError):
        return "the vectoriser is not fitted"
    return ""
