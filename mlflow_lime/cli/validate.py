"""``mlflow-lime validate``: try everything that explaining needs, with two rows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mlflow_lime.cli.session import (
    Command,
    check_models,
    config_option,
    config_source,
    debug_option,
    open_store,
    read_config,
    store_option,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_lime.config import Config
    from mlflow_lime.reference.reference_set import ReferenceSet
    from mlflow_lime.tracking.questions import Questions
    from mlflow_lime.tracking.scoring_function import ScoringFunction
    from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["questions_of", "validate"]

_SHOWN_NAMES = 12


@click.command(
    cls=Command,
    short_help="Try model and data; foretell rows and seconds.",
    epilog="""\b
Examples:
  mlflow-lime validate models:/credit/3
  mlflow-lime validate models:/credit@champion --config lime.yaml

Nothing is logged and nothing is pinned.
""",
)
@click.argument("model_uri")
@config_option
@click.option(
    "--new-reference", is_flag=True, help="Try a new pick of instances, not the pinned ones."
)
@store_option
@debug_option
@click.pass_context
def validate(
    ctx: click.Context, /, model_uri: str, *, config_path: str | None, new_reference: bool
) -> None:
    """Check configuration, model and data, and foretell the cost of explaining.

    The model is loaded and asked for a few rows only. What would be explained, and how, is shown
    together with the number of model rows and seconds that it would take.
    """
    config = read_config(config_path)
    client = open_store(ctx, model_uri)
    from mlflow_lime.cli.summary import note_lines
    from mlflow_lime.tracking.connection import quiet_autologging
    from mlflow_lime.tracking.versions import resolve_model

    ref = resolve_model(model_uri, client)
    check_models(config, config_path, ref)
    with quiet_autologging():
        questions, origin, notes = questions_of(ref, config, client, anew=new_reference)
        lines = [
            f"{ref.label} can be explained",
            "",
            *_model_lines(ref, questions),
            *_input_lines(questions, config, origin, config_source(config_path)),
            *_cost_lines(questions),
        ]
    remarks = list(note_lines([*notes, *questions.notes]))
    click.echo("\n".join([*lines, *(["", *remarks] if remarks else [])]))
    click.echo(f"\nNext: mlflow-lime explain {model_uri}{_option(config_path)}")


def _option(config_path: str | None) -> str:
    return f" --config {config_path}" if config_path else ""


def questions_of(
    ref: "ModelVersionRef", config: "Config", client: "MlflowClient", *, anew: bool
) -> tuple["Questions", str, list[str]]:
    """Return what would be asked of the model, where its instances come from, and remarks."""
    from mlflow_lime.tracking.pinned import read_pin
    from mlflow_lime.tracking.pinning import new_reference
    from mlflow_lime.tracking.questions import ask, load_scorer, sample_inputs
    from mlflow_lime.tracking.review import inherited_reference

    pin = None if anew else read_pin(client, ref)
    reference: ReferenceSet
    scorer: ScoringFunction
    if pin is None:
        reference, scorer, notes = new_reference(ref, config, client)
        return (
            ask(reference, scorer, config),
            f"newly picked ({', '.join(config.reference.counts)})",
            notes,
        )
    reference = inherited_reference(client, ref, config, pin)
    scorer = load_scorer(ref.uri, config, sample_inputs(reference, config))
    origin = f"inherited: pinned by run {pin[1]}"
    notes = []
    usual = type(config)()
    if (config.data, config.background) != (usual.data, usual.background):
        notes.append(
            "instances and background are pinned, so what `data` and `background` name was not "
            "read; add --new-reference to use it"
        )
    return ask(reference, scorer, config), origin, notes


def _model_lines(ref: "ModelVersionRef", questions: "Questions") -> Iterator[str]:
    from mlflow_lime.cli.summary import fact
    from mlflow_lime.report.wording import number

    scoring = questions.scoring
    yield from fact("model", f"{ref.uri} ({', '.join(ref.flavors) or 'no MLmodel file'})")
    yield from fact("asked through", scoring["how"])
    classes = scoring["class_names"]
    is_regression = scoring["mode"] == "regression"
    yield from fact("task", scoring["mode"])
    if not is_regression:
        yield from fact("classes", f"{len(classes)}: {_listed(classes)}")
    columns = scoring["columns"] or [str(name) for name in questions.reference.layout.columns]
    kinds = scoring["dtypes"]
    named = [f"{name} ({kinds[name]})" if name in kinds else name for name in columns]
    yield from fact("columns", f"{len(named)}: {_listed(named)}")
    subjects = questions.subjects[:2]
    if subjects:
        inputs = questions.explainer.domain.originals(subjects)
        scores = questions.explainer.predictor(inputs, len(subjects))
        shown = ["(" + ", ".join(number(value) for value in row[:5]) + ")" for row in scores]
        yield from fact("scores of two rows", " ".join(shown))


def _input_lines(
    questions: "Questions", config: "Config", origin: str, source: str | None
) -> Iterator[str]:
    from mlflow_lime.cli.summary import fact
    from mlflow_lime.tracking.attribution_step import tell_inside

    reference = questions.reference
    yield from fact("configuration", source or "all defaults")
    yield from fact("reference set", f"{len(reference)} instances, {origin}, {reference.digest}")
    yield from _table_lines(reference, config)
    yield from _content_lines(questions, config, inherited=origin.startswith("inherited"))
    inside = tell_inside(questions)
    if inside:
        yield from fact("inside the network", inside)
    shown = {name for labels in reference.labels for name in labels}
    if shown and questions.explainer.mode == "classification":
        yield from fact("explained classes", _listed(sorted(shown)))


def _table_lines(reference: "ReferenceSet", config: "Config") -> Iterator[str]:
    """Say how the tabular columns are taken apart, if there are any."""
    from mlflow_lime.cli.summary import fact

    background = reference.layout.background
    if background is None:
        return
    kinds = [part.kind for part in background.parts]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    yield from fact("background", f"{len(kinds)} parts ({counted})")
    table = config.tabular
    detail = {"mask": table.sampling, "bins": "bins", "standardised": table.around}
    if isinstance(table.bins, str):
        detail["bins"] = table.bins
    text = f"{table.representation} ({detail[table.representation]})"
    yield from fact("representation", text)


def _content_lines(questions: "Questions", config: "Config", *, inherited: bool) -> Iterator[str]:
    """Say how texts, images and sequences are taken apart, and into how many parts."""
    from mlflow_lime.cli.summary import fact

    layout = questions.reference.layout
    counts = [subject.n_active for subject in questions.subjects]
    pinned = ", as they were pinned" if questions.reference.parts and inherited else ""
    if layout.texts:
        absent = "removed" if config.text.mask is None else f"replaced by {config.text.mask!r}"
        names = _listed([str(name) for name in layout.texts])
        cut = questions.reference.cuts.get(str(layout.texts[0]), {})
        parts = cut.get("parts", config.text.parts)
        yield from fact("text", f"{names}: {parts}, absent ones {absent}")
    if layout.images:
        names = _listed([image.name for image in layout.images])
        form = layout.images[0].form.kind
        cut = questions.reference.cuts.get(layout.images[0].name, {})
        segments = cut.get("segments", config.image.segments)
        absent = f"absent ones {config.image.absent}"
        yield from fact("image", f"{names} ({form}): {segments}, {absent}")
    for item in layout.sequences:
        cut = questions.reference.cuts.get(item.name, {})
        chosen = config.sequence
        parts, windows = cut.get("series_parts", chosen.parts), cut.get("windows", chosen.windows)
        text = f"{item.name} ({item.form.kind}): {parts}, {windows}, absent ones {chosen.absent}"
        yield from fact("sequence", text)
    if counts and not layout.is_table:
        low, high = min(counts), max(counts)
        many = f"{low}" if low == high else f"{low} to {high}"
        yield from fact("an instance has", f"{many} parts{pinned}")
    paths = [
        str(subject.facts["path"]) for subject in questions.subjects if "path" in subject.facts
    ]
    if paths:
        words = {"sparse": "as sparse rows, exactly", "strings": "as strings"}
        shown = [f"{paths.count(path)} {words[path]}" for path in dict.fromkeys(paths)]
        yield from fact("perturbed", ", ".join(shown))


def _cost_lines(questions: "Questions") -> Iterator[str]:
    from mlflow_lime.cli.estimate import estimate
    from mlflow_lime.cli.summary import fact

    found = estimate(questions.explainer, questions.subjects)
    yield from fact("design", ", ".join(found.designs) or "none: no part can be varied")
    low, high = found.rows
    many = f"{low:,}" if low == high else f"{low:,} to {high:,}, as precision asks"
    yield from fact("model rows", f"{many}; equal rows count once")
    yield from fact("time in the model", f"{_span(*found.seconds)} here, plus fits and pictures")


def _span(low: float, high: float) -> str:
    first, last = _duration(low), _duration(high)
    if first == last:
        return f"about {first}"
    shared = first.rpartition(" ")[2] == last.rpartition(" ")[2]
    return f"about {first.split()[0] if shared else first} to {last}"


def _duration(seconds: float) -> str:
    """Return seconds as a person says them.

    Examples
    --------
    >>> [_duration(x) for x in (0.2, 47.3, 400, 9000)]
    ['1 s', '47 s', '7 min', '2.5 h']
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _listed(items: list[str]) -> str:
    shown = items[:_SHOWN_NAMES]
    more = f", and {len(items) - len(shown)} more" if len(items) > len(shown) else ""
    return ", ".join(shown) + more
