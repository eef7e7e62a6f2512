"""Finished reviews of versions: found, made where there are none, and read back."""

import re
from dataclasses import dataclass
from typing import Self

from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_lime import names
from mlflow_lime.config import Config
from mlflow_lime.errors import NotComparableError, VersionNotFoundError
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.review_runs import completed_runs, key_of, names_run
from mlflow_lime.tracking.versions import ModelVersionRef, resolve_model

__all__ = ["Reviewed", "other_sets", "reviewed_run", "same_review", "version_named"]


@dataclass(frozen=True, slots=True, eq=False)
class Reviewed:
    """A version and a run that holds its explanations.

    Attributes
    ----------
    ref : ModelVersionRef
    run : Run
    config_digest, reference_digest : str
        How it was explained, and on which instances; empty for a run that is no review, such as
        one of `mlflow.models.evaluate`.
    """

    ref: ModelVersionRef
    run: Run
    config_digest: str = ""
    reference_digest: str = ""

    @classmethod
    def of_run(cls, ref: ModelVersionRef, run: Run) -> Self:
        """Read the digests from the run's tags."""
        identity = run.data.tags.get(names.TAG_IDENTITY, "")
        config_digest, _, reference_digest = identity.rpartition("@")[2].partition("/")
        return cls(ref, run, config_digest, reference_digest)

    @property
    def run_id(self) -> str:
        """The run that holds the explanations."""
        return str(self.run.info.run_id)

    @property
    def label(self) -> str:
        """What a person calls the version."""
        return self.ref.label


def reviewed_run(run_id: str, client: MlflowClient) -> Reviewed:
    """Return the version that a run holds explanations of.

    Raises
    ------
    MlflowLimeError
        If there is no such run.
    NotComparableError
        If its review is not completed.
    """
    with impatient(), translate_errors(f"run {run_id!r}"):
        run = client.get_run(run_id)
    status = run.data.tags.get(names.TAG_STATUS)
    if status != "completed":
        msg = (
            f"run {run_id} holds no completed explanations (status: {status or 'none'}); give a "
            "run of `mlflow-lime explain`, or of mlflow.models.evaluate with evaluator 'lime'"
        )
        raise NotComparableError(msg)
    return Reviewed.of_run(_explained_by(run, client), run)


def version_named(uri: str, client: MlflowClient) -> ModelVersionRef:
    """Return the version that a model URI, or the run of a review, names.

    Raises
    ------
    MlflowLimeError
        If there is none.
    """
    if names_run(uri):
        return reviewed_run(uri.removeprefix("runs:/"), client).ref
    return resolve_model(uri, client)


def _explained_by(run: Run, client: MlflowClient) -> ModelVersionRef:
    """Return the version that a run is a review of; the run itself where it cannot be told.

    The version may be deleted, or registered anew; a run of an evaluation names none.
    """
    run_id = str(run.info.run_id)
    identity = run.data.tags.get(names.TAG_IDENTITY, "")
    label = identity.rpartition("@")[0]
    if re.fullmatch(r"[^:]+/\d+|m-[0-9a-f]+", label) and not label.startswith(("/", ".")):
        try:
            ref = resolve_model(f"models:/{label}", client)
        except VersionNotFoundError:
            pass
        else:
            if run.data.tags.get(names.TAG_KEY) == key_of(ref, identity):
                return ref
    return ModelVersionRef(uri=f"runs:/{run_id}", run_id=run_id)


def same_review(
    uri: str,
    client: MlflowClient,
    *,
    config: Config | None = None,
    like: Reviewed | None = None,
    reexplain: bool = True,
    progress: bool | None = False,
) -> Reviewed:
    """Return a review of a version, explaining it where it has none of the wanted kind.

    Parameters
    ----------
    uri : str
        A model URI, or ``runs:/<run>``, which is taken as it is.
    client : MlflowClient
    config : Config, optional
        How it must have been explained; any way will do if left out.
    like : Reviewed, optional
        A review with which it must share configuration and reference set.
    reexplain : bool
        Whether a version may be explained now; its model is then loaded.
    progress : bool or None

    Raises
    ------
    NotComparableError
        If there is no such review, and it cannot be made, or may not.
    """
    if names_run(uri):
        return reviewed_run(uri.removeprefix("runs:/"), client)
    ref = resolve_model(uri, client)
    wanted = like.config_digest if like else config.digest() if config else ""
    others: list[Reviewed] = []
    for run in completed_runs(ref, client):
        found = Reviewed.of_run(ref, run)
        if wanted in ("", found.config_digest) and (
            like is None or like.reference_digest in ("", found.reference_digest)
        ):
            return found
        others.append(found)
    elsewhere = {other.reference_digest for other in others}
    if like and like.reference_digest and elsewhere and like.reference_digest not in elsewhere:
        raise NotComparableError(other_sets(like, *others))
    if not reexplain:
        done = "explained in another way" if others else "not explained"
        msg = (
            f"{ref.label} was {done}, and is not explained for this (compare.reexplain); run "
            f"`mlflow-lime explain {ref.uri}` with the same configuration first"
        )
        raise NotComparableError(msg)
    return _explain(ref, client, config or Config(), like, progress)


def other_sets(like: Reviewed, *others: Reviewed) -> str:
    """Return why versions that were explained on different reference sets are not compared."""
    digests = ", ".join(sorted({other.reference_digest for other in others}))
    other = others[0].ref
    return (
        f"{like.label} was explained on reference set {like.reference_digest}, {other.label} on "
        f"{digests}: other instances, whose reasons cannot be compared. Explain both on the set "
        f"that is pinned now: `mlflow-lime explain {other.uri}` and `mlflow-lime explain "
        f"{like.ref.uri}`"
    )


def _explain(
    ref: ModelVersionRef,
    client: MlflowClient,
    config: Config,
    like: Reviewed | None,
    progress: bool | None,
) -> Reviewed:
    from mlflow_lime.tracking.review import review_version

    expected = like.reference_digest or None if like else None
    review = review_version(
        ref.uri, config, client=client, progress=progress, expected_digest=expected
    )
    with impatient(), translate_errors(f"run {review.run_id!r}"):
        return Reviewed.of_run(ref, client.get_run(review.run_id))
