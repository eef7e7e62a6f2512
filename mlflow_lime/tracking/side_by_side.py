"""Several versions on one page: each compared with the one that the page is about."""

from collections.abc import Sequence
from dataclasses import replace

from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.compare.drift import DRIFT_METRICS
from mlflow_lime.config import Config
from mlflow_lime.errors import ConfigError, MlflowLimeError, NotComparableError, shorten
from mlflow_lime.report.pages.axis import MOST_VERSIONS
from mlflow_lime.report.pages.content import Content, Other, Side
from mlflow_lime.tracking.baseline import resolve_baseline
from mlflow_lime.tracking.comparison import Comparison, compare_versions
from mlflow_lime.tracking.gathering import gather_content, gather_side
from mlflow_lime.tracking.reviewed import Reviewed, reviewed_run, same_review

__all__ = ["content_of", "others_of"]


def content_of(comparison: Comparison, others: Sequence[Other], client: MlflowClient) -> Content:
    """Return what the page of a comparison shows.

    Parameters
    ----------
    comparison : Comparison
        The candidate against the first of the other versions.
    others : sequence of Other
        Further versions, from `others_of`.
    client : MlflowClient

    Raises
    ------
    MlflowLimeError
        If the explanations of the candidate or of the first version cannot be read.
    """
    reviewed = reviewed_run(comparison.candidate_run, client)
    found = gather_content(reviewed, client, beside=False)
    first = Other(gather_side(_baseline(comparison, client), client), comparison.drift)
    # What is logged may be a comparison with another version.
    drifts = {f"{names.PREFIX}{name}" for name in DRIFT_METRICS}
    own = {name: value for name, value in found.side.metrics.items() if name not in drifts}
    side = replace(found.side, metrics=own | comparison.metrics)
    return Content(side, (first, *others), found.outcomes, found.gate)


def others_of(
    comparison: Comparison,
    wishes: Sequence[str],
    config: Config | None,
    *,
    client: MlflowClient,
    progress: bool | None = False,
) -> tuple[Other, ...]:
    """Return further versions, each compared with the candidate; nothing is logged of it.

    A version that cannot be compared is shown with the reason.

    Parameters
    ----------
    comparison : Comparison
        Of the candidate, with the first version.
    wishes : sequence of str
        What names the versions, as for `compare_versions`.
    config : Config, optional
    client : MlflowClient
    progress : bool or None

    Raises
    ------
    ConfigError
        If there are too many.
    MlflowLimeError
        If a version does not exist.
    """
    if len(wishes) > MOST_VERSIONS - 2:
        msg = f"expected at most {MOST_VERSIONS} versions on a page, got {len(wishes) + 2}"
        raise ConfigError(msg)
    return tuple(
        _other(comparison, wish, config, client=client, progress=progress) for wish in wishes
    )


def _other(
    comparison: Comparison,
    wish: str,
    config: Config | None,
    *,
    client: MlflowClient,
    progress: bool | None,
) -> Other:
    try:
        found = compare_versions(
            f"runs:/{comparison.candidate_run}",
            wish,
            config,
            client=client,
            progress=progress,
            log=False,
        )
    except NotComparableError as error:
        uri = resolve_baseline(wish, comparison.candidate, client)
        return Other(_side(uri, client), None, str(error))
    return Other(gather_side(_baseline(found, client), client), found.drift)


def _baseline(found: Comparison, client: MlflowClient) -> Reviewed:
    return Reviewed.of_run(found.baseline, client.get_run(found.baseline_run))


def _side(uri: str, client: MlflowClient) -> Side:
    """Return a version that cannot be compared, as far as it was explained."""
    try:
        return gather_side(same_review(uri, client, reexplain=False), client)
    except MlflowLimeError:
        return Side(shorten(uri, 80).strip("'\""), ())
