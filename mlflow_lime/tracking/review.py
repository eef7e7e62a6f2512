"""Explain one model version: the function that every driver calls."""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, Run
from mlflow.exceptions import MlflowException

from mlflow_lime import names
from mlflow_lime.config import Config, dump_config
from mlflow_lime.core.explain import Outcome
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.errors import DigestMismatchError, MlflowLimeError, ModelError, shorten
from mlflow_lime.journal import Journal, journal_home
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.report.items import File, Item, Metric, Wanted, review_items
from mlflow_lime.tracking.connection import quiet_autologging, translate_errors
from mlflow_lime.tracking.log import Destination, tag_version, write_items
from mlflow_lime.tracking.pinned import Pin, read_pin, read_reference, write_pin
from mlflow_lime.tracking.questions import Questions, ask, load_scorer, new_reference, read_again
from mlflow_lime.tracking.versions import ModelVersionRef, resolve_model

__all__ = [
    "Review",
    "inherited_reference",
    "load_explanations",
    "review_version",
    "show_progress",
    "wanted_outputs",
]


@dataclass(frozen=True, slots=True, eq=False)
class Review:
    """What came of explaining a model version.

    Attributes
    ----------
    ref : ModelVersionRef
        The version.
    run_id : str
        The review run, which holds everything.
    reference_digest : str
        Digest of the reference set.
    metrics : dict of str to float
        What was logged.
    repeated : bool
        Whether the review was there already, so that nothing was done.
    explanations, failed : tuples
        Outcomes in the order of the reference set; empty where the review was there already.
    notes : tuple of str
        What a reader must know.
    """

    ref: ModelVersionRef
    run_id: str
    reference_digest: str
    metrics: dict[str, float]
    repeated: bool
    explanations: tuple[Explanation, ...] = ()
    failed: tuple[FailedExplanation, ...] = ()
    notes: tuple[str, ...] = ()


def review_version(
    model_uri: str,
    config: Config | None = None,
    *,
    client: MlflowClient | None = None,
    progress: bool | None = False,
    new_set: bool = False,
    expected_digest: str | None = None,
) -> Review:
    """Explain a model version on its reference set, and log the result.

    A version that was explained with the same configuration and reference set is left alone. A
    review that was interrupted goes on where it stopped.

    Parameters
    ----------
    model_uri : str
        ``models:/name/7``, ``models:/name@alias``, ``models:/m-...``, ``runs:/id/name``, or a
        folder.
    config : Config, optional
        What to explain, and how; the defaults if left out.
    client : MlflowClient, optional
        Client of the store.
    progress : bool or None, default False
        Whether to show a progress bar; None shows it on a terminal only.
    new_set : bool, default False
        Whether to pin a new reference set in place of the one that the model has.
    expected_digest : str, optional
        Refuse any other reference set than this one.

    Returns
    -------
    Review

    Raises
    ------
    MlflowLimeError
        If the version, its data, or its model cannot be used; the message says how to mend it.
    """
    config = config or Config()
    client = client or MlflowClient()
    ref = resolve_model(model_uri, client)
    pin = None if new_set else read_pin(client, ref)
    if pin is not None:
        _check_digest(pin[0], expected_digest)
        done = _completed(client, ref, config, pin[0])
        if done is not None:
            return done
    job = _Job(ref, config, client, progress)
    with quiet_autologging():
        return job.run(pin, expected_digest)


def _check_digest(digest: str, expected: str | None) -> None:
    if expected is not None and digest != expected:
        msg = (
            f"the reference set has digest {digest}, expected {expected}; explain the version on "
            "the set that you mean, or leave the expectation out"
        )
        raise DigestMismatchError(msg)


def _identity(ref: ModelVersionRef, config: Config, digest: str) -> str:
    return f"{ref.label}@{config.digest()}/{digest}"


def _key(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _completed(
    client: MlflowClient, ref: ModelVersionRef, config: Config, digest: str
) -> Review | None:
    """Return the review that is there already, or None."""
    run = _find_run(client, ref, _identity(ref, config, digest))
    if run is None or run.data.tags.get(names.TAG_STATUS) != "completed":
        return None
    metrics = {k: v for k, v in run.data.metrics.items() if k.startswith(names.PREFIX)}
    return Review(ref, run.info.run_id, digest, metrics, repeated=True)


def _experiment(client: MlflowClient, ref: ModelVersionRef) -> str:
    """Return the experiment that the review run belongs to."""
    own = os.environ.get("MLFLOW_RUN_ID")
    if own:
        return str(client.get_run(own).info.experiment_id)
    if ref.experiment_id is not None:
        return ref.experiment_id
    chosen = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if chosen:
        return chosen
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    found = client.get_experiment_by_name(name) if name else None
    return str(found.experiment_id) if found else "0"


def _find_run(client: MlflowClient, ref: ModelVersionRef, identity: str) -> Run | None:
    with translate_errors("the review runs"):
        runs = client.search_runs(
            [_experiment(client, ref)],
            filter_string=f"tags.`{names.TAG_KEY}` = '{_key(identity)}'",
            order_by=["attributes.start_time ASC"],
            max_results=50,
        )
    done = [run for run in runs if run.data.tags.get(names.TAG_STATUS) == "completed"]
    return (done or list(runs) or [None])[0]


@dataclass(slots=True, eq=False)
class _Job:
    """One version on its way through a review."""

    ref: ModelVersionRef
    config: Config
    client: MlflowClient
    progress: bool | None
    notes: list[str] = field(default_factory=list)

    def run(self, pin: Pin | None, expected_digest: str | None) -> Review:
        started = time.perf_counter()
        if pin is None:
            reference, scorer, notes = new_reference(self.ref, self.config, self.client)
            self.notes.extend(notes)
            _check_digest(reference.digest, expected_digest)
        else:
            reference = self._inherited(pin)
            scorer = load_scorer(self.ref.uri, self.config, reference.inputs)
        questions = ask(reference, scorer, self.config)
        done = _completed(self.client, self.ref, self.config, reference.digest)
        if done is not None:
            self._pin(pin, reference, done.run_id)
            return done
        identity = _identity(self.ref, self.config, reference.digest)
        run = self._open_run(identity)
        with self._guarded(run):
            if pin is None:
                self._store(reference, run)
            self._pin(pin, reference, run.info.run_id)
            journal = Journal(journal_home() / "journal" / f"{_key(identity)}.jsonl")
            with journal:
                outcomes = list(self._explain(questions, journal))
            explanations = tuple(item for item in outcomes if isinstance(item, Explanation))
            failed = tuple(item for item in outcomes if isinstance(item, FailedExplanation))
            items = list(
                review_items(
                    explanations,
                    failed,
                    title=self.ref.label,
                    seconds=time.perf_counter() - started,
                    config_text=dump_config(self.config),
                    recipe=self._recipe(questions, explanations),
                    reasons=dict(zip(reference.keys, reference.reasons, strict=True)),
                    true_labels=dict(zip(reference.keys, reference.true_labels, strict=True)),
                    wanted=wanted_outputs(self.config),
                )
            )
            metrics = self._log(items, run, reference)
            if not explanations:
                msg = (
                    f"no instance could be explained; the first failed because: {failed[0].reason}"
                )
                raise ModelError(msg)
            self._finish(run, journal)
        return Review(
            ref=self.ref,
            run_id=run.info.run_id,
            reference_digest=reference.digest,
            metrics=metrics,
            repeated=False,
            explanations=explanations,
            failed=failed,
            notes=(*self.notes, *questions.notes),
        )

    def _inherited(self, pin: Pin) -> ReferenceSet:
        self.notes.append(f"the reference set {pin[0]} is inherited from run {pin[1]}")
        return inherited_reference(self.client, self.ref, self.config, pin)

    # The review run

    def _open_run(self, identity: str) -> Run:
        """Return the run of an interrupted attempt, the run that we were started in, or a new."""
        found = _find_run(self.client, self.ref, identity)
        given = os.environ.get("MLFLOW_RUN_ID")
        tags = {
            names.TAG_STATUS: "started",
            names.TAG_IDENTITY: identity,
            names.TAG_KEY: _key(identity),
        }
        if found is not None:
            run = found
            self.client.update_run(run.info.run_id, status="RUNNING")
        elif given:
            run = self.client.get_run(given)
        else:
            if self.ref.run_id is not None and self.ref.run_active:
                tags["mlflow.parentRunId"] = self.ref.run_id
            run = self.client.create_run(
                _experiment(self.client, self.ref), run_name=f"lime {self.ref.label}"
            )
        for key, value in tags.items():
            self.client.set_tag(run.info.run_id, key, value)
        return run

    @contextmanager
    def _guarded(self, run: Run) -> Iterator[None]:
        """Leave a review that does not end well visible as such."""
        try:
            yield
        except KeyboardInterrupt:
            self._close(run, "interrupted", "KILLED", "interrupted; run it again to go on")
            raise
        except Exception as error:
            self._close(run, "failed", "FAILED", shorten(str(error), 4000))
            raise

    def _close(self, run: Run, status: str, run_status: str, reason: str) -> None:
        self.client.set_tag(run.info.run_id, names.TAG_STATUS, status)
        self.client.set_tag(run.info.run_id, names.TAG_REASON, reason)
        if os.environ.get("MLFLOW_RUN_ID") != run.info.run_id:
            self.client.set_terminated(run.info.run_id, run_status)

    def _finish(self, run: Run, journal: Journal) -> None:
        run_id = run.info.run_id
        if self.notes:
            self.client.set_tag(run_id, names.TAG_NOTES, "\n".join(self.notes)[:4000])
        if os.environ.get("MLFLOW_RUN_ID") != run_id:
            self.client.set_terminated(run_id, "FINISHED")
        # The very last write: whatever is not marked so is taken up again.
        self.client.set_tag(run_id, names.TAG_STATUS, "completed")
        journal.discard()

    # The reference set

    def _store(self, reference: ReferenceSet, run: Run) -> None:
        files = [
            File(f"{names.REFERENCE_FOLDER}/{name}", content)
            for name, content in reference.files().items()
        ]
        write_items(self.client, files, Destination(run.info.run_id, run.info.start_time))

    def _pin(self, pin: Pin | None, reference: ReferenceSet, run_id: str) -> None:
        if pin is None:
            write_pin(self.client, self.ref, (reference.digest, run_id))

    # Explaining and logging

    def _explain(self, questions: Questions, journal: Journal) -> Iterator[Outcome]:
        """Yield outcomes in the order of the set: those in the journal, then the rest."""
        known = {outcome.key: outcome for outcome in journal.read()}
        known = {k: v for k, v in known.items() if isinstance(v, Explanation)}
        for outcome in questions.answer(skip=set(known), progress=self.progress):
            journal.add(outcome)
            known[outcome.key] = outcome
        for key in questions.keys:
            yield known[key]

    def _recipe(
        self, questions: Questions, explanations: Sequence[Explanation]
    ) -> dict[str, object]:
        return {
            "model": self.ref.label,
            "model_id": self.ref.model_id,
            "scoring": questions.scoring,
            "explanation": explanations[0].recipe if explanations else {},
            "seed": self.config.seed,
            "notes": [*self.notes, *questions.notes],
        }

    def _log(self, items: list[Item], run: Run, reference: ReferenceSet) -> dict[str, float]:
        dataset = f"lime reference {reference.digest}"
        to = Destination(
            run_id=run.info.run_id,
            timestamp=run.info.start_time,
            model_id=self.ref.model_id,
            dataset_name=dataset,
            dataset_digest=reference.digest[:8],
        )
        _log_inputs(self.client, run.info.run_id, to, self.ref)
        metrics = write_items(self.client, items, to)
        if self.ref.run_active and self.ref.run_id not in (None, run.info.run_id):
            shown = [
                item
                for item in items
                if isinstance(item, Metric)
                or (isinstance(item, File) and item.path == names.OVERVIEW_PICTURE)
            ]
            write_items(self.client, shown, replace(to, run_id=str(self.ref.run_id)))
        tag_version(self.client, self.ref, items)
        return metrics


def _log_inputs(client: MlflowClient, run_id: str, to: Destination, ref: ModelVersionRef) -> None:
    """Link the run to the reference set and to the logged model; best effort."""
    dataset = Dataset(
        name=str(to.dataset_name),
        digest=str(to.dataset_digest),
        source_type="code",
        source="{}",
    )
    try:
        client.log_inputs(
            run_id,
            datasets=[DatasetInput(dataset, tags=[InputTag("mlflow.data.context", "lime")])],
            models=[LoggedModelInput(ref.model_id)] if ref.model_id else None,
        )
    except MlflowException:
        return  # a store without dataset or model inputs still takes everything else


def inherited_reference(
    client: MlflowClient, ref: ModelVersionRef, config: Config, pin: Pin
) -> ReferenceSet:
    """Return the reference set that a model pins; rows that were not stored are read again."""
    try:
        return read_reference(client, pin)
    except DigestMismatchError:
        raise
    except MlflowLimeError as error:
        if "store_inputs" not in str(error):
            raise
        data, background = read_again(ref, config, client)
        return read_reference(client, pin, data=data, background=background)


def wanted_outputs(config: Config) -> Wanted:
    """Return the outputs that a configuration asks for."""
    chosen = config.outputs
    return Wanted(
        top=chosen.top,
        pictures=chosen.pictures,
        tables=chosen.tables,
        max_pictures=chosen.max_pictures,
        version_tags=chosen.version_tags,
    )


def show_progress(config: Config) -> bool | None:
    """Return whether a configuration asks for a progress bar; None is for "on a terminal"."""
    return {"auto": None, "on": True, "off": False}[config.prediction.progress]


def load_explanations(model_uri: str, *, client: MlflowClient | None = None) -> list[Explanation]:
    """Return the logged explanations of a version, or of a review run.

    Parameters
    ----------
    model_uri : str
        A model version, whose latest completed review is read, or ``runs:/<review run>``.
    client : MlflowClient, optional

    Raises
    ------
    MlflowLimeError
        If there is no such version, or it was not explained.
    """
    from mlflow_lime.report.jsonlines import read_explanations_json

    client = client or MlflowClient()
    run_id = _review_run(model_uri, client)
    text = mlflow.artifacts.load_text(f"runs:/{run_id}/{names.EXPLANATIONS_JSON}")
    explanations, _ = read_explanations_json(text)
    return explanations


def _review_run(model_uri: str, client: MlflowClient) -> str:
    if model_uri.startswith("runs:/") and "/" not in model_uri.removeprefix("runs:/"):
        return model_uri.removeprefix("runs:/")
    ref = resolve_model(model_uri, client)
    runs = client.search_runs(
        [_experiment(client, ref)],
        filter_string=f"tags.`{names.TAG_STATUS}` = 'completed'",
        order_by=["attributes.start_time DESC"],
        max_results=1000,
    )
    for run in runs:
        if run.data.tags.get(names.TAG_IDENTITY, "").startswith(f"{ref.label}@"):
            return str(run.info.run_id)
    msg = f"{ref.label} has not been explained; run `mlflow-lime explain {ref.uri}`"
    raise ModelError(msg)
