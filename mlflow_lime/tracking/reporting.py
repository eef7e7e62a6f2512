"""Write the page that reviewers read, and lead them to it from the model registry."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import PurePosixPath

from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_lime import names
from mlflow_lime.config import Config
from mlflow_lime.errors import MlflowLimeError, NoEarlierVersionError, TrackingServerError, shorten
from mlflow_lime.report.items import File, Item
from mlflow_lime.report.pages.content import Content
from mlflow_lime.report.pages.numbers import quality_of
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.describing import describe_version
from mlflow_lime.tracking.gathering import Outcomes, gather_content
from mlflow_lime.tracking.log import Destination, write_items
from mlflow_lime.tracking.reviewed import Reviewed
from mlflow_lime.tracking.saved_view import save_view
from mlflow_lime.tracking.version_block import version_block

__all__ = [
    "present_again",
    "present_review",
    "report_items",
    "unreported",
    "was_presented",
    "write_report",
]


def present_review(reviewed: Reviewed, config: Config, client: MlflowClient) -> tuple[str, ...]:
    """Compare a new review with its baseline where that needs no model, and write its page.

    Parameters
    ----------
    reviewed : Reviewed
        A completed review.
    config : Config
    client : MlflowClient

    Returns
    -------
    tuple of str
        What a reader must know. What cannot be done is a note: the review stands without it.
    """
    if not config.report.compare or reviewed.ref.version is None:
        return write_report(reviewed, config, client)
    from mlflow_lime.tracking.comparison import compare_review

    asleep = config.compare.model_copy(update={"reexplain": False})
    awake = config.model_copy(update={"compare": asleep})
    try:
        return compare_review(reviewed, config=awake, client=client).notes
    except NoEarlierVersionError:
        return write_report(reviewed, config, client)
    except Exception as error:  # the review stands, whatever fails after it
        if isinstance(error, TrackingServerError) or not isinstance(error, MlflowLimeError):
            return (_unwritten(reviewed, error),)  # no page is marked, so the next explain repairs
        why = f"not compared with a baseline: {shorten(str(error), 300)}"
        return (why, *write_report(reviewed, config, client))


def present_again(reviewed: Reviewed, config: Config, client: MlflowClient) -> tuple[str, ...]:
    """Write the page of a review that something was added to.

    Where nothing was compared or presented yet, as after a check that explained the version, the
    version is compared with its baseline first.
    """
    try:
        with impatient():
            run = client.get_run(reviewed.run_id)
    except Exception as error:
        return (_unwritten(reviewed, error),)
    fresh = not was_presented(run) and names.TAG_COMPARED not in run.data.tags
    return (present_review if fresh else write_report)(reviewed, config, client)


def unreported(config: Config) -> Config:
    """Return a configuration for a step of something larger, which writes the page at its end."""
    nothing = {"page": False, "compare": False, "description": False, "saved_view": False}
    return config.model_copy(update={"report": config.report.model_copy(update=nothing)})


def was_presented(run: Run) -> bool:
    """Return whether the page of a review was written to the end."""
    return names.TAG_REPORT in run.data.tags


def write_report(
    reviewed: Reviewed,
    config: Config,
    client: MlflowClient,
    *,
    baseline: Reviewed | None = None,
    read: Mapping[str, Outcomes] | None = None,
) -> tuple[str, ...]:
    """Write the page of a review from what was logged of it, and describe the version.

    Parameters
    ----------
    reviewed : Reviewed
        A version and the run that holds its explanations.
    config : Config
        What is wanted: ``report`` and ``outputs``.
    client : MlflowClient
    baseline : Reviewed, optional
        The version that it was compared to; looked up where it is left out.
    read : mapping of str to Outcomes, optional
        What was read of runs already, by their id: what is to be shown of them.

    Returns
    -------
    tuple of str
        What could not be done, and why: nothing of it is worth to fail for.
    """
    if not (config.report.page or config.report.description):
        return ()
    try:
        with translate_errors(f"the page of {reviewed.label}"):
            content = gather_content(reviewed, client, baseline=baseline, read=read)
            return _write(reviewed, content, config, client)
    except Exception as error:
        # Whatever it is: the numbers are logged, and a page can be made again from them.
        return (_unwritten(reviewed, error),)


def _unwritten(reviewed: Reviewed, error: Exception) -> str:
    return (
        f"the page could not be written ({type(error).__name__}: {shorten(str(error), 300)}); "
        f"try `mlflow-lime report runs:/{reviewed.run_id} --log`"
    )


def _write(
    reviewed: Reviewed, content: Content, config: Config, client: MlflowClient
) -> tuple[str, ...]:
    notes: list[str] = []
    if config.report.page:
        items = report_items(content, config)
        for run_id in _runs(reviewed):
            write_items(client, items, Destination(run_id, timestamp=0))
    if config.report.description:
        block = version_block(content, _holdings(client))
        note = describe_version(client, reviewed.ref, block)
        notes += [note] if note else []
    if config.report.saved_view:
        _save_view(reviewed, content, client)
    if not notes:  # else the next explain tries again
        with impatient():
            client.set_tag(reviewed.run_id, names.TAG_REPORT, "written")
    return tuple(notes)


def _holdings(client: MlflowClient) -> Callable[[str, str], bool]:
    """Return what tells whether a run holds a file, so that no link leads nowhere."""

    @cache
    def listed(run_id: str, folder: str) -> frozenset[str]:
        with impatient():
            found = client.list_artifacts(run_id, None if folder == "." else folder)
        return frozenset(str(file.path) for file in found)

    return lambda run_id, path: path in listed(run_id, str(PurePosixPath(path).parent))


def _save_view(reviewed: Reviewed, content: Content, client: MlflowClient) -> None:
    """Add the view to the experiment of the runs that carry the model's own metrics."""
    ref = reviewed.ref
    quality, fidelity = quality_of(content.side), f"{names.PREFIX}partial_r2"
    experiment = ref.experiment_id if ref.run_active else reviewed.run.info.experiment_id
    if quality is not None:
        save_view(client, str(experiment), quality, fidelity=fidelity)


def report_items(content: Content, config: Config) -> list[Item]:
    """Return the page, and the overview with the baseline's marks."""
    from mlflow_lime.report.overview import draw_overview
    from mlflow_lime.report.pages.report import baseline_of, render_report

    side = content.side
    page = render_report(content, top=config.outputs.top, most=config.report.max_instances)
    items: list[Item] = [File(names.REPORT_PAGE, page.encode("utf-8", "backslashreplace"))]
    baseline = baseline_of(content)
    if config.outputs.pictures and baseline:
        title = f"{side.name} (sample)" if side.sample else side.name
        picture = draw_overview(side.explanations, title=title, baseline=baseline)
        items.append(File(names.OVERVIEW_PICTURE, picture.encode("utf-8", "backslashreplace")))
    return items


def _runs(reviewed: Reviewed) -> list[str]:
    """Return the runs whose root holds the page: the review's, and the version's source run.

    The pages of MLflow that compare versions read the source run alone.
    """
    ref = reviewed.ref
    source = [str(ref.run_id)] if ref.run_active and ref.run_id is not None else []
    return list(dict.fromkeys([reviewed.run_id, *source]))
