"""``mlflow-lime reference``: the instances that every version of a model is explained on."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

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
    from mlflow_lime.reference.listing import Listed, Listing, SetDifference
    from mlflow_lime.tracking.pin_step import PinnedSet
    from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["reference"]

_EPILOG = """\b
Examples:
  mlflow-lime reference create models:/credit/3 --config lime.yaml
  mlflow-lime reference show models:/credit/3
  mlflow-lime reference diff models:/credit/3 --config lime.yaml
  mlflow-lime reference replace models:/credit/3 --config lime.yaml

\b
Which instances are picked is said in the YAML file:
  reference:
    pick: {submodular: 10, errors: 5, boundary: 5}
"""
_ASK = """\
{name} pins reference set {old}. Versions explained on it do not compare with those explained on
a new one, until they are explained again. Pick and pin a new set?"""
_LISTED = 20
_SHORTEST, _LONGEST = 6, 34
_COMMANDS = 5


@click.group(epilog=_EPILOG, short_help="Look at the pinned instances; pin or replace them.")
def reference() -> None:
    """Look at the instances that a registered model pins, pin some, or replace them.

    Every version of a model is explained on the same instances, with the same labels and the same
    background, so that their reasons compare. A digest stands for all of it.
    """


@reference.command(cls=Command, short_help="Pick and pin instances, where none are pinned.")
@click.argument("model_uri")
@config_option
@store_option
@debug_option
@click.pass_context
def create(ctx: click.Context, /, model_uri: str, *, config_path: str | None) -> None:
    """Pick instances for the registered model of MODEL_URI, and pin them; nothing is explained.

    Where instances are pinned already, this is refused: `replace` says so by its name.
    """
    config, client, ref = _open(ctx, model_uri, config_path)
    from mlflow_lime.errors import ReferenceSetError

    pinned = _pin(ref, config, client, new_set=False)
    if not pinned.fresh:
        msg = (
            f"{ref.name!r} pins {pinned.instances} instances already (reference set "
            f"{pinned.digest}); use `mlflow-lime reference replace {ref.uri}`"
        )
        raise ReferenceSetError(msg)
    click.echo(f"Pinned reference set {pinned.digest} of {pinned.instances} instances")
    _say_pinned(pinned, ref, config_path)


@reference.command(cls=Command, short_help="Show the pinned instances.")
@click.argument("model_uri")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
@debug_option
@click.pass_context
def show(ctx: click.Context, /, model_uri: str, *, as_json: bool) -> None:
    """Show which instances the registered model of MODEL_URI pins, and why they were chosen.

    Neither the model nor the data is read.
    """
    _, client, ref = _open(ctx, model_uri, None, configured=False)
    from mlflow_lime.tracking.reference_sets import pinned_listing

    pin, listing = pinned_listing(ref, client)
    if as_json:
        click.echo(json.dumps(_plain(pin[1], listing), ensure_ascii=False, indent=2))
        return
    click.echo(f"Reference set {listing.digest} of {ref.name}, {len(listing.instances)} instances")
    click.echo(f"  run         {pin[1]}")
    click.echo(f"  background  {listing.background or 'none'}")
    click.echo(f"  stored      {listing.store_inputs}\n")
    click.echo("\n".join(_table(listing.instances)))


@reference.command(cls=Command, short_help="Pick instances anew, and pin them.")
@click.argument("model_uri")
@config_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@store_option
@debug_option
@click.pass_context
def replace(ctx: click.Context, /, model_uri: str, *, config_path: str | None, yes: bool) -> None:
    """Pick instances anew, and pin them in place of those that the model pins.

    The old set stays in its run, and explanations of it stay as they are. To be compared with
    versions that are explained on the new set, a version must be explained again.
    """
    config, client, ref = _open(ctx, model_uri, config_path)
    from mlflow_lime.errors import ReferenceSetError
    from mlflow_lime.tracking.pinned import read_pin

    try:
        before = read_pin(client, ref)
        old = None if before is None else before[0]
    except ReferenceSetError:  # what a new set is to mend
        old = "(unreadable)"
    if old is not None and not yes:
        click.confirm(_ASK.format(name=ref.name, old=old), abort=True)
    pinned = _pin(ref, config, client, new_set=True)
    if not pinned.fresh:
        click.echo(f"The same instances were picked: {pinned.digest} stays pinned")
        return
    place = "" if old is None else f" in place of {old}"
    click.echo(f"Pinned reference set {pinned.digest} of {pinned.instances} instances{place}")
    _say_pinned(pinned, ref, config_path)
    if old is not None:
        _say_explain_again(ref, client, config_path)


@reference.command(cls=Command, short_help="Compare the pinned set with another.")
@click.argument("model_uri")
@click.option(
    "--with",
    "other",
    metavar="RUN_OR_DIGEST",
    help="An earlier set, by its digest or the run that holds it.  "
    "[default: what the configuration would pick now]",
)
@config_option
@store_option
@debug_option
@click.pass_context
def diff(
    ctx: click.Context, /, model_uri: str, *, other: str | None, config_path: str | None
) -> None:
    """Say how the pinned instances differ from an earlier set, or from what would be picked now.

    Shown is what the other set has (+) and has not (-). Nothing is pinned.
    """
    config, client, ref = _open(ctx, model_uri, config_path)
    from mlflow_lime.cli.summary import note_lines
    from mlflow_lime.reference.listing import compare_listings
    from mlflow_lime.tracking.reference_sets import (
        earlier_listing,
        pinned_listing,
        would_be_picked,
    )
    from mlflow_lime.tracking.review import show_progress

    pin, pinned = pinned_listing(ref, client)
    notes: Sequence[str] = ()
    if other is None:
        found, notes = would_be_picked(ref, config, client, progress=show_progress(config))
        what = f"would be picked with {config_source(config_path) or 'all defaults'}"
    else:
        place, found = earlier_listing(ref, other, client)
        what = f"of run {place[1]}"
    click.echo(f"- {pinned.digest}  pinned, of run {pin[1]}\n+ {found.digest}  {what}\n")
    click.echo("\n".join(_difference(compare_listings(pinned, found), found)))
    click.echo("".join(f"\n{line}" for line in note_lines(notes)), nl=bool(notes))


def _open(
    ctx: click.Context, model_uri: str, config_path: str | None, *, configured: bool = True
) -> "tuple[Config, MlflowClient, ModelVersionRef]":
    """Read the configuration, and find the version; refuse a model that pins nothing."""
    from mlflow_lime.config import Config

    config = read_config(config_path) if configured else Config()
    client = open_store(ctx, model_uri)
    from mlflow_lime.tracking.versions import resolve_model

    ref = resolve_model(model_uri, client)
    if configured:
        check_models(config, config_path, ref)
    return config, client, ref


def _pin(
    ref: "ModelVersionRef", config: "Config", client: "MlflowClient", *, new_set: bool
) -> "PinnedSet":
    from mlflow_lime.tracking.pin_step import ensure_reference
    from mlflow_lime.tracking.review import show_progress

    return ensure_reference(ref, config, client, new_set=new_set, progress=show_progress(config))


def _say_pinned(pinned: "PinnedSet", ref: "ModelVersionRef", config_path: str | None) -> None:
    from mlflow_lime.cli.summary import note_lines

    click.echo(f"  in run {pinned.run_id}")
    for line in note_lines(pinned.notes):
        click.echo(line)
    click.echo(f"\nNext: mlflow-lime explain {ref.uri}{_option(config_path)}")


def _say_explain_again(
    ref: "ModelVersionRef", client: "MlflowClient", config_path: str | None
) -> None:
    from mlflow_lime.tracking.reference_sets import explained_versions

    uris = explained_versions(ref, client)
    if not uris:
        return
    click.echo("\nVersions that are to be compared must be explained again, on the new set:")
    for uri in uris[:_COMMANDS]:
        click.echo(f"  mlflow-lime explain {uri}{_option(config_path)}")
    if len(uris) > _COMMANDS:
        click.echo(f"  ... and {len(uris) - _COMMANDS} older versions")


def _option(config_path: str | None) -> str:
    return f" --config {config_path}" if config_path else ""


def _plain(run_id: str, listing: "Listing") -> dict[str, Any]:
    """Return a set as plain JSON values."""
    return {
        "digest": listing.digest,
        "run_id": run_id,
        "store_inputs": listing.store_inputs,
        "background": listing.background,
        "instances": [
            {
                "key": item.key,
                "row": item.position,
                "true_label": item.true_label,
                "labels": list(item.labels),
                "reason": item.reason,
            }
            for item in listing.instances
        ],
    }


def _table(instances: "Sequence[Listed]") -> Iterator[str]:
    """Yield a line for each instance, in columns."""
    rows = [("key", "row", "true label", "explained", "why"), *map(_fields, instances)]
    widths = [max(_SHORTEST, *(len(row[i]) for row in rows)) for i in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [f"{text:<{width}}" for text, width in zip(row, widths, strict=False)]
        yield f"  {'  '.join([*cells, row[-1]])}"


def _fields(item: "Listed") -> tuple[str, ...]:
    from mlflow_lime.report.wording import clean, cut

    true = "" if item.true_label is None else item.true_label
    labels = ", ".join(item.labels) or "(decided later)"
    return (
        clean(item.key),
        str(item.position),
        cut(clean(true), _LONGEST),
        cut(clean(labels), _LONGEST),
        clean(item.reason),
    )


def _difference(found: "SetDifference", other: "Listing") -> Iterator[str]:
    """Yield how a set differs from the pinned one."""
    if not found:
        yield f"The same {len(other.instances)} instances, labels and background"
        return
    yield f"{len(found.added)} added, {len(found.removed)} removed, {len(found.kept)} kept"
    for sign, items in (("+", found.added), ("-", found.removed)):
        lines = list(_table(items))[1:]
        yield from (f"{sign}{line[1:]}" for line in lines[:_LISTED])
        if len(lines) > _LISTED:
            yield f"{sign} ... and {len(lines) - _LISTED} more"
    if found.relabelled:
        yield f"other labels to explain: {len(found.relabelled)} of those kept"
    if found.recut:
        yield f"cut into other parts: {len(found.recut)} of those kept"
    if found.moved:
        yield "those kept stand in another order"
    if found.background:
        yield "another background"
    if found.layout:
        yield "columns that hold something else"
