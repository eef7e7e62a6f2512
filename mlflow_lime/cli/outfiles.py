"""Files that a command leaves behind: whole, or as they were."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

__all__ = ["is_replaced", "require_different", "require_place", "write_whole"]


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
    if path == "-":
        return
    place = Path(path)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the folder of {path!r} cannot be made: {error.strerror}."
        raise click.BadParameter(msg, param_hint=option) from error
    if place.is_dir() or not _is_writable(place):
        what = "is a folder" if place.is_dir() else "cannot be written"
        raise click.BadParameter(f"{path!r} {what}; name another file.", param_hint=option)


def _is_writable(place: Path) -> bool:
    """Whether a file can be written and, where it is replaced, its folder too."""
    if place.exists() and not os.access(place, os.W_OK):
        return False
    return not is_replaced(str(place)) or os.access(place.resolve().parent, os.W_OK)


def require_different(paths: Mapping[str, str | None]) -> None:
    """Refuse two options that name one file, or stdout twice.

    Parameters
    ----------
    paths : mapping of str to str or None
        By option; None where it was left out.

    Raises
    ------
    click.BadParameter
        If the second would replace what the first wrote, or follow it on stdout.
    """
    taken: dict[str, str] = {}
    for option, path in paths.items():
        if path is None or not (path == "-" or is_replaced(path)):
            continue
        first = taken.setdefault(path if path == "-" else os.path.realpath(path), option)
        if first != option:
            msg = f"{path!r} is what {first} names too; name another file."
            raise click.BadParameter(msg, param_hint=option)


def is_replaced(path: str) -> bool:
    """Whether writing replaces what was there, as it does in all but stdout, pipes, and devices.

    Examples
    --------
    >>> is_replaced("gate.md"), is_replaced("-"), is_replaced("/dev/null")
    (True, False, False)
    """
    place = Path(path)
    return path != "-" and (place.is_file() or not place.exists())


def write_whole(path: str, text: str) -> None:
    """Write a file so that whoever reads it finds all of it, or what was there before.

    Parameters
    ----------
    path : str
        A file, or ``-`` for stdout. What is no regular file, such as ``/dev/null`` or a pipe, is
        written to, and not replaced.
    text : str
        Written as UTF-8, with lone surrogates as escapes.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    content = text.encode("utf-8", "backslashreplace")
    if path == "-":
        click.echo(content, nl=False)
        return
    if not is_replaced(path):
        Path(path).write_bytes(content)
        return
    place = Path(path).resolve()
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
