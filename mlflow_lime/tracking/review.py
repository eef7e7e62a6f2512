"""Explain one model version: the function that every driver calls."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, Run
from mlflow.exceptions import MlflowException

from mlflow_lime import names
from mlflow_lime.config import Config
from mlflow_lime.core.explain import Outcome
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.stored import StoredOutcomes
from mlflow_lime.errors import MlflowLimeError, shorten
from mlflow_lime.home import home_folder
from mlflow_lime.journal import Journal
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.report.items import File, Item, Metric
from mlflow_lime.tracking.answers import Answers
from mlflow_lime.tracking.claims import claim_pinning, claim_version
from mlflow_lime.tracking.connection import (
    impatient,
    quiet_autologging,
    quiet_downloads,
    translate_errors,
)
from mlflow_lime.tracking.explaining import Explaining, is_large
from mlflow_lime.tracking.log import Destination, tag_version, write_items
from mlflow_lime.tracking.pinned import (
    Pin,
    check_digest,
    read_pin,
    read_reference,
    remove_pin,
    write_pin,
)
from mlflow_lime.tracking.pinning import new_reference, read_again
from mlflow_lime.tracking.questions import Questions, load_scorer, sample_inputs
from mlflow_lime.tracking.reporting import present_review, was_presented
from mlflow_lime.tracking.review_runs import experiment_of, find_run, given_run, identity_of, key_of
from mlflow_lime.tracking.reviewed import Reviewed
from mlflow_lime.tracking.versions import ModelVersionRef, resolve_model

__all__ = [
    "Review",
    "inherited_reference",
    "review_version",
    "show_progress",
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
    explanations, failed : sequences
        Outcomes in the order of the reference set; empty where the review was there already.
        Those of a large set are read from disk when they are looked at.
    notes : tuple of str
        What a reader must know.
    """

    ref: ModelVersionRef
    run_id: str
    reference_digest: str
    metrics: dict[str, float]
    repeated: bool
    explanations: Sequence[Explanation] = ()
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
    ReviewInProgressError
        If another process on this machine explains the version now.
    MlflowLimeError
        If the version, its data, or its model cannot be used; the message says how to mend it.
    """
    config = config or Config()
    client = client or MlflowClient()
    ref = resolve_model(model_uri, client)
    given_run(client)
    with claim_version(ref, config):
        with _pin_to_use(client, ref, new_set) as pin:
            review = None
            if pin is not None:
                check_digest(pin[0], expected_digest)
                review = _completed(client, ref, config, pin[0])
            if review is None:
                job = _Job(ref, config, client, progress)
                what = f"the review of {ref.label}"
                with quiet_autologging(), quiet_downloads(), translate_errors(what):
                    review = job.run(pin, expected_digest)
        return _presented(review, config, client)


@contextmanager
def _pin_to_use(client: MlflowClient, ref: ModelVersionRef, new_set: bool) -> Iterator[Pin | None]:
    """Yield the model's pin; None where a set is to be picked, which then nobody else does.

    Others wait until the review ends: a set for which the model has no answer is taken back.
    """
    pin = None if new_set else read_pin(client, ref)
    if pin is not None or ref.name is None:
        yield pin
        return
    with ExitStack() as claim:
        claim.enter_context(claim_pinning(ref))
        pin = None if new_set else read_pin(client, ref)
        if pin is not None:  # another version came first
            claim.close()
        yield pin


def _presented(review: Review, config: Config, client: MlflowClient) -> Review:
    """Return a review whose page is written; one that stands there already is left alone."""
    if not (config.report.page or config.report.description):
        return review
    try:
        with impatient(), translate_errors(f"run {review.run_id!r}"):
            run = client.get_run(review.run_id)
    except MlflowLimeError as error:
        why = f"the page could not be written: {shorten(str(error), 300)}"
        return replace(review, notes=(*review.notes, why))
    if review.repeated and was_presented(run):
        return review
    notes = present_review(Reviewed.of_run(review.ref, run), config, client)
    return replace(review, notes=(*review.notes, *notes))


def _journal(ref: ModelVersionRef, identity: str) -> Journal:
    return Journal(home_folder() / "journal" / f"{key_of(ref, identity)}.jsonl")


def _completed(
    client: MlflowClient, ref: ModelVersionRef, config: Config, digest: str
) -> Review | None:
    """Return the review that is there already, or None."""
    identity = identity_of(ref, config, digest)
    run = find_run(client, ref, identity)
    if run is None or run.data.tags.get(names.TAG_STATUS) != "completed":
        return None
    _journal(ref, identity).discard()  # there still, if a kill came after the last write
    given = given_run(client)
    if given is not None and given.info.run_id != run.info.run_id:
        note = f"{ref.label} was explained already, in run {run.info.run_id}"
        client.set_tag(given.info.run_id, names.TAG_NOTES, note)
    metrics = {k: v for k, v in run.data.metrics.items() if k.startswith(names.PREFIX)}
    return Review(ref, run.info.run_id, digest, metrics, repeated=True)


@dataclass(slots=True, eq=False)
class _Job:
    """One version on its way through a review."""

    ref: ModelVersionRef
    config: Config
    client: MlflowClient
    progress: bool | None
    notes: list[str] = field(default_factory=list)
    job: Explaining | None = None

    def run(self, pin: Pin | None, expected_digest: str | None) -> Review:
        started = time.perf_counter()
        if pin is None:
            reference, scorer, notes = new_reference(
                self.ref, self.config, self.client, progress=self.progress
            )
            self.notes.extend(notes)
            check_digest(reference.digest, expected_digest)
        else:
            reference = inherited_reference(self.client, self.ref, self.config, pin)
            sample = sample_inputs(reference, self.config)
            scorer = load_scorer(self.ref.uri, self.config, sample)
        done = _completed(self.client, self.ref, self.config, reference.digest)
        if done is not None:
            if pin is None and self.ref.name is not None:
                # The run may have inherited this very set, and then holds no copy of it.
                self._store(reference, done.run_id)
                self._pin(reference, done.run_id)
            return done
        identity = identity_of(self.ref, self.config, reference.digest)
        run = self._open_run(identity)
        with self._guarded(run), self._tentative(reference if pin is None else None):
            self._note_origin(pin, run)
            if pin is None:
                self._store(reference, run.info.run_id)
                self._pin(reference, run.info.run_id)
            large = is_large(len(reference), self.config)
            questions = Questions.on(reference, scorer, self.config, large=large)
            journal = _journal(self.ref, identity)
            with journal:
                answers = Answers.of(questions, self._explained(questions, journal))
                answers = answers.measured(self.config, progress=self.progress)
            items = answers.items(
                self.config,
                title=self.ref.label,
                seconds=time.perf_counter() - started,
                model={"model": self.ref.label, "model_id": self.ref.model_id},
                notes=self.notes,
            )
            metrics = self._log(items, run, reference)
            answers.require_some()
            self._finish(run, journal)
        return Review(
            ref=self.ref,
            run_id=run.info.run_id,
            reference_digest=reference.digest,
            metrics=metrics,
            repeated=False,
            explanations=answers.explanations,
            failed=answers.failed,
            notes=(*self.notes, *answers.notes),
        )

    def _explained(
        self, questions: Questions, journal: Journal
    ) -> Iterable[Outcome] | StoredOutcomes:
        self.job = Explaining(questions, self.config, journal, self.ref.uri, self.progress)
        return self.job.outcomes()

    # The review run

    def _open_run(self, identity: str) -> Run:
        """Return the run of an interrupted attempt, the run that we were started in, or a new."""
        tags = {
            names.TAG_STATUS: "started",
            names.TAG_IDENTITY: identity,
            names.TAG_KEY: key_of(self.ref, identity),
        }
        run = find_run(self.client, self.ref, identity)
        if run is not None:
            self.client.update_run(run.info.run_id, status="RUNNING")
            if names.TAG_REASON in run.data.tags:
                self.client.delete_tag(run.info.run_id, names.TAG_REASON)
        else:
            run = given_run(self.client)
        key = tags[names.TAG_KEY]
        if run is None or run.data.tags.get(names.TAG_KEY, key) != key:
            # None, or one that holds another review already.
            return self._new_run(tags, parent=run)
        for key, value in tags.items():
            self.client.set_tag(run.info.run_id, key, value)
        return run

    def _new_run(self, tags: dict[str, str], parent: Run | None) -> Run:
        above = parent.info.run_id if parent else self.ref.run_id if self.ref.run_active else None
        if above is not None:
            tags = {**tags, "mlflow.parentRunId": above}
        # With its tags at once: without them, nobody would find it after a kill.
        return self.client.create_run(
            experiment_of(self.client, self.ref), run_name=f"lime {self.ref.label}", tags=tags
        )

    def _note_origin(self, pin: Pin | None, run: Run) -> None:
        """Note where the reference set is from; what an earlier attempt noted stays."""
        if pin is not None and pin[1] == run.info.run_id:
            self.notes.extend(run.data.tags.get(names.TAG_NOTES, "").splitlines())
        elif pin is not None:
            self.notes.append(f"the reference set {pin[0]} is inherited from run {pin[1]}")
        if self.notes:
            text = "\n".join(self.notes)[:4000]
            self.client.set_tag(run.info.run_id, names.TAG_NOTES, text)

    @contextmanager
    def _guarded(self, run: Run) -> Iterator[None]:
        """Leave a review that does not end well visible as such."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            self._close(run, "interrupted", "KILLED", "interrupted; run it again to go on")
            raise
        except Exception as error:
            self._close(run, "failed", "FAILED", str(error)[:4000])
            raise

    @contextmanager
    def _tentative(self, fresh: ReferenceSet | None) -> Iterator[None]:
        """Take the pin of a new set back where the model answers for none of its instances.

        The mistake may lie in the set, which a later attempt would then inherit.
        """
        try:
            yield
        except Exception:
            if fresh is not None and not (self.job and self.job.answered):
                with impatient(), suppress(MlflowException, MlflowLimeError):
                    remove_pin(self.client, self.ref, fresh.digest)
            raise

    def _close(self, run: Run, status: str, run_status: str, reason: str) -> None:
        # A store that does not answer must not hide the error that is on its way.
        with impatient(), suppress(MlflowException):
            self.client.set_tag(run.info.run_id, names.TAG_STATUS, status)
            self.client.set_tag(run.info.run_id, names.TAG_REASON, reason)
            if os.environ.get("MLFLOW_RUN_ID") != run.info.run_id:
                self.client.set_terminated(run.info.run_id, run_status)

    def _finish(self, run: Run, journal: Journal) -> None:
        run_id = run.info.run_id
        if os.environ.get("MLFLOW_RUN_ID") != run_id:
            self.client.set_terminated(run_id, "FINISHED")
        # The very last write: whatever is not marked so is taken up again.
        self.client.set_tag(run_id, names.TAG_STATUS, "completed")
        journal.discard()

    # The reference set

    def _store(self, reference: ReferenceSet, run_id: str) -> None:
        files = [
            File(f"{names.REFERENCE_FOLDER}/{name}", content)
            for name, content in reference.files().items()
        ]
        write_items(self.client, files, Destination(run_id, timestamp=0))

    def _pin(self, reference: ReferenceSet, run_id: str) -> None:
        write_pin(self.client, self.ref, (reference.digest, run_id))

    # Logging

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
            shown: list[Item] = [Metric(name, value) for name, value in metrics.items()]
            shown += [
                item
                for item in items
                if isinstance(item, File) and item.path == names.OVERVIEW_PICTURE
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
    """Return the reference set that a model pins; rows that were not stored are read again.

    The stricter of the set's and the configuration's `store_inputs` holds.
    """
    found = read_reference(client, pin, again=lambda: read_again(ref, config, client))
    return found.restricted(config.reference.store_inputs)


def show_progress(config: Config) -> bool | None:
    """Return whether a configuration asks for a progress bar; None is for "on a terminal"."""
    return {"auto": None, "on": True, "off": False}[config.prediction.progress]
