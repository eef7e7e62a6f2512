"""Pin the reference set of a registered model without explaining a version."""

from contextlib import suppress
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_lime import names
from mlflow_lime.config import Config
from mlflow_lime.errors import (
    MlflowLimeError,
    ModelError,
    ReferenceSetError,
)
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.report.items import File
from mlflow_lime.tracking.claims import claim_pinning
from mlflow_lime.tracking.connection import (
    impatient,
    quiet_autologging,
    quiet_downloads,
    translate_errors,
)
from mlflow_lime.tracking.log import Destination, write_items
from mlflow_lime.tracking.pinned import Pin, check_digest, read_pin, write_pin
from mlflow_lime.tracking.pinning import new_reference
from mlflow_lime.tracking.questions import pinned_domain
from mlflow_lime.tracking.review import inherited_reference
from mlflow_lime.tracking.review_runs import experiment_of, given_run
from mlflow_lime.tracking.scoring_function import ScoringFunction
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["PinnedSet", "ensure_reference"]


@dataclass(frozen=True, slots=True)
class PinnedSet:
    """The reference set that a registered model pins.

    Attributes
    ----------
    digest : str
    run_id : str
        The run that holds it.
    instances : int
    fresh : bool
        Whether it was pinned just now.
    notes : tuple of str
        What a reader must know.
    """

    digest: str
    run_id: str
    instances: int
    fresh: bool
    notes: tuple[str, ...] = ()


def ensure_reference(
    ref: ModelVersionRef,
    config: Config,
    client: MlflowClient,
    *,
    new_set: bool = False,
    expected_digest: str | None = None,
    progress: bool | None = False,
) -> PinnedSet:
    """Return the reference set that a model pins; pick and pin one where there is none.

    Parameters
    ----------
    ref : ModelVersionRef
        The version that a new set is picked for.
    config : Config
    client : MlflowClient
    new_set : bool, default False
        Whether to pick anew, and pin what comes out in place of the old set.
    expected_digest : str, optional
        Refuse any other set than this one.
    progress : bool or None, default False
        Whether picking by explanations shows a progress bar; None shows it on a terminal only.

    Raises
    ------
    ReferenceSetError
        If the model is not registered, or its set cannot be read.
    DigestMismatchError
        If it is another set than the expected one.
    MlflowLimeError
        If the data or the model cannot be used.
    """
    if ref.name is None:
        msg = (
            f"{ref.label} is not registered, and only a registered model pins instances; name a "
            "version (models:/<name>/<version>), or leave the step out"
        )
        raise ReferenceSetError(msg)
    with quiet_autologging(), quiet_downloads(), translate_errors(f"{ref.label}"):
        found = None if new_set else _pinned(ref, config, client, expected_digest)
        if found is not None:
            return found
        with claim_pinning(ref):
            found = None if new_set else _pinned(ref, config, client, expected_digest)
            return found or _pin_anew(ref, config, client, expected_digest, progress)


def _pinned(
    ref: ModelVersionRef, config: Config, client: MlflowClient, expected: str | None
) -> PinnedSet | None:
    pin = read_pin(client, ref)
    if pin is None:
        return None
    check_digest(pin[0], expected)
    return _read(ref, config, client, pin)


def _read(ref: ModelVersionRef, config: Config, client: MlflowClient, pin: Pin) -> PinnedSet:
    reference = inherited_reference(client, ref, config, pin)
    return PinnedSet(pin[0], pin[1], len(reference), fresh=False)


def _pin_anew(
    ref: ModelVersionRef,
    config: Config,
    client: MlflowClient,
    expected: str | None,
    progress: bool | None,
) -> PinnedSet:
    reference, scorer, notes = new_reference(ref, config, client, progress=progress)
    check_digest(reference.digest, expected)
    _require_an_answer(reference, scorer, config)
    # A pin that cannot be read is what a new set is to replace.
    with suppress(ReferenceSetError):
        pin = read_pin(client, ref)
        if pin is not None and pin[0] == reference.digest:
            return _read(ref, config, client, pin)
    run_id = _store(ref, reference, client, notes)
    return PinnedSet(reference.digest, run_id, len(reference), fresh=True, notes=tuple(notes))


def _require_an_answer(reference: ReferenceSet, scorer: ScoringFunction, config: Config) -> None:
    """Refuse a set for which the model has no answer: later versions would inherit it."""
    domain = pinned_domain(reference, config)
    failure: MlflowLimeError | None = None
    for subject in domain.subjects(reference.inputs, reference.keys):
        try:
            scorer(domain.originals([subject]))
        except MlflowLimeError as error:
            failure = failure or error
        else:
            return
    msg = (
        f"the model answers for none of the {len(reference)} picked instances, so they are not "
        f"pinned; the first: {failure or 'there is none'}"
    )
    raise ModelError(msg)


def _store(
    ref: ModelVersionRef, reference: ReferenceSet, client: MlflowClient, notes: list[str]
) -> str:
    """Store a set in a run, pin it, and return the run's id."""
    files = [
        File(f"{names.REFERENCE_FOLDER}/{name}", content)
        for name, content in reference.files().items()
    ]
    run_id, ours = _run_for(ref, client)
    ended = "FAILED"
    try:
        write_items(client, files, Destination(run_id, timestamp=0))
        client.set_tag(run_id, names.TAG_REFERENCE, reference.digest)
        if notes:
            client.set_tag(run_id, names.TAG_NOTES, "\n".join(notes)[:4000])
        write_pin(client, ref, (reference.digest, run_id))
        ended = "FINISHED"
    finally:
        if ours:
            # A store that does not answer must not hide the error that is on its way.
            with impatient(), suppress(MlflowException):
                client.set_terminated(run_id, ended)
    return run_id


def _run_for(ref: ModelVersionRef, client: MlflowClient) -> tuple[str, bool]:
    """Return the run that a set goes into, and whether it is ours to end.

    The run that we were started in, unless it holds a review or another set already.
    """
    given = given_run(client)
    if given is not None and names.TAG_KEY not in given.data.tags:
        run_id = str(given.info.run_id)
        if not client.list_artifacts(run_id, names.REFERENCE_FOLDER):
            return run_id, False
    above = given.info.run_id if given else ref.run_id if ref.run_active else None
    run = client.create_run(
        experiment_of(client, ref),
        run_name=f"lime reference {ref.label}",
        tags={} if above is None else {"mlflow.parentRunId": str(above)},
    )
    return str(run.info.run_id), True
