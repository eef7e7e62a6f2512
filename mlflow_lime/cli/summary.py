"""What came of a command, as lines for a person at a terminal."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import mlflow
from mlflow import MlflowClient

from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.metrics.aggregate import global_importance
from mlflow_lime.names import PREFIX, REPORT_PAGE, TAG_REPORT
from mlflow_lime.report.wording import cells, clean, cut, number, r2, signed
from mlflow_lime.tracking.review import Review
from mlflow_lime.tracking.ui_links import RunPlace, artifact_link, run_link

__all__ = ["fact", "note_lines", "review_lines", "run_address", "without_credentials"]

WIDTH = 100
INDENT = 22
TOP = 8
"""Parts that are listed."""

_REASONS = 5


def fact(name: str, text: str) -> Iterator[str]:
    """Yield a named fact, wrapped below its first line.

    Examples
    --------
    >>> print(*fact("task", "regression"))
      task                regression
    """
    yield from textwrap.wrap(
        clean(text),
        WIDTH,
        initial_indent=f"  {name}".ljust(INDENT),
        subsequent_indent=" " * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def note_lines(notes: Sequence[str]) -> Iterator[str]:
    """Yield what a reader must know, each remark once; nothing without any."""
    for note in dict.fromkeys(notes):
        yield from textwrap.wrap(
            f"Note: {clean(note)}.".replace("..", "."),
            WIDTH,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def review_lines(review: Review, client: MlflowClient, source: str | None) -> Iterator[str]:
    """Yield the summary of a review.

    Parameters
    ----------
    review : Review
    client : MlflowClient
        Client of the store that holds the run.
    source : str or None
        The configuration file; None for the defaults.
    """
    yield _headline(review)
    yield ""
    yield from _quality(review.metrics)
    yield from fact("configuration", source or "all defaults")
    yield from fact("reference set", review.reference_digest)
    yield from _top_parts(review.explanations)
    yield from _failures(review.failed)
    if review.notes:
        yield ""
        yield from note_lines(review.notes)
    yield ""
    yield f"Logged to run {review.run_id}"
    yield from (f"  {line}" for line in run_address(client, review.run_id))


def _headline(review: Review) -> str:
    explained, failed = (
        int(review.metrics.get(f"{PREFIX}{k}", 0)) for k in ("instances", "failed")
    )
    if review.repeated:
        return (
            f"{review.ref.label} was explained already with this configuration, on {explained} of "
            f"{explained + failed} instances: nothing to do"
        )
    rows = int(review.metrics.get(f"{PREFIX}rows_predicted", 0))
    seconds = review.metrics.get(f"{PREFIX}seconds", 0.0)
    return (
        f"{review.ref.label}: {explained} of {explained + failed} instances explained with "
        f"{rows:,} model rows in {seconds:.1f} s"
    )


def _quality(metrics: Mapping[str, float]) -> Iterator[str]:
    values = {name.removeprefix(PREFIX): value for name, value in metrics.items()}
    if "fidelity_r2" in values:
        tenth = f", 10 % of them below {r2(values['fidelity_r2_p10'])}"
        text = f"R² {r2(values['fidelity_r2'])} (median over the instances{tenth})"
        yield from fact("fidelity", text)
    if "local_gap" in values:
        text = f"{number(values['local_gap'])} between surrogate and model at the instance (mean)"
        yield from fact("local gap", text)
    if "decision_agreement" in values:
        yield from fact(
            "same decision", f"for {values['decision_agreement']:.0%} of the neighbours"
        )
    if "stability_topk" in values:
        yield from fact("stability", f"{values['stability_topk']:.0%} of the top parts recur")
    if "converged_share" in values:
        yield from fact("precise enough", f"{values['converged_share']:.0%} of the instances")
    if values.get("flat_share"):
        text = f"around {values['flat_share']:.0%} of the instances the output hardly varies"
        yield from fact("flat", text)


def _top_parts(explanations: Sequence[Explanation]) -> Iterator[str]:
    if not explanations:
        return
    table = global_importance(explanations).head(TOP)
    if table.empty:
        return
    yield ""
    yield "Top parts (mean weight, either way, per instance)"
    shown = [cut(name, 40) for name in table["name"]]
    width = max(cells(name) for name in shown)
    weights = [float(weight) for weight in table["importance"]]
    largest = max(weights) or 1.0
    for name, weight, text in zip(shown, weights, signed(weights), strict=True):
        padding = " " * (width - cells(name))
        bar = "█" * round(24 * weight / largest)
        yield f"  {name}{padding}  {text.lstrip('+'):>10}  {bar}".rstrip()


def _failures(failed: Sequence[FailedExplanation]) -> Iterator[str]:
    if not failed:
        return
    yield ""
    yield f"{len(failed)} instance{'s' if len(failed) > 1 else ''} failed"
    reasons = Counter(item.reason for item in failed)
    for reason, count in reasons.most_common(_REASONS):
        keys = [item.key for item in failed if item.reason == reason]
        shown = ", ".join(keys[:3]) + (", ..." if count > 3 else "")
        yield from textwrap.wrap(
            f"{count}: {clean(reason)} ({shown})",
            WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
        )
    if len(reasons) > _REASONS:
        yield f"  and {len(reasons) - _REASONS} other reasons (lime/instances.json of the run)"


def without_credentials(uri: str) -> str:
    """Return a store's address without the name and password that it may hold.

    Examples
    --------
    >>> without_credentials("https://ann:secret@mlflow.example.org")
    'https://mlflow.example.org'
    """
    scheme, mark, rest = uri.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else uri


def run_address(client: MlflowClient, run_id: str) -> Iterator[str]:
    """Yield where a browser shows a run's page, and how to start a server where there is none."""
    run = client.get_run(run_id)
    place = RunPlace(str(run.info.experiment_id), run_id)
    written = TAG_REPORT in run.data.tags
    path = artifact_link(place, REPORT_PAGE) if written else run_link(place)
    uri = mlflow.get_tracking_uri()
    if uri.startswith(("http://", "https://")):
        yield f"{without_credentials(uri).rstrip('/')}/{path}"
        return
    yield f"http://localhost:5000/{path}"
    yield f"after: mlflow ui --backend-store-uri {without_credentials(uri)}"
