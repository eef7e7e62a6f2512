"""A new reference set: which instances, how they are cut into parts, which labels."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from numpy.typing import NDArray

from mlflow_lime.config import Config
from mlflow_lime.core.domain import Domain, Subject
from mlflow_lime.core.joint import JointDomain
from mlflow_lime.core.labels import LabelRule, choose_labels
from mlflow_lime.core.layout import Layout
from mlflow_lime.errors import ConfigError, DataError, MlflowLimeError, did_you_mean, shorten
from mlflow_lime.reference.associations import Associations
from mlflow_lime.reference.material import Wish
from mlflow_lime.reference.pick import pick_instances
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.reference.strata import true_labels
from mlflow_lime.tracking.columns import (
    feature_frame,
    few_rows,
    layout_of,
    refuse_unknown_columns,
    with_absolute_paths,
    with_backgrounds,
)
from mlflow_lime.tracking.data import LoadedData, load_background, load_data
from mlflow_lime.tracking.questions import load_scorer, pinned_domain
from mlflow_lime.tracking.replies import ModelReplies
from mlflow_lime.tracking.scoring_function import ScoringFunction
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["new_reference", "pin_reference", "read_again", "strange_labels"]

BLOCK = 1000
"""Instances that are cut into their parts at a time."""

UNATTENDED = ("auto", "run", "input_example")
"""Sources that nobody wrote for us: what the model does not read in them is left aside."""


def new_reference(
    ref: ModelVersionRef,
    config: Config,
    client: MlflowClient,
    *,
    progress: bool | None = False,
) -> tuple[ReferenceSet, ScoringFunction, list[str]]:
    """Pick the instances of a model that has no reference set yet.

    Parameters
    ----------
    ref : ModelVersionRef
    config : Config
    client : MlflowClient
    progress : bool or None, default False
        Whether picking by explanations shows a progress bar.

    Returns
    -------
    reference : ReferenceSet
    scorer : ScoringFunction
    notes : list of str
    """
    data = _load_data(ref, config, client)
    frame = data.rows()
    features = feature_frame(frame, config, None)
    scorer = load_scorer(ref.uri, config, few_rows(features, config, data))
    if config.data.source not in UNATTENDED:
        refuse_unknown_columns(frame, config, scorer, bare=data.bare)
    features = feature_frame(frame, config, scorer)
    notes = list(data.notes)

    def complete(layout: Layout) -> Layout:
        loaded = _load_background(ref, config, client, data)
        notes.extend(loaded.notes)
        return with_backgrounds(layout, loaded, config, scorer)

    reference = pin_reference(
        frame,
        features,
        config,
        scorer,
        complete,
        data,
        client=client,
        progress=progress,
        notes=notes,
    )
    if not reference.layout.images:  # one that cannot be cast fails alone
        notes += scorer.check(features.head(50))
    notes += strange_labels(reference, scorer, config)
    return reference, scorer, notes


def pin_reference(
    frame: pd.DataFrame,
    features: pd.DataFrame,
    config: Config,
    scorer: ScoringFunction,
    complete: Callable[[Layout], Layout],
    data: LoadedData | None = None,
    *,
    client: MlflowClient | None = None,
    progress: bool | None = False,
    notes: list[str] | None = None,
) -> ReferenceSet:
    """Pick instances of a frame, and pin them with their parts and their labels.

    Parameters
    ----------
    frame : DataFrame
        The data, which may hold more columns than the model reads.
    features : DataFrame
        The columns of `frame` that the model reads.
    config : Config
    scorer : ScoringFunction
        The model.
    complete : callable
        Returns a layout with its backgrounds; called only if it needs any.
    data : LoadedData, optional
        Where the frame came from.
    client : MlflowClient, optional
        Client of the store that holds ``reference.against``.
    progress : bool or None, default False
        Whether picking by explanations shows a progress bar.
    notes : list of str, optional
        What a reader must know is added to it.

    Raises
    ------
    ConfigError
        If ``metrics.slice`` names no column of the data.
    DataError
        If none of the picked texts and images can be explained.
    """
    bare, folder = (data.bare, data.folder) if data is not None else (False, None)
    layout = layout_of(features, config, scorer, bare=bare)
    if layout.tabular or layout.sequences:
        layout = complete(layout)
    features = with_absolute_paths(features, layout, folder)
    replies = ModelReplies(features, layout, scorer, config, client, progress)
    reference, remarks = _pin_instances(frame, replies)
    if notes is not None:
        notes.extend(remarks)
    domain = pinned_domain(reference, config)
    pins: list[dict[str, Any]] = []
    labels: list[tuple[str, ...]] = []
    idle: list[Subject] = []
    inputs: Any = reference.inputs
    for start in range(0, len(reference), BLOCK):
        rows = slice(start, start + BLOCK)
        subjects = domain.subjects(inputs.iloc[rows], reference.keys[rows])
        if isinstance(domain, JointDomain):
            pins += [domain.pins(subject) for subject in subjects]
            idle += [subject for subject in subjects if not subject.n_active]
        labels += _labels(reference.true_labels[rows], domain, subjects, scorer, config)
    if isinstance(domain, JointDomain):
        _require_parts(idle, len(reference))
        reference = reference.with_parts(pins, domain.cuts)
    return reference.with_labels(labels)


def _require_parts(idle: list[Subject], n_instances: int) -> None:
    """Refuse to pin instances none of which could ever be explained."""
    if len(idle) == n_instances:
        why = "; ".join(idle[0].notes) or "no part can be varied"
        msg = f"none of the {n_instances} picked instances can be explained; the first: {why}"
        raise DataError(msg)


def _pin_instances(
    frame: pd.DataFrame, replies: ModelReplies
) -> tuple[ReferenceSet, tuple[str, ...]]:
    """Pick and pin instances of a frame that may hold more columns than the model reads."""
    config, layout = replies.config, replies.layout
    chosen, target, column = config.reference, config.data.target, config.metrics.slice
    _require_slice(frame, column)
    wish = Wish(
        ids=chosen.ids,
        rows=chosen.rows,
        query=chosen.query,
        target=target,
        id_column=config.data.id,
        seed=config.seed,
        pool=chosen.pool,
        medoids_over=chosen.medoids_over,
    )
    picked = pick_instances(frame, chosen.counts, wish=wish, replies=replies)
    rows = list(picked.positions)
    known = [] if target is None else true_labels(frame[target])
    reference = ReferenceSet.pin(
        layout.absorb(replies.features.iloc[rows]),
        layout,
        positions=picked.positions,
        reasons=picked.reasons,
        true_labels=[known[row] for row in rows] if known else None,
        store_inputs=chosen.store_inputs,
    )
    reference = reference.with_facts(
        slices={} if column is None else {column: frame[column].iloc[rows].tolist()},
        associations=_associations(frame, layout, config),
    )
    return reference, picked.notes


def _require_slice(frame: pd.DataFrame, column: str | None) -> None:
    if column is not None and column not in frame.columns:
        hint = did_you_mean(column, frame.columns)
        msg = (
            f"metrics.slice names column {column!r}, which is not in the data.{hint} Correct it, "
            "or remove metrics.slice"
        )
        raise ConfigError(msg)


def _associations(frame: pd.DataFrame, layout: Layout, config: Config) -> Associations:
    """Return how strongly columns go together; texts, images and sequences are left out."""
    columns = [column for column in frame.columns if column not in layout.other]
    first = {config.data.target, *config.checks.sensitive, *layout.tabular}
    return Associations.of_frame(frame[columns], first=first)


def strange_labels(
    reference: ReferenceSet, scorer: ScoringFunction, config: Config
) -> tuple[str, ...]:
    """Return a remark where no true label is a class of the model."""
    known = [label for label in reference.true_labels if label is not None]
    if scorer.mode == "regression" or not known or set(known) & set(scorer.class_names):
        return ()
    return (
        f"no true label in column {config.data.target!r}, such as {shorten(known[0])}, is a class "
        f"of the model: {shorten(list(scorer.class_names))}; is data.target the right column?",
    )


def _labels(
    truths: Sequence[str | None],
    domain: Domain,
    subjects: list[Subject],
    scorer: ScoringFunction,
    config: Config,
) -> list[tuple[str, ...]]:
    """Return the labels to pin: by rule, true labels first where the rule leaves it open."""
    names = scorer.class_names
    rule: LabelRule = (
        config.labels
        if isinstance(config.labels, (str, int))
        else [str(name) for name in config.labels]
    )
    needs_scores = scorer.mode == "classification" and (
        isinstance(rule, int) or rule == "predicted" or (rule == "auto" and len(names) > 2)
    )
    if not needs_scores:
        blank = np.zeros(len(names))
        fixed = tuple(names[i] for i in choose_labels(rule, blank, names, mode=scorer.mode))
        return [fixed] * len(subjects)
    known = {i: true for i, true in enumerate(truths) if rule == "auto" and true in names}
    asked = [i for i in range(len(subjects)) if i not in known]
    scores = dict(zip(asked, _scores([subjects[i] for i in asked], domain, scorer), strict=True))

    def chosen(i: int) -> tuple[str, ...]:
        if i in known:
            return (str(known[i]),)
        found = scores[i]
        if found is None:
            return ()
        return tuple(names[j] for j in choose_labels(rule, found, names, mode=scorer.mode))

    return [chosen(i) for i in range(len(subjects))]


def _scores(
    subjects: list[Subject], domain: Domain, scorer: ScoringFunction
) -> list[NDArray[np.float64] | None]:
    """Return the scores of instances; None of those that the model refuses."""
    if not subjects:
        return []
    try:
        return list(scorer(domain.originals(subjects)))
    except MlflowLimeError:
        if len(subjects) == 1:
            return [None]
    return [_scores([subject], domain, scorer)[0] for subject in subjects]


def read_again(
    ref: ModelVersionRef, config: Config, client: MlflowClient
) -> tuple[pd.DataFrame, Layout]:
    """Return data anew, and a layout with its backgrounds, for a set that was stored without."""
    data = _load_data(ref, config, client)
    frame = data.rows()
    features = feature_frame(frame, config, None)
    scorer = load_scorer(ref.uri, config, few_rows(features, config, data))
    features = feature_frame(frame, config, scorer)
    layout = layout_of(features, config, scorer, bare=data.bare)
    if layout.tabular or layout.sequences:
        loaded = _load_background(ref, config, client, data)
        layout = with_backgrounds(layout, loaded, config, scorer)
    return with_absolute_paths(frame, layout, data.folder), layout


def _load_data(ref: ModelVersionRef, config: Config, client: MlflowClient) -> LoadedData:
    source = config.locate(config.data.source)
    return load_data(source, ref=ref, client=client, seed=config.seed)


def _load_background(
    ref: ModelVersionRef, config: Config, client: MlflowClient, data: LoadedData
) -> LoadedData:
    source = config.locate(config.background.source)
    options: dict[str, Any] = {
        "ref": ref,
        "client": client,
        "max_rows": config.background.max_rows,
        "seed": config.seed,
    }
    if source != "auto":
        return load_background(source, **options)
    try:
        return load_background("background", **options)
    except DataError:
        loaded = load_background(data.rows(), **options)
        return replace(loaded, origin=data.origin, bare=data.bare)
