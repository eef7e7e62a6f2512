"""JSON that was logged, read back: its format, and what is said of anything else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow_lime.errors import DataError, shorten

__all__ = ["reading"]


@contextmanager
def reading(text: str, what: str, *, expected: int) -> Iterator[dict[str, Any]]:
    """Yield what a JSON text of a known format holds; what is wrong with it is a data error.

    Parameters
    ----------
    text : str
    what : str
        What it should be, in the plural.
    expected : int
        Its ``format``.

    Raises
    ------
    DataError
        If the text is something else, or was written in a newer format; also for what is raised
        while it is taken apart.

    Examples
    --------
    >>> with reading('{"format": 1, "rows": 3}', "counts", expected=1) as data:
    ...     data["rows"]
    3
    """
    try:
        data = json.loads(text)
        if data["format"] != expected:
            msg = (
                f"{what} have format {shorten(data['format'])}, expected {expected}; upgrade "
                "mlflow-lime"
            )
            raise DataError(msg)
        yield data
    except DataError:
        raise
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        msg = f"these are no {what} in JSON: {type(error).__name__}: {error}"
        raise DataError(msg) from error
