"""What a page shows of a version, read back from what was logged; no model is needed."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_lime import names
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.errors import MlflowLimeError, shorten
from mlflow_lime.metrics.attributions import Attributions
from mlflow_lime.metrics.trust import Trust
from mlflow_lime.report.drift_items import read_drift_json
from mlflow_lime.report.facts import InstanceFacts
from mlflow_lime.report.findings import read_findings_json
from mlflow_lime.report.pages.content import Content, GateSaid, Other, Side
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.logged_explanations import Outcomes, load_shown
from mlflow_lime.tracking.logged_files import LoggedFiles
from mlflow_lime.tracking.measured import metrics_of
from mlflow_lime.tracking.reviewed import Reviewed, reviewed_run

__all__ = ["Outcomes", "gather_content", "gather_side"]

Found = TypeVar("Found")
_RECIPE = ("domain", "representation", "design", "law", "sampling", "select", "confidence")
"""What of the recipe a reader may want to know."""


def gather_content(
    reviewed: Reviewed,
    client: MlflowClient,
    *,
    baseline: Reviewed | None = None,
    beside: bool = True,
    read: Mapping[str, Outcomes] | None = None,
) -> Content:
    """Return what a page on a reviewed version shows, beside the baseline that it was compared to.

    What cannot be read besides the explanations is left out, with a note on the page.

    Parameters
    ----------
    reviewed : Reviewed
        A version and the run that holds its explanations.
    client : MlflowClient
    baseline : Reviewed, optional
        The version that it was compared to; looked up where it is left out.
    beside : bool, default True
        Whether that version is wanted.
    read : mapping of str to Outcomes, optional
        What was read of runs already, by their id: what is to be shown of them.

    Raises
    ------
    MlflowLimeError
        If the explanations cannot be read.
    """
    logged = _Logged(reviewed.run, client)
    side = _side(reviewed, logged, client, read or {})
    others = _baseline(logged, client, baseline, read or {}) if beside else ()
    outcomes = logged.read(names.FINDINGS_FILE, read_findings_json)
    gate = logged.read(names.GATE_JSON, _gate)
    if logged.notes:
        side = replace(side, notes=(*side.notes, *logged.notes))
    return Content(side, others, outcomes, gate)


def gather_side(reviewed: Reviewed, client: MlflowClient) -> Side:
    """Return what a page shows of one version.

    Raises
    ------
    MlflowLimeError
        If its explanations cannot be read.
    """
    return _side(reviewed, _Logged(reviewed.run, client), client, {})


class _Logged:
    """The files of a review run, of which those that cannot be read are noted."""

    def __init__(self, run: Run, client: MlflowClient) -> None:
        self.files = LoggedFiles(run, client)
        self.notes: list[str] = []

    def read(self, path: str, parse: Callable[[str], Found]) -> Found | None:
        """Return a file as it is parsed; None, and a note, where it cannot be."""
        try:
            text = self.files.text(path)
            return None if text is None else parse(text)
        except (MlflowLimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.notes.append(f"{path} cannot be read: {shorten(str(error), 200)}")
            return None


def _side(
    reviewed: Reviewed, logged: _Logged, client: MlflowClient, read: Mapping[str, Outcomes]
) -> Side:
    known = read.get(reviewed.run_id)
    (explanations, failed), sample = (known, "") if known else load_shown(reviewed.run, client)
    recipe = logged.read(names.RECIPE_FILE, json.loads)
    told = recipe if isinstance(recipe, dict) else {}
    facts = logged.read(names.FACTS_FILE, InstanceFacts.from_json)
    if facts is None:
        facts = logged.read(names.INSTANCES_TABLE, _facts_of_table) or InstanceFacts()
    return Side(
        name=_name(reviewed),
        explanations=tuple(explanations),
        failed=tuple(failed),
        facts=facts,
        metrics=_metrics(reviewed, client),
        trust=logged.read(names.TRUST_FILE, Trust.from_json),
        attributions=logged.read(names.ATTRIBUTIONS_FILE, Attributions.from_json),
        provenance=_provenance(reviewed, explanations, told),
        config_text=logged.read(names.CONFIG_FILE, str) or "",
        notes=tuple(map(str, told.get("notes", ()))),
        sample=sample,
    )


def _name(reviewed: Reviewed) -> str:
    """Return what a person calls the version; the run's name where it is a run."""
    if reviewed.ref.name is None and reviewed.ref.model_id is None:
        return str(reviewed.run.info.run_name or reviewed.label)
    return reviewed.label


def _metrics(reviewed: Reviewed, client: MlflowClient) -> dict[str, float]:
    """Return the metrics of the review, and what else is logged of the version, as for a gate."""
    try:
        found = metrics_of(reviewed.ref, (), client)
    except MlflowLimeError:
        found = {}  # the page does without
    metrics = {name: values[0].value for name, values in found.items() if values}
    with impatient(), translate_errors(f"run {reviewed.run_id!r}"):
        return metrics | client.get_run(reviewed.run_id).data.metrics


def _provenance(
    reviewed: Reviewed, explanations: Sequence[Explanation], recipe: dict[str, Any]
) -> dict[str, str]:
    info, ref = reviewed.run.info, reviewed.ref
    told = {
        "explained": f"{datetime.fromtimestamp(info.start_time / 1000, UTC):%Y-%m-%d %H:%M} UTC",
        "model": ref.uri,
        "logged model": ref.model_id or "",
        "source run": str(ref.run_id) if ref.run_active else "",
        "review run": reviewed.run_id,
        "experiment": str(info.experiment_id),
        "reference set": reviewed.reference_digest,
        "configuration": reviewed.config_digest,
        "seed": str(recipe.get("seed", "")),
        "scoring": str((recipe.get("scoring") or {}).get("how", "")),
    }
    how = recipe.get("explanation") or {}
    told |= {name: str(how[name]) for name in _RECIPE if how.get(name) is not None}
    rows = sorted({item.rows for item in explanations})
    if rows:
        told["rows an instance"] = f"{rows[0]:,}" + (f" to {rows[-1]:,}" * (len(rows) > 1))
    told |= {name: str(version) for name, version in (recipe.get("versions") or {}).items()}
    return {name: text for name, text in told.items() if text}


def _baseline(
    logged: _Logged,
    client: MlflowClient,
    known: Reviewed | None,
    read: Mapping[str, Outcomes],
) -> tuple[Other, ...]:
    """Return the version that this one was compared to; none where there was no comparison."""
    text = logged.read(names.DRIFT_FILE, str)
    if text is None:
        return ()
    try:
        drift = read_drift_json(text)
        told = json.loads(text)
        run_id, name = str(told["baseline_run"]), str(told["baseline"])
    except (MlflowLimeError, ValueError, KeyError) as error:
        logged.notes.append(f"{names.DRIFT_FILE} cannot be read: {shorten(str(error), 200)}")
        return ()
    try:
        same = known is not None and known.run_id == run_id
        found = known if known and same else reviewed_run(run_id, client)
        side = _side(found, _Logged(found.run, client), client, read)
        return (Other(side, drift),)
    except MlflowLimeError as error:
        logged.notes.append(f"the explanations of {name} are gone: {shorten(str(error), 200)}")
        return (Other(Side(name, ()), drift),)


def _gate(text: str) -> GateSaid:
    data = json.loads(text)
    facts = dict(data.get("facts") or {})
    failed = [rule for rule in data["rules"] if rule["outcome"] not in ("pass", "warn")]
    reasons = [f"{rule['name'] or rule['rule']}: {rule['why']}" for rule in failed]
    note = str(data.get("note") or "")
    return GateSaid(
        outcome=str(data["verdict"]),
        against=str(facts.get("baseline", "")),
        reasons=(*((note,) if note else ()), *map(str, reasons)),
    )


def _facts_of_table(text: str) -> InstanceFacts:
    """Return the facts that the table of instances tells; reviews from before hold no others."""
    data = json.loads(text)
    columns = {str(name): place for place, name in enumerate(data["columns"])}
    key, reason = columns["instance"], columns["chosen_because"]
    truth = columns["true_label"]
    return InstanceFacts(
        reasons={str(row[key]): str(row[reason] or "") for row in data["data"]},
        true_labels={
            str(row[key]): None if row[truth] is None else str(row[truth]) for row in data["data"]
        },
    )
