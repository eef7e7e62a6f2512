"""Explanations and failures as JSON lines, without loss."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.errors import DataError, shorten

__all__ = ["explanations_json", "read_explanations_json"]


def explanations_json(
    explanations: Sequence[Explanation], failed: Sequence[FailedExplanation] = ()
) -> str:
    """Return one line of JSON for an instance; `read_explanations_json` reads it back.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances.
    failed : sequence of FailedExplanation
        Instances that could not be explained, as ``{"failed": {...}}`` at the end.

    Returns
    -------
    str
        Lines that end with a newline and can be encoded in UTF-8. Empty without any instance.
    """
    return "".join(f"{_encodable(line)}\n" for line in _lines(explanations, failed))


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
        if line.strip():
            item = _read_line(line, position)
            if isinstance(item, Explanation):
                explanations.append(item)
            else:
                failed.append(item)
    return explanations, failed


def _read_line(line: str, position: int) -> Explanation | FailedExplanation:
    try:
        data = json.loads(line)
        if "failed" in data:
            return FailedExplanation(**data["failed"])
        return Explanation.from_dict(data)
    except DataError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        msg = (
            f"line {position} of the explanations is no explanation ({error}): expected JSON as "
            f"explanations_json writes it, got {shorten(line)}"
        )
        raise DataError(msg) from error
