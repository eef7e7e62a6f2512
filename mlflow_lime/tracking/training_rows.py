"""Explanations of rows that a model was trained on, beside those of its pinned instances."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient

from mlflow_lime.config import Config
from mlflow_lime.config.sections import ReferenceSection
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.layout import Layout
from mlflow_lime.errors import DataError, shorten
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.report.jsonlines import explanations_json, read_explanations_json
from mlflow_lime.tracking.answers import Answers
from mlflow_lime.tracking.columns import with_absolute_paths
from mlflow_lime.tracking.data import LoadedData, load_data
from mlflow_lime.tracking.pinning import pin_reference
from mlflow_lime.tracking.questions import ask, load_scorer, sample_inputs
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["explain_training_rows", "known_explanations"]


def known_explanations(text: str) -> dict[str, Explanation]:
    """Return logged explanations by the digest of their instance; none where they are damaged."""
    try:
        explanations, _ = read_explanations_json(text)
    except DataError:
        return {}
    return {item.digest: item for item in explanations}


def explain_training_rows(
    ref: ModelVersionRef,
    reference: ReferenceSet,
    config: Config,
    client: MlflowClient,
    *,
    known: Mapping[str, Explanation],
    progress: bool | None = False,
) -> tuple[tuple[Explanation, ...], str | None]:
    """Explain rows of ``checks.train`` in the same way as the pinned instances.

    Parameters
    ----------
    ref : ModelVersionRef
    reference : ReferenceSet
        The pinned instances; rows with the same content are left out, and the pinned background
        is used.
    config : Config
    client : MlflowClient
    known : mapping of str to Explanation
        What was explained before, by digest; the model is loaded only where one is missing.
    progress : bool or None, default False
        Whether to show a progress bar.

    Returns
    -------
    explanations : tuple of Explanation
    text : str or None
        What there is to log of them; None where everything was known.

    Raises
    ------
    MlflowLimeError
        If the rows cannot be read, or not be explained.
    """
    source = config.checks.train
    if source is None:
        msg = "no training rows are given; set checks.train"
        raise DataError(msg)
    data = load_data(config.locate(source), ref=ref, client=client, seed=config.seed)
    rows, digests = _choose(data, reference, config)
    if all(digest in known for digest in digests):
        return tuple(known[digest] for digest in digests), None
    asked = _asked(config, reference, rows)
    frame = data.rows()
    scorer = load_scorer(ref.uri, asked, sample_inputs(reference, asked))
    features = frame[list(reference.layout.columns)]

    def complete(layout: Layout) -> Layout:
        known = reference.layout
        if layout.tabular and known.background is None:
            msg = "training rows have columns of numbers that the pinned instances lack"
            raise DataError(msg)
        return replace(layout, background=known.background, sequences=known.sequences)

    chosen = pin_reference(frame, features, asked, scorer, complete, data)
    questions = ask(chosen, scorer, asked)
    answers = Answers.of(questions, questions.answer(progress=progress))
    answers.require_some()
    return tuple(answers.explanations), explanations_json(answers.explanations, answers.failed)


def _asked(config: Config, reference: ReferenceSet, rows: Sequence[int]) -> Config:
    """Return the configuration that picks just these rows."""
    picking = ReferenceSection.model_validate(
        {"pick": "rows", "rows": tuple(rows), "store_inputs": reference.store_inputs}
    )
    metrics = config.metrics.model_copy(update={"slice": None})
    return config.model_copy(update={"reference": picking, "metrics": metrics})


def _choose(
    data: LoadedData, reference: ReferenceSet, config: Config
) -> tuple[list[int], list[str]]:
    """Return rows at random that are no pinned instances, and their digests."""
    layout, frame = reference.layout, data.rows()
    missing = [name for name in layout.columns if name not in frame.columns]
    if missing:
        msg = f"checks.train lacks columns that the model reads: {shorten(missing)}"
        raise DataError(msg)
    order = np.random.default_rng(config.seed).permutation(len(frame))
    few = order[: config.checks.train_count + 2 * len(reference)].tolist()
    inputs = frame[list(layout.columns)].iloc[few].reset_index(drop=True)
    digests = layout.digests(layout.align(_absorbed(inputs, layout, data)))
    pinned = set(reference.digests)
    chosen = {digest: row for row, digest in zip(few, digests, strict=True) if digest not in pinned}
    if not chosen:
        msg = "checks.train holds no row that is not among the pinned instances"
        raise DataError(msg)
    kept = list(chosen.items())[: config.checks.train_count]
    return [row for _, row in kept], [digest for digest, _ in kept]


def _absorbed(inputs: pd.DataFrame, layout: Layout, data: LoadedData) -> Any:
    return layout.absorb(with_absolute_paths(inputs, layout, data.folder))
