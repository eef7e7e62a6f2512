"""Explanations and failures as JSON lines, without loss."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.errors import DataError, shorten

__all__ = ["explanations_json", "read_explanations_json", "sample_note"]


def explanations_json(
    explanations: Sequence[Explanation],
    failed: Sequence[FailedExplanation] = (),
    *,
    sample: str = "",
) -> str:
    """Return one line of JSON for an instance; `read_explanations_json` reads it back.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances.
    failed : sequence of FailedExplanation
        Instances that could not be explained, as ``{"failed": {...}}`` at the end.
    sample : str
        What is said of them where they are only a part of a reference set, as
        ``{"sample": "..."}`` at the beginning.

    Returns
    -------
    str
        Lines that end with a newline and can be encoded in UTF-8. Empty without any instance.
    """
    first = [json.dumps({"sample": sample}, ensure_ascii=False)] if sample else []
    lines = chain(first, _lines(explanations, failed))
    return "".join(f"{_encodable(line)}\n" for line in lines)


def sample_note(text: str) -> str:
    """Return what is said of explanations that are only a part; empty where they are all.

    Examples
    --------
    >>> sample_note(explanations_json([], sample="10 of 20 instances are shown"))
    '10 of 20 instances are shown'
    """
    first = text.partition("\n")[0]
    if not first.startswith('{"sample"'):
        return ""
    return str(_loaded(first, 1)["sample"])


def _lines(
    explanations: Sequence[Explanation], failed: Sequence[FailedExplanation]
) -> Iterator[str]:
    for item in explanations:
        yield item.to_json()
    for failure in failed:
        yield json.dumps({"failed": asdict(failure)}, ensure_ascii=False)


def _encodable(line: str) -> str:
    """Return `line` with lone surrogates escaped as JSON escapes them."""
    return line.encode("utf-8", "backslashreplace").decode("utf-8")


def read_explanations_json(text: str) -> tuple[list[Explanation], list[FailedExplanation]]:
    """Read what `explanations_json` wrote.

    Parameters
    ----------
    text : str
        Lines of JSON. Blank lines are skipped.

    Returns
    -------
    tuple of (list of Explanation, list of FailedExplanation)
        Each in the order written.

    Raises
    ------
    DataError
        If a line is no explanation; the message tells which.
    """
    explanations: list[Explanation] = []
    failed: list[FailedExplanation] = []
    for position, line in enumerate(text.split("\n"), start=1):  # a name may hold U+2028
        if line.strip() and not (position == 1 and sample_note(line)):
            item = _read_line(line, position)
            if isinstance(item, Explanation):
                explanations.append(item)
            else:
                failed.append(item)
    return explanations, failed


def _read_line(line: str, position: int) -> Explanation | FailedExplanation:
    data = _loaded(line, position)
    try:
        if "failed" in data:
            return FailedExplanation(**data["failed"])
        return Explanation.from_dict(data)
    except DataError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_explanation(line, position, error) from error


def _loaded(line: str, position: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise _no_explanation(line, position, error) from error


def _no_explanation(line: str, position: int, error: Exception) -> DataError:
    msg = (
        f"line {position} of the explanations is no explanation ({error}): expected JSON as "
        f"explanations_json writes it, got {shorten(line)}"
    )
    return DataError(msg)
