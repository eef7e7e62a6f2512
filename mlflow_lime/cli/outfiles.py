"""Files that a command leaves behind: whole, or as they were."""

import os
from pathlib import Path

import click

__all__ = ["require_place", "write_whole"]


def require_place(path: str, option: str) -> None:
    """Refuse a file that cannot be written, before any work is done for it.

    Its folder is made where there is none.

    Parameters
    ----------
    path : str
        A file, or ``-`` for stdout.
    option : str
        Where it was named.

    Raises
    ------
    click.BadParameter
        If it is a folder, or lies where nothing can be written.
    """
    place = Path(path).resolve()
    try:
        if path != "-":
            place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the folder of {path!r} cannot be made: {error.strerror}."
        raise click.BadParameter(msg, param_hint=option) from error
    writable = os.access(place if place.exists() else place.parent, os.W_OK)
    if path != "-" and (place.is_dir() or not writable):
        what = "is a folder" if place.is_dir() else "cannot be written"
        raise click.BadParameter(f"{path!r} {what}; name another file.", param_hint=option)


def write_whole(path: str, text: str) -> None:
    """Write a file so that whoever reads it finds all of it, or what was there before.

    Parameters
    ----------
    path : str
        A file, or ``-`` for stdout. What is no regular file, such as ``/dev/null``, is written to,
        and not replaced.
    text : str
    """
    place = Path(path).resolve()
    if path == "-":
        click.echo(text, nl=False)
    elif place.exists() and not place.is_file():
        place.write_text(text, encoding="utf-8")
    else:
        draft = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)
