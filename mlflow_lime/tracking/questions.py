"""What is asked of a model version: its scoring function, its reference set, the labels."""

import sys
import weakref
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from mlflow_lime.config import Config
from mlflow_lime.configured import code_references, domain_from_config, explainer_from_config
from mlflow_lime.core.domain import Domain, Subject
from mlflow_lime.core.explain import Explainer, Outcome
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.joint import JointDomain
from mlflow_lime.core.text.vectorised import TextPipeline
from mlflow_lime.errors import DigestMismatchError, MlflowLimeError, shorten
from mlflow_lime.reference.portion import Portion, first_rows
from mlflow_lime.reference.reference_set import ReferenceSet, parts_digest
from mlflow_lime.tracking.hooks import import_function
from mlflow_lime.tracking.model import load_scoring_function
from mlflow_lime.tracking.scoring_function import ScoringFunction

__all__ = ["Questions", "ask", "load_scorer", "pinned_domain", "sample_inputs"]


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """A reference set and the explainer that answers it.

    Attributes
    ----------
    reference : ReferenceSet
    explainer : Explainer
    subjects : tuple of Subject
        The instances, cut into their parts; empty where they were not stored, and for a large set.
    labels : tuple of tuple of str
        Labels to explain, for each instance.
    scoring : dict
        How the model is asked, as plain JSON values.
    notes : tuple of str
    scorer : ScoringFunction
        The model.
    config : Config
    """

    reference: ReferenceSet
    explainer: Explainer
    subjects: tuple[Subject, ...]
    labels: tuple[tuple[str, ...], ...]
    scoring: dict[str, Any]
    notes: tuple[str, ...]
    scorer: ScoringFunction
    config: Config

    @classmethod
    def on(
        cls,
        reference: ReferenceSet,
        scorer: ScoringFunction,
        config: Config,
        *,
        large: bool = False,
    ) -> Self:
        """Put the questions of a reference set to a model.

        Parameters
        ----------
        reference : ReferenceSet
        scorer : ScoringFunction
        config : Config
        large : bool, default False
            Leave the instances uncut: they are too many to be held in memory in parts.
        """
        predict: Any = scorer
        pipeline, why = scorer.text_pipeline() if reference.layout.texts else (None, "")
        if pipeline is not None:
            predict = TextScorer(scorer, pipeline)
        known = first_rows(reference) if large else reference
        domain = pinned_domain(known, config, pipeline, why)
        explainer = explainer_from_config(
            config,
            domain,
            predict,
            mode=scorer.mode,
            class_names=scorer.class_names,
            code=_code(config),
        )
        overruled = _other_wishes(reference, domain, config)
        subjects = () if large else _subjects(reference, domain, overruled)
        return cls(
            reference=reference,
            explainer=explainer,
            subjects=subjects,
            labels=_with_own_prediction(reference, explainer, subjects, config),
            scoring=scorer.describe(),
            notes=(*scorer.notes, *overruled),
            scorer=scorer,
            config=config,
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the instances, in order."""
        return self.reference.keys

    def answer(
        self, *, skip: Collection[str] = (), progress: bool | None = False
    ) -> Iterator[Outcome]:
        """Explain the instances, except those in `skip`, and yield each as it is finished."""
        chosen = [i for i, key in enumerate(self.keys) if key not in skip]
        if not chosen or not self.subjects:
            return
        subjects = [self.subjects[i] for i in chosen]
        rules = [self.labels[i] or "auto" for i in chosen]
        # A list of nothing but words would be one rule: the names of the labels.
        open_ = all(rule == "auto" for rule in rules)
        for _, outcome in self.explainer.stream(
            subjects, labels="auto" if open_ else rules, progress=progress
        ):
            yield self.redacted(outcome)

    def some(self, keys: Sequence[str]) -> Self:
        """Return the questions on some instances, cut into their parts."""
        rows = {key: i for i, key in enumerate(self.keys)}
        portion = Portion.of(self.reference, [rows[key] for key in keys])
        return type(self).on(portion.within(self.reference), self.scorer, self.config)

    def redacted(self, outcome: Outcome) -> Outcome:
        """Take the instance's values out of an explanation where they may not be stored."""
        if self.reference.store_inputs == "full":
            return outcome
        return outcome.redacted() if isinstance(outcome, Explanation) else self._unnamed(outcome)

    def _unnamed(self, failed: FailedExplanation) -> FailedExplanation:
        """Take the names of image files out of the reason of a failure."""
        reason = failed.reason
        inputs = self.reference.inputs
        for image in self.reference.layout.images:
            if image.form.kind == "path" and inputs is not None:
                cell = inputs[image.columns[0]].iloc[self.keys.index(failed.key)]
                reason = reason.replace(shorten(str(cell), 120), "named in the data")
        return replace(failed, reason=reason)


@dataclass(frozen=True, slots=True, eq=False)
class TextScorer:
    """A scoring function that also takes what its vectoriser would have made of the texts."""

    scorer: ScoringFunction
    pipeline: TextPipeline

    def __call__(self, inputs: Any) -> NDArray[np.float64]:
        """Return the scores of texts, or of rows of a sparse matrix."""
        if not sparse.issparse(inputs):
            return self.scorer(inputs)
        return self.scorer.judge(self.pipeline(inputs), inputs.shape[0])


def load_scorer(model: Any, config: Config, sample: Any = None) -> ScoringFunction:
    """Return the scoring function of a model; `predict` is also searched beside the YAML file."""
    _search_beside(config)
    return load_scoring_function(model, predict=config.predict, task=config.task, sample=sample)


def _search_beside(config: Config) -> None:
    if config.folder is not None and str(config.folder) not in sys.path:
        sys.path.append(str(config.folder))


def _code(config: Config) -> dict[str, Any]:
    """Return what the configuration's references to code name, imported."""
    _search_beside(config)
    named = code_references(config).items()
    return {reference: import_function(reference, key=key) for key, reference in named}


def pinned_domain(
    reference: ReferenceSet,
    config: Config,
    pipeline: TextPipeline | None = None,
    why: str = "",
) -> Domain:
    """Return the domain of a reference set, with the parts that it pins."""
    pins: dict[str, dict[str, Any]] = {}
    for item in reference.parts or ():
        for column, definition in item.items():
            pins.setdefault(column, {})[definition["digest"]] = definition["parts"]
    return domain_from_config(
        config,
        reference.layout,
        pins=pins,
        cuts=reference.cuts,
        code=_code(config),
        pipeline=pipeline,
        why=why,
    )


def sample_inputs(reference: ReferenceSet, config: Config) -> Any:
    """Return a few instances of a set as the model reads them."""
    if reference.layout.is_table or reference.inputs is None:
        return reference.inputs
    domain = pinned_domain(reference, config)
    subjects = domain.subjects(reference.inputs.head(8))
    good = [subject for subject in subjects if subject.n_active > 0]
    rows = domain.originals((good or subjects)[:2])
    if isinstance(rows, pd.DataFrame):
        # Image files that it names last as long as the domain that wrote them.
        weakref.finalize(rows, _keep, domain)
    return rows


def _keep(domain: Domain) -> None:
    """Keep a domain until this is called."""


def ask(reference: ReferenceSet, scorer: ScoringFunction, config: Config) -> Questions:
    """Put the questions of a reference set to a model."""
    return Questions.on(reference, scorer, config)


def _other_wishes(reference: ReferenceSet, domain: Domain, config: Config) -> tuple[str, ...]:
    """Return a note for each choice of the configuration that the reference set overrules."""
    layout = reference.layout
    pairs: list[tuple[str, Any, Any]] = []
    for column, wish in domain.cuts.items() if isinstance(domain, JointDomain) else ():
        known = reference.cuts.get(column, wish)
        pairs += [(f"{_KEYS[key]} of {column!r}", wish[key], known[key]) for key in wish]
    pixels = [column for image in layout.images for column in image.columns]
    values = [column for item in layout.sequences for column in item.columns]
    for key, chosen, found in (
        ("text.columns", config.text.columns, layout.texts),
        ("image.columns", config.image.columns, pixels),
        ("sequence.columns", config.sequence.columns, values),
    ):
        if chosen != "auto":
            wanted = [] if chosen == "none" else sorted(chosen)
            pairs.append((key, wanted, sorted(map(str, found))))
    for image in layout.images:
        if config.image.channels != "auto":
            pairs.append(("image.channels", config.image.channels, image.form.channels))
        if config.image.shape is not None:
            pairs.append(("image.shape", config.image.shape, image.form.shape))
    for item in layout.sequences:
        if config.sequence.shape is not None:
            pairs.append(("sequence.shape", config.sequence.shape, item.form.shape))
    return tuple(
        f"{what} is pinned as {shorten(known)}, so {shorten(wish)} is not used; replace the "
        "reference set (--new-reference) to change it"
        for what, wish, known in pairs
        if wish != known
    )


_KEYS = {
    "parts": "text.parts",
    "segments": "image.segments",
    "n_segments": "image.count",
    "series_parts": "sequence.parts",
    "windows": "sequence.windows",
    "n_windows": "sequence.count",
    "window_length": "sequence.length",
}
"""Keys of the configuration that say how a text, an image or a sequence is cut."""


def _subjects(
    reference: ReferenceSet, domain: Domain, overruled: Sequence[str]
) -> tuple[Subject, ...]:
    """Return the instances, cut into parts as they were when they were pinned."""
    if reference.inputs is None:
        return ()
    subjects = domain.subjects(reference.inputs, reference.keys)
    if reference.part_digests and reference.parts is None and isinstance(domain, JointDomain):
        found = [parts_digest(domain.pins(subject)) for subject in subjects]
        pairs = zip(reference.keys, found, reference.part_digests, strict=True)
        wrong = [key for key, a, b in pairs if a != b]
        if wrong:
            msg = (
                f"{len(wrong)} of {len(found)} instances are cut into other parts than when they "
                f"were pinned: {shorten(wrong)}; restore the tokeniser or the segmentation (its "
                "code, options, and version), or replace the reference set"
            )
            msg = "; ".join((msg, *overruled))
            raise DigestMismatchError(msg)
    return tuple(subjects)


def _with_own_prediction(
    reference: ReferenceSet, explainer: Explainer, subjects: Sequence[Subject], config: Config
) -> tuple[tuple[str, ...], ...]:
    """Return the pinned labels, and this version's own prediction where it differs."""
    names = [str(name) for name in explainer.class_names or ()]
    several = explainer.mode == "classification" and len(names) > 2
    if not several or config.labels not in ("auto", "predicted") or not subjects:
        return reference.labels
    own = _predictions(explainer, subjects, names)
    return tuple(
        labels if name is None or name in labels else (*labels, name)
        for labels, name in zip(reference.labels, own, strict=True)
    )


def _predictions(
    explainer: Explainer, subjects: Sequence[Subject], names: Sequence[str]
) -> list[str | None]:
    """Return the predicted class of each instance; None where the model fails."""
    try:
        scores = explainer.predictor(explainer.domain.originals(subjects), len(subjects))
        return [names[i] for i in scores.argmax(axis=1)]
    except MlflowLimeError:
        if len(subjects) == 1:
            return [None]
    return [_predictions(explainer, [subject], names)[0] for subject in subjects]
