"""The secret that MLflow signs its webhooks with: from the environment or a file, never shown."""

import os
import re
import stat
from pathlib import Path

from mlflow_lime.errors import ConfigError, shorten

__all__ = ["FILE_VARIABLE", "SECRET_VARIABLE", "find_secrets", "missing_secret"]

SECRET_VARIABLE = "MLFLOW_LIME_WEBHOOK_SECRET"
FILE_VARIABLE = "MLFLOW_LIME_WEBHOOK_SECRET_FILE"
SHORTEST = 16
"""Characters of the shortest secret that is taken."""
LONGEST = 512
"""Characters of the longest; MLflow keeps about 700, encrypted."""
MOST = 8
"""How many secrets a file may hold."""

_FORM = re.compile(r"[^\s\x00-\x1f\x7f]+")


def find_secrets(file: str | os.PathLike[str] | None = None) -> tuple[str, ...]:
    r"""Return the secrets of the webhook, the current one first; none where none is set.

    Parameters
    ----------
    file : path, optional
        A file with the secret in its first line. Older secrets, which the receiver still takes
        while they are replaced, may follow, a line each. Without it,
        ``$MLFLOW_LIME_WEBHOOK_SECRET`` or ``$MLFLOW_LIME_WEBHOOK_SECRET_FILE`` is used.

    Raises
    ------
    ConfigError
        If both variables are set, the file cannot be read or others can read it, or a secret is
        too short or has blanks in it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     written = file.write("0123456789abcdef\n"), file.flush()
    ...     find_secrets(file.name)
    ('0123456789abcdef',)
    """
    if file is not None:
        return _read(Path(file), "--secret-file")
    given, named = os.environ.get(SECRET_VARIABLE), os.environ.get(FILE_VARIABLE)
    if given and named:
        msg = f"expected one of {SECRET_VARIABLE} and {FILE_VARIABLE}, got both; unset one"
        raise ConfigError(msg)
    if named:
        return _read(Path(named), FILE_VARIABLE)
    return (_checked(given, SECRET_VARIABLE),) if given else ()


def missing_secret(otherwise: str = "") -> ConfigError:
    """Return the error that there is no secret.

    Examples
    --------
    >>> print(missing_secret())  # doctest: +ELLIPSIS
    no secret is set that webhooks are signed with; make one ...
    """
    msg = (
        "no secret is set that webhooks are signed with; make one with `openssl rand -hex 32`, "
        f"and set {SECRET_VARIABLE}, or write it into a file for you alone and set "
        f"{FILE_VARIABLE} or --secret-file{otherwise}"
    )
    return ConfigError(msg)


def _read(path: Path, named_by: str) -> tuple[str, ...]:
    where = f"the secret file {shorten(str(path))} ({named_by})"
    try:
        # A pipe without a writer would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        msg = f"{where} cannot be read: {error.strerror}"
        raise ConfigError(msg) from error
    try:
        _check_permissions(os.fstat(descriptor), where)
        content = os.read(descriptor, (LONGEST + 1) * 4 * MOST)
    finally:
        os.close(descriptor)
    try:
        lines = content.decode().removesuffix("\n").removesuffix("\r").split("\n")
    except UnicodeDecodeError:
        msg = f"{where} is not UTF-8 text"
        raise ConfigError(msg) from None
    if len(lines) > MOST:
        msg = f"{where} has more than {MOST} lines; expected one secret, or a few, a line each"
        raise ConfigError(msg)
    return tuple(
        _checked(line.removesuffix("\r"), f"{where}, line {number}")
        for number, line in enumerate(lines, 1)
    )


def _check_permissions(found: os.stat_result, where: str) -> None:
    """Refuse what is no file, and a file that others can read, as PostgreSQL does for its keys."""
    if not stat.S_ISREG(found.st_mode):
        msg = f"{where} is not a regular file"
        raise ConfigError(msg)
    if os.name != "posix":
        return
    # The group may read a file of root's: that is how orchestrators mount secrets.
    forbidden = 0o027 if found.st_uid == 0 and os.geteuid() != 0 else 0o077
    if found.st_mode & forbidden:
        msg = (
            f"{where} can be read or changed by other users (mode {found.st_mode & 0o777:04o}); "
            "take it for yourself: chmod 600, or mode 0400 where it is mounted"
        )
        raise ConfigError(msg)


def _checked(secret: str, where: str) -> str:
    if len(secret) < SHORTEST or len(secret) > LONGEST:
        size = "shorter" if len(secret) < SHORTEST else "longer"
        bound = SHORTEST if len(secret) < SHORTEST else LONGEST
        msg = (
            f"the secret in {where} is {size} than {bound} characters; make one with "
            "`openssl rand -hex 32`"
        )
        raise ConfigError(msg)
    if not _FORM.fullmatch(secret):
        msg = f"the secret in {where} has blanks or control characters in it; write it without"
        raise ConfigError(msg)
    return secret
