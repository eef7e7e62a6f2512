"""Check one model version: what its review logged, held against everything we look for."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.checks.check import Evidence, Outcome
from mlflow_lime.checks.generalisation import GENERALISATION
from mlflow_lime.checks.registry import run_checks
from mlflow_lime.compare.drift import Drift
from mlflow_lime.config import Config
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.errors import DataError, MlflowLimeError, shorten
from mlflow_lime.metrics.attributions import Attributions
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.report.findings import findings_items
from mlflow_lime.report.items import File, Item, Metric
from mlflow_lime.tracking.connection import (
    impatient,
    quiet_autologging,
    quiet_downloads,
    translate_errors,
)
from mlflow_lime.tracking.log import Destination, write_items
from mlflow_lime.tracking.logged_explanations import load_outcomes
from mlflow_lime.tracking.logged_files import LoggedFiles
from mlflow_lime.tracking.pinned import read_pin
from mlflow_lime.tracking.reporting import present_again, unreported
from mlflow_lime.tracking.review import inherited_reference, review_version
from mlflow_lime.tracking.reviewed import Reviewed
from mlflow_lime.tracking.training_rows import (
    explain_training_rows,
    known_explanations,
)
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["Checked", "check_version"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking a model version.

    Attributes
    ----------
    ref : ModelVersionRef
    run_id : str
        The review run, which holds the findings.
    outcomes : tuple of Outcome
        One for each check.
    metrics : dict of str to float
        ``lime/findings`` and ``lime/findings_error``.
    """

    ref: ModelVersionRef
    run_id: str
    outcomes: tuple[Outcome, ...]
    metrics: dict[str, float] = field(default_factory=dict)


def check_version(
    uri: str,
    config: Config | None = None,
    *,
    client: MlflowClient | None = None,
    drift: Drift | None = None,
    log: bool = True,
    progress: bool | None = False,
    reviewed: Reviewed | None = None,
) -> Checked:
    """Check a model version, and log what is found.

    The version is explained first where it was not. Its model is asked again only where training
    rows are given (``checks.train``) that were not explained yet, and loaded also where the pinned
    instances were not stored.

    Parameters
    ----------
    uri : str
        The version, as for `review_version`.
    config : Config, optional
        What to explain and to check, and how; the defaults if left out.
    client : MlflowClient, optional
        Client of the store.
    drift : Drift, optional
        What changed since another version; without it the checks on that are skipped.
    log : bool, default True
        Whether to log the findings to the review run.
    progress : bool or None, default False
        Whether to show a progress bar; None shows it on a terminal only.
    reviewed : Reviewed, optional
        A review of the version that is to be checked; found or made by `config` if left out. With
        it, no training rows are explained where ``compare.reexplain`` is false.

    Returns
    -------
    Checked

    Raises
    ------
    ConfigError
        If ``checks`` names a check or an option that there is not.
    MlflowLimeError
        If the version cannot be explained.
    """
    config = config or Config()
    client = client or MlflowClient()
    wish = config.checks
    run_checks(Evidence(), muted=wish.mute, options=wish.options)  # a typo costs no model call
    review = reviewed or _explained(uri, config, client, progress)
    with quiet_autologging(), quiet_downloads(), translate_errors(f"the checks of {uri}"):
        may_explain = reviewed is None or config.compare.reexplain
        case = _Case(review, config, client, progress, may_explain)
        evidence = case.evidence(drift)
        outcomes = run_checks(evidence, muted=wish.mute, options=wish.options)
        items = [*findings_items(outcomes), *case.extra]
        found = {item.name: item.value for item in items if isinstance(item, Metric)}
        if log:
            _log(items, review, client)
            present_again(review, config, client)
    return Checked(review.ref, review.run_id, outcomes, found)


def _explained(uri: str, config: Config, client: MlflowClient, progress: bool | None) -> Reviewed:
    """Return the review of a version; the page is written when there are findings to show."""
    review = review_version(uri, unreported(config), client=client, progress=progress)
    with impatient(), translate_errors(f"run {review.run_id!r}"):
        return Reviewed.of_run(review.ref, client.get_run(review.run_id))


@dataclass(slots=True, eq=False)
class _Case:
    """A reviewed version, and what is gathered about it."""

    review: Reviewed
    config: Config
    client: MlflowClient
    progress: bool | None
    may_explain: bool
    absent: dict[str, str] = field(default_factory=dict)
    extra: list[Item] = field(default_factory=list)

    def evidence(self, drift: Drift | None) -> Evidence:
        """Return everything that is known about the version."""
        run_id, client = self.review.run_id, self.client
        explanations, failed = load_outcomes(self.review.run, client)
        metrics = client.get_run(run_id).data.metrics
        reference = self._reference()
        return Evidence(
            explanations=explanations,
            failed=tuple(failed),
            metrics={
                name.removeprefix(names.PREFIX): value
                for name, value in metrics.items()
                if name.startswith(names.PREFIX)
            },
            trust=self._trust(),
            attributions=self._attributions(),
            target=self.config.data.target,
            drift=drift,
            train_explanations=self._train(reference),
            sensitive=self.config.checks.sensitive,
            absent=self.absent,
            **_facts(reference),
        )

    def _reference(self) -> ReferenceSet | None:
        """Return the reference set; None where its data cannot be read again."""
        ref = self.review.ref
        pin = read_pin(self.client, ref) or (self.review.reference_digest, self.review.run_id)
        try:
            return inherited_reference(self.client, ref, self.config, pin)
        except MlflowLimeError as error:
            why = f"the reference set cannot be read: {shorten(str(error), 300)}"
            self.absent.update(dict.fromkeys(("inputs", "layout", "associations"), why))
            return None

    def _trust(self) -> Mapping[str, Mapping[str, float]]:
        found = LoggedFiles(self.review.run, self.client).text(names.TRUST_FILE)
        try:
            instances = json.loads(found or '{"instances": {}}')["instances"]
            return {
                str(key): {
                    name: float(value) for name, value in values.items() if value is not None
                }
                for key, values in instances.items()
            }
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self.absent["trust"] = f"{names.TRUST_FILE} cannot be read: {type(error).__name__}"
            return {}

    def _attributions(self) -> Attributions | None:
        text = LoggedFiles(self.review.run, self.client).text(names.ATTRIBUTIONS_FILE)
        try:
            return None if text is None else Attributions.from_json(text)
        except MlflowLimeError as error:
            self.absent["attributions"] = f"{names.ATTRIBUTIONS_FILE} cannot be read: {error}"
            return None

    def _train(self, reference: ReferenceSet | None) -> tuple[Explanation, ...] | None:
        """Return explanations of training rows: those that are logged, or new ones."""
        wanted = self.config.checks.train is not None
        if not wanted or GENERALISATION.code in self.config.checks.mute:
            return None
        if not self.may_explain:
            why = "compare.reexplain is false; run `mlflow-lime check` on the version"
            self.absent["train_explanations"] = why
            return None
        try:
            if reference is None:
                raise DataError(self.absent["inputs"])
            logged = LoggedFiles(self.review.run, self.client).text(names.TRAINING_FILE) or ""
            explanations, text = explain_training_rows(
                self.review.ref,
                reference,
                self.config,
                self.client,
                known=known_explanations(logged),
                progress=self.progress,
            )
        except MlflowLimeError as error:
            why = f"the training rows were not explained: {shorten(str(error), 300)}"
            self.absent["train_explanations"] = why
            return None
        if text is not None:
            self.extra.append(File(names.TRAINING_FILE, text.encode()))
        return explanations


def _facts(reference: ReferenceSet | None) -> dict[str, Any]:
    """Return what a reference set tells about its instances."""
    if reference is None:
        return {}
    inputs = reference.inputs
    true_labels = zip(reference.keys, reference.true_labels, strict=True)
    return {
        "layout": reference.layout,
        "inputs": None if inputs is None else inputs.set_axis(list(reference.keys), axis="index"),
        "associations": reference.associations,
        "true_labels": {key: label for key, label in true_labels if label is not None},
        "reasons": dict(zip(reference.keys, reference.reasons, strict=True)),
    }


def _log(items: list[Item], review: Reviewed, client: MlflowClient) -> None:
    """Log what is not logged yet: the findings of a repeat are the same."""
    run_id = review.run_id
    logged = client.get_run(run_id).data.metrics
    before = LoggedFiles(review.run, client).text(names.FINDINGS_FILE)
    new: list[Item] = []
    for item in items:
        if isinstance(item, Metric):
            fresh = logged.get(item.name) != item.value
        elif isinstance(item, File) and item.path == names.FINDINGS_FILE:
            fresh = before is None or before.encode() != item.content
        else:
            fresh = True
        if fresh:
            new.append(item)
    if new:
        to = Destination(
            run_id=run_id,
            timestamp=int(time.time() * 1000),
            model_id=review.ref.model_id,
            dataset_name=f"lime reference {review.reference_digest}",
            dataset_digest=review.reference_digest[:8],
        )
        write_items(client, new, to)
        source = review.ref.run_id
        if review.ref.run_active and source not in (None, run_id):
            shown: list[Item] = [item for item in new if isinstance(item, Metric)]
            write_items(client, shown, replace(to, run_id=str(source)))
