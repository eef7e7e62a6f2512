"""What is asked of a model version: its scoring function, its reference set, the labels."""

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient

from mlflow_lime.config import Config
from mlflow_lime.core.explain import Explainer, Outcome
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.labels import LabelRule, choose_labels
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import DataError, MlflowLimeError, did_you_mean, shorten
from mlflow_lime.explainer import explainer_from_config
from mlflow_lime.reference.pick import pick_instances
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.tracking.data import LoadedData, load_background, load_data
from mlflow_lime.tracking.hooks import import_function
from mlflow_lime.tracking.model import load_scoring_function
from mlflow_lime.tracking.scoring_function import ScoringFunction
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = [
    "Questions",
    "ask",
    "describe_background",
    "feature_frame",
    "load_scorer",
    "new_reference",
    "pin_instances",
    "pin_labels",
    "read_again",
]


UNATTENDED = ("auto", "run", "input_example")
"""Sources that nobody wrote for us: what the model does not read in them is left aside."""


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """A reference set and the explainer that answers it.

    Attributes
    ----------
    reference : ReferenceSet
    explainer : Explainer
    labels : tuple of tuple of str
        Labels to explain, for each instance.
    scoring : dict
        How the model is asked, as plain JSON values.
    notes : tuple of str
    """

    reference: ReferenceSet
    explainer: Explainer
    labels: tuple[tuple[str, ...], ...]
    scoring: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the instances, in order."""
        return self.reference.keys

    def answer(
        self, *, skip: Collection[str] = (), progress: bool | None = False
    ) -> Iterator[Outcome]:
        """Explain the instances, except those in `skip`, and yield each as it is finished."""
        chosen = [i for i, key in enumerate(self.keys) if key not in skip]
        if not chosen or self.reference.inputs is None:
            return
        subjects = self.explainer.domain.subjects(
            self.reference.inputs.iloc[chosen], [self.keys[i] for i in chosen]
        )
        rules = [self.labels[i] or "auto" for i in chosen]
        # A list of nothing but words would be one rule: the names of the labels.
        open_ = all(rule == "auto" for rule in rules)
        for _, outcome in self.explainer.stream(
            subjects, labels="auto" if open_ else rules, progress=progress
        ):
            yield self.redacted(outcome)

    def redacted(self, outcome: Outcome) -> Outcome:
        """Take the instance's values out of an explanation where they may not be stored."""
        if self.reference.store_inputs == "full" or not isinstance(outcome, Explanation):
            return outcome
        return replace(outcome, parts=outcome.names, notes=())


def load_scorer(model: Any, config: Config, sample: pd.DataFrame | None = None) -> ScoringFunction:
    """Return the scoring function of a model; `predict` is also searched beside the YAML file."""
    if config.folder is not None and str(config.folder) not in sys.path:
        sys.path.append(str(config.folder))
    return load_scoring_function(model, predict=config.predict, task=config.task, sample=sample)


def ask(reference: ReferenceSet, scorer: ScoringFunction, config: Config) -> Questions:
    """Put the questions of a reference set to a model."""
    kind = config.surrogate.kind
    explainer = explainer_from_config(
        config,
        reference.background,
        scorer,
        mode=scorer.mode,
        class_names=scorer.class_names,
        regressor=import_function(kind) if ":" in kind else None,
    )
    return Questions(
        reference=reference,
        explainer=explainer,
        labels=_with_own_prediction(reference, scorer, config),
        scoring=scorer.describe(),
        notes=scorer.notes,
    )


def _with_own_prediction(
    reference: ReferenceSet, scorer: ScoringFunction, config: Config
) -> tuple[tuple[str, ...], ...]:
    """Return the pinned labels, and this version's own prediction where it differs."""
    several = scorer.mode == "classification" and len(scorer.class_names) > 2
    if not several or config.labels not in ("auto", "predicted") or reference.inputs is None:
        return reference.labels
    own = _predictions(reference.inputs, scorer)
    return tuple(
        labels if name is None or name in labels else (*labels, name)
        for labels, name in zip(reference.labels, own, strict=True)
    )


def _predictions(inputs: pd.DataFrame, scorer: ScoringFunction) -> list[str | None]:
    """Return the predicted class of each instance; None where the model fails."""
    try:
        return [scorer.class_names[i] for i in scorer(inputs).argmax(axis=1)]
    except MlflowLimeError:
        if len(inputs) == 1:
            return [None]
    return [_predictions(inputs.iloc[[i]], scorer)[0] for i in range(len(inputs))]


# New reference sets


def new_reference(
    ref: ModelVersionRef, config: Config, client: MlflowClient
) -> tuple[ReferenceSet, ScoringFunction, list[str]]:
    """Pick the instances of a model that has no reference set yet.

    Returns
    -------
    reference : ReferenceSet
    scorer : ScoringFunction
    notes : list of str
    """
    data = _load_data(ref, config, client)
    frame = _rows(data)
    features = feature_frame(frame, config, None)
    scorer = load_scorer(ref.uri, config, features.head(2))
    if config.data.source not in UNATTENDED:
        refuse_unknown_columns(frame, config, scorer)
    features = feature_frame(frame, config, scorer)
    background, notes = _background(ref, config, client, data, scorer)
    reference = pin_instances(frame, features, background, config)
    reference = pin_labels(reference, scorer, config)
    remarks = [*scorer.check(features.head(50)), *strange_labels(reference, scorer, config)]
    return reference, scorer, [*data.notes, *notes, *remarks]


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


def pin_instances(
    frame: pd.DataFrame, features: pd.DataFrame, background: Background, config: Config
) -> ReferenceSet:
    """Pick and pin instances of a frame that may hold more columns than the model reads."""
    wish = config.reference
    target = config.data.target
    picked = pick_instances(
        frame,
        pick=wish.pick,
        count=wish.count,
        ids=wish.ids,
        rows=wish.rows,
        query=wish.query,
        target=target,
        id_column=config.data.id,
        seed=config.seed,
    )
    rows = list(picked.positions)
    return ReferenceSet.pin(
        features.iloc[rows],
        background,
        positions=picked.positions,
        reasons=picked.reasons,
        true_labels=None if target is None else _as_classes(frame[target]).iloc[rows].tolist(),
        store_inputs=wish.store_inputs,
    )


def _as_classes(target: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return whole numbers that are floats only because some are missing as whole numbers."""
    holed = pd.api.types.is_float_dtype(target.dtype) and target.hasnans
    return target.astype("Int64") if holed and (target.dropna() % 1 == 0).all() else target


def feature_frame(
    frame: pd.DataFrame, config: Config, scorer: ScoringFunction | None
) -> pd.DataFrame:
    """Return the columns that the model reads, in its order.

    Raises
    ------
    DataError
        If a configured column, or one that the model reads, is not in the data.
    """
    named = [name for name in (config.data.target, config.data.id) if name is not None]
    given = {"target": [config.data.target], "id": [config.data.id], "drop": config.data.drop}
    for key, names in given.items():
        for name in names:
            if name is not None and name not in frame.columns:
                hint = did_you_mean(name, frame.columns)
                msg = f"data.{key} names column {name!r}, which is not in the data.{hint}"
                raise DataError(msg)
    columns = None if scorer is None else scorer.columns
    if columns is None:
        return frame.drop(columns=[*named, *config.data.drop])
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        hint = did_you_mean(missing[0], frame.columns)
        msg = (
            f"the data lacks {len(missing)} of {len(columns)} columns that the model reads: "
            f"{shorten(missing)}.{hint}"
        )
        raise DataError(msg)
    return frame.loc[:, list(columns)]


def refuse_unknown_columns(frame: pd.DataFrame, config: Config, scorer: ScoringFunction) -> None:
    """Refuse data with columns of which nobody said what they are.

    Raises
    ------
    DataError
        If the model does not read a column, and the configuration does not name it.
    """
    data = config.data
    known = {*(scorer.columns or frame.columns), data.target, data.id, *data.drop}
    extra = [name for name in frame.columns if name not in known]
    if extra:
        msg = (
            f"the data has columns that the model does not read: {shorten(extra)}; "
            "name the true label as data.target and the id as data.id, and list the rest under "
            "data.drop"
        )
        raise DataError(msg)


def pin_labels(reference: ReferenceSet, scorer: ScoringFunction, config: Config) -> ReferenceSet:
    """Return the set with the labels to explain pinned, as the model's first version has them."""
    return reference.with_labels(_labels(reference, scorer, config))


def _labels(
    reference: ReferenceSet, scorer: ScoringFunction, config: Config
) -> list[tuple[str, ...]]:
    """Return the labels to pin: by rule, true labels first where the rule leaves it open."""
    names = scorer.class_names
    rule: LabelRule = (
        config.labels
        if isinstance(config.labels, (str, int))
        else [str(name) for name in config.labels]
    )
    blank = np.zeros(len(names))
    needs_scores = scorer.mode == "classification" and (
        isinstance(rule, int) or rule == "predicted" or (rule == "auto" and len(names) > 2)
    )
    if not needs_scores:
        fixed = tuple(names[i] for i in choose_labels(rule, blank, names, mode=scorer.mode))
        return [fixed] * len(reference)
    if rule == "auto" and all(label in names for label in reference.true_labels):
        return [(str(label),) for label in reference.true_labels]
    inputs = reference.inputs
    chosen: list[tuple[str, ...]] = []
    for i, true in enumerate(reference.true_labels):
        if rule == "auto" and true in names:
            chosen.append((str(true),))
            continue
        try:
            scores = scorer(inputs.iloc[[i]])[0] if inputs is not None else blank
            picked = choose_labels(rule, scores, names, mode=scorer.mode)
            chosen.append(tuple(names[j] for j in picked))
        except MlflowLimeError:
            chosen.append(())
    return chosen


def read_again(
    ref: ModelVersionRef, config: Config, client: MlflowClient
) -> tuple[pd.DataFrame, Background]:
    """Return data and background anew, for a set that was stored without them."""
    data = _load_data(ref, config, client)
    frame = _rows(data)
    scorer = load_scorer(ref.uri, config, feature_frame(frame, config, None).head(2))
    background, _ = _background(ref, config, client, data, scorer)
    return frame, background


def _load_data(ref: ModelVersionRef, config: Config, client: MlflowClient) -> LoadedData:
    source = config.locate(config.data.source)
    return load_data(source, ref=ref, client=client, seed=config.seed)


def _rows(data: LoadedData) -> pd.DataFrame:
    if data.frame is None:
        msg = f"{data.origin} holds no rows to explain; set `data.source`"
        raise DataError(msg)
    return data.frame


def _background(
    ref: ModelVersionRef,
    config: Config,
    client: MlflowClient,
    data: LoadedData,
    scorer: ScoringFunction,
) -> tuple[Background, tuple[str, ...]]:
    source = config.locate(config.background.source)
    options: dict[str, Any] = {
        "ref": ref,
        "client": client,
        "max_rows": config.background.max_rows,
        "seed": config.seed,
    }
    if source == "auto":
        try:
            loaded = load_background("background", **options)
        except DataError:
            loaded = load_background(_rows(data), **options)
            loaded = replace(loaded, origin=data.origin)
    else:
        loaded = load_background(source, **options)
    return describe_background(loaded, config, scorer), loaded.notes


def describe_background(
    loaded: LoadedData, config: Config, scorer: ScoringFunction | None
) -> Background:
    """Return the background of loaded rows, or the statistics that were saved in their place."""
    if loaded.statistics is not None:
        return loaded.statistics
    frame = _rows(loaded)
    target = config.data.target
    present = replace_missing_columns(config, frame)
    features = feature_frame(frame, present, scorer)
    table = config.tabular
    return Background.from_frame(
        features,
        groups=table.groups,
        categorical=table.categorical,
        target=frame[target] if target in frame.columns else None,
    )


def replace_missing_columns(config: Config, frame: pd.DataFrame) -> Config:
    """Return the configuration without target, id, and dropped columns that a frame lacks.

    Background data need not have them.
    """
    data = config.data
    known: Sequence[Any] = list(frame.columns)
    update = {
        "target": data.target if data.target in known else None,
        "id": data.id if data.id in known else None,
        "drop": tuple(name for name in data.drop if name in known),
    }
    return config.model_copy(update={"data": data.model_copy(update=update)})
