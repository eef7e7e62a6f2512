"""Compare a version's reasons with a baseline's, from what both logged, and log the result."""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import mlflow
from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.checks.registry import known_checks
from mlflow_lime.compare.compare import compare_explanations, drift_metrics
from mlflow_lime.compare.drift import DRIFT_METRICS, Drift
from mlflow_lime.compare.settings import DriftSettings
from mlflow_lime.config import Config, parse_config
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.stored import StoredExplanations
from mlflow_lime.errors import MlflowLimeError, NotComparableError
from mlflow_lime.report.drift_items import drift_items
from mlflow_lime.report.findings import findings_items, read_findings_json
from mlflow_lime.report.items import Item, Metric
from mlflow_lime.tracking.baseline import resolve_baseline
from mlflow_lime.tracking.connection import quiet_downloads, translate_errors
from mlflow_lime.tracking.log import Destination, write_items
from mlflow_lime.tracking.logged_explanations import Outcomes, load_outcomes
from mlflow_lime.tracking.logged_files import LoggedFiles
from mlflow_lime.tracking.reporting import write_report
from mlflow_lime.tracking.reviewed import Reviewed, other_sets, same_review
from mlflow_lime.tracking.versions import ModelVersionRef

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Comparison", "compare_review", "compare_versions", "logged_config"]

_EARLIER = "it was made on an earlier comparison; check the version again with --against"

_SINCE = ", being written since "
"""What stands between the key of a comparison and a time until all of it is logged."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A candidate against a baseline.

    Attributes
    ----------
    candidate, baseline : ModelVersionRef
    candidate_run, baseline_run : str
        Runs that hold the explanations; the result is logged to the candidate's.
    reference_digest : str
        The reference set that both were explained on.
    drift : Drift
    metrics : dict of str to float
        By their logged names.
    notes : tuple of str
        What a reader must know.
    """

    candidate: ModelVersionRef
    baseline: ModelVersionRef
    candidate_run: str
    baseline_run: str
    reference_digest: str
    drift: Drift
    metrics: dict[str, float]
    notes: tuple[str, ...] = ()

    def as_figure(self, *, top: int = 12) -> "Figure":
        """Draw how the importance of each part changed, most changed first.

        Parameters
        ----------
        top : int, default 12
            How many parts to draw.

        Returns
        -------
        matplotlib.figure.Figure
            A figure that belongs to no pyplot state.
        """
        from mlflow_lime.report.report_figures import draw_changes_figure

        title = f"{self.candidate.label} against {self.baseline.label}"
        return draw_changes_figure(self.drift, title=title, top=top)


def compare_versions(
    candidate: str,
    baseline: str | None = None,
    config: Config | None = None,
    *,
    client: MlflowClient | None = None,
    progress: bool | None = False,
    log: bool = True,
) -> Comparison:
    """Compare the reasons of two model versions.

    Both must have been explained on the same reference set in the same way. Nothing is asked of
    their models then: what they logged is enough. A version that was not explained, or in another
    way than the candidate, is explained first, unless `compare.reexplain` is false.

    Parameters
    ----------
    candidate : str
        A model URI, or ``runs:/<run>`` with explanations.
    baseline : str, optional
        ``previous``, a version number, ``@alias``, a model URI, or ``runs:/<run>``; by default
        `compare.baseline`, else ``previous``.
    config : Config, optional
        How versions are explained and compared. By default, as the candidate was explained.
    client : MlflowClient, optional
    progress : bool or None, default False
        Whether to show a progress bar where a version is explained.
    log : bool, default True
        Whether to log metrics, tables, and ``lime/drift.json`` to the candidate's run.

    Returns
    -------
    Comparison

    Raises
    ------
    NotComparableError
        If the two were explained on different reference sets, or one was not explained and may
        not be now.
    MlflowLimeError
        If a version, its model, or the store cannot be used.
    """
    client = client or MlflowClient()
    chosen = (config or Config()).compare
    after = same_review(
        candidate, client, config=config, reexplain=chosen.reexplain, progress=progress
    )
    return compare_review(after, baseline, config, client=client, progress=progress, log=log)


def compare_review(
    after: Reviewed,
    baseline: str | None = None,
    config: Config | None = None,
    *,
    client: MlflowClient,
    progress: bool | None = False,
    log: bool = True,
) -> Comparison:
    """Compare the reasons of a reviewed version with another's; see `compare_versions`."""
    chosen = (config or Config()).compare
    wish = baseline or chosen.baseline or "previous"
    uris = [resolve_baseline(uri, after.ref, client) for uri in (wish, *chosen.retrain_noise)]
    explained_as = config or logged_config(after, client)
    before, *retrains = (
        same_review(
            uri,
            client,
            config=explained_as,
            like=after,
            reexplain=chosen.reexplain,
            progress=progress,
        )
        for uri in uris
    )
    settings = _settings(explained_as, config or Config())
    _require_same_set(before, after)
    hides = any(item.reference.store_inputs != "full" for item in (explained_as, config) if item)
    found = _within_what_may_be_stored(
        [load_outcomes(side.run, client) for side in (before, after, *retrains)], hides=hides
    )
    drift = compare_explanations(
        found[0][0],
        found[1][0],
        retrains=[explanations for explanations, _ in found[2:]],
        missing=_missing(before, found[0][1]) | _missing(after, found[1][1]),
        settings=settings,
        most=(config or explained_as).outputs.max_instances,
    )
    _require_pairs(drift, before, after)
    metrics = {f"{names.PREFIX}{name}": value for name, value in drift_metrics(drift).items()}
    comparison = Comparison(
        candidate=after.ref,
        baseline=before.ref,
        candidate_run=after.run_id,
        baseline_run=before.run_id,
        reference_digest=after.reference_digest,
        drift=drift,
        metrics=metrics,
        notes=_notes(drift, after, before),
    )
    if not log:
        return comparison
    if after.run_id != before.run_id:  # what stands there says more than "no change"
        _log(comparison, after, retrains, client)
    sides = {before.run_id: found[0], after.run_id: found[1]}
    # Of a large set, the page shows a sample, which is logged.
    read = {k: v for k, v in sides.items() if not isinstance(v[0], StoredExplanations)}
    notes = write_report(after, config or explained_as, client, baseline=before, read=read)
    return replace(comparison, notes=(*comparison.notes, *notes))


def _settings(explained_as: Config, config: Config) -> DriftSettings:
    chosen = config.compare
    return DriftSettings(
        min_fidelity=chosen.min_fidelity,
        min_change=chosen.min_change,
        min_share=chosen.min_share,
        fdr=chosen.fdr,
        alarm_rate=chosen.alarm_rate,
        top=chosen.top,
        confidence=explained_as.surrogate.confidence,
    )


def logged_config(side: Reviewed, client: MlflowClient) -> Config:
    """Return the configuration that a version was explained with."""
    import yaml

    what = f"the configuration in run {side.run_id!r}"
    with quiet_downloads(), translate_errors(what):
        text = mlflow.artifacts.load_text(f"runs:/{side.run_id}/{names.CONFIG_FILE}")
    try:
        return parse_config(yaml.safe_load(text) or {}, where=f"{names.CONFIG_FILE} of the run")
    except (MlflowLimeError, yaml.YAMLError) as error:
        msg = f"{what} cannot be read, so name one with --config: {error}"
        raise NotComparableError(msg) from error


def _within_what_may_be_stored(found: list[Outcomes], *, hides: bool) -> list[Outcomes]:
    """Take the values out of every side where they may not be stored of one.

    An older review of the same set may have been logged in full.
    """
    if not hides and not any(_hides_values(kept) for kept, _ in found):
        return found
    return [
        (_redacted(kept), [replace(item, reason=item.kind) for item in failed])
        for kept, failed in found
    ]


def _redacted(explanations: Sequence[Explanation]) -> Sequence[Explanation]:
    if isinstance(explanations, StoredExplanations):
        return explanations.changed(Explanation.redacted)
    return [item.redacted() for item in explanations]


def _hides_values(explanations: Sequence[Explanation]) -> bool:
    """Return whether a review was logged without values; all of it is then.

    Of one that is read from disk, a few instances tell.
    """
    stored = isinstance(explanations, StoredExplanations)
    return any(map(_is_redacted, explanations[:20] if stored else explanations))


def _is_redacted(item: Explanation) -> bool:
    return not item.contents and item.parts == item.names


def _require_same_set(before: Reviewed, after: Reviewed) -> None:
    """Refuse runs that were explained on other instances."""
    sides = {before.reference_digest, after.reference_digest}
    if len(sides) > 1 and "" not in sides:
        raise NotComparableError(other_sets(after, before))


def _require_pairs(drift: Drift, before: Reviewed, after: Reviewed) -> None:
    """Refuse a comparison in which no instance has a counterpart."""
    if drift.instances or not drift.missing:
        return
    key, why = next(iter(drift.missing.items()))
    msg = f"no instance of {after.label} and {before.label} can be compared; {key}: {why}"
    if before.config_digest != after.config_digest:
        msg += (
            f". Explain both with one configuration: `mlflow-lime explain {before.ref.uri}` and "
            f"`mlflow-lime explain {after.ref.uri}`"
        )
    raise NotComparableError(msg)


def _missing(side: Reviewed, failed: Sequence[FailedExplanation]) -> dict[str, str]:
    return {item.key: f"{side.label} could not explain it: {item.reason}" for item in failed}


def _notes(drift: Drift, after: Reviewed, before: Reviewed) -> tuple[str, ...]:
    notes = []
    if after.run_id == before.run_id:
        notes.append(f"{after.label} was compared with itself, which is not logged")
    elif after.ref.model_id is not None and after.ref.model_id == before.ref.model_id:
        notes.append(f"{after.label} and {before.label} are the same logged model")
    counts = drift.counts
    left_out = next((item for item in drift.instances if item.untrusted), None)
    if counts.untrusted:
        such = f", such as {left_out.key}: {left_out.untrusted}" if left_out else ""
        n = counts.compared + counts.untrusted
        notes.append(f"{counts.untrusted} of {n} instances are left out{such}")
    if drift.missing:
        key, why = next(iter(drift.missing.items()))
        notes.append(f"{counts.missing} instances are missing, such as {key}: {why}")
    if drift.of is not None:
        notes.append(drift.of.note)
    return tuple(notes)


def _log(
    comparison: Comparison, after: Reviewed, retrains: Sequence[Reviewed], client: MlflowClient
) -> None:
    """Log a comparison to the candidate's run, unless it is the one that stands there."""
    runs = [comparison.baseline_run, *(side.run_id for side in retrains)]
    settings = json.dumps(dict(comparison.drift.settings), sort_keys=True)
    key = hashlib.sha256("\n".join([*runs, settings]).encode()).hexdigest()[:32]
    known = client.get_run(after.run_id).data  # what stands there now
    if known.tags.get(names.TAG_COMPARED) == key:
        return
    # Until the last write, nothing says that what stands there is whole. A repeat after a kill goes
    # on with the same time, so that no metric is logged twice.
    began, _, time_of_it = known.tags.get(names.TAG_COMPARED, "").partition(_SINCE)
    timestamp = int(time_of_it) if began == key else int(time.time() * 1000)
    client.set_tag(after.run_id, names.TAG_COMPARED, f"{key}{_SINCE}{timestamp}")
    items = drift_items(
        comparison.drift, baseline=comparison.baseline.label, baseline_run=comparison.baseline_run
    )
    to = Destination(
        run_id=comparison.candidate_run,
        timestamp=timestamp,
        model_id=comparison.candidate.model_id,
        dataset_name=f"lime reference {comparison.reference_digest}",
        dataset_digest=comparison.reference_digest[:8],
    )
    # What the comparison before could say and this one cannot is no longer so.
    every = [f"{names.PREFIX}{name}" for name in DRIFT_METRICS]
    stale = [name for name in every if name in known.metrics and name not in comparison.metrics]
    items += [Metric(name, math.nan) for name in stale]
    if names.TAG_COMPARED in known.tags and began != key:
        items += _outdated_findings(after, client)
    write_items(client, items, to)
    source = comparison.candidate
    if source.run_active and source.run_id not in (None, to.run_id):
        shown: list[Item] = [item for item in items if isinstance(item, Metric)]
        write_items(client, shown, replace(to, run_id=str(source.run_id)))
    client.set_tag(to.run_id, names.TAG_BASELINE, comparison.baseline.label)
    client.set_tag(to.run_id, names.TAG_COMPARED, key)


def _outdated_findings(after: Reviewed, client: MlflowClient) -> list[Item]:
    """Return the findings without those that an earlier comparison led to; nothing without any."""
    text = LoggedFiles(after.run, client).text(names.FINDINGS_FILE)
    if text is None:
        return []
    on_drift = {check.code for check in known_checks()[0] if "drift" in check.needs}
    outcomes = [
        replace(item, state="skipped", reason=_EARLIER, instances=(), value=None)
        if item.code in on_drift and item.state in ("raised", "passed")
        else item
        for item in read_findings_json(text)
    ]
    return list(findings_items(outcomes))
