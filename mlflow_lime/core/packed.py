"""Outcomes as single lines of bytes: exact, checked, and cheap to write and to read."""

import json
import struct
import zlib
from base64 import b64decode, b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.contents import content_from_dict
from mlflow_lime.core.explanation import Explanation, FailedExplanation, LabelExplanation
from mlflow_lime.errors import DataError

__all__ = ["join", "name_of", "pack", "split", "unpack"]

_HEAD = b'{"packed":"'
_CHECKED = len(_HEAD) + 10
"""Where the checked part of a line begins: after eight digits, a quotation mark, and a comma."""

_OF_LABEL = struct.Struct("<10d")
_OF_INSTANCE = struct.Struct("<2d")

_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What reading raises of a line that is not what was written."""


def _plain(value: object) -> Any:
    """Return numpy values as the JSON values that they stand for, and others as text."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)
_DECODER = json.JSONDecoder()


def pack(outcome: Explanation | FailedExplanation) -> bytes:
    r"""Return an outcome as one line without a newline in it; `unpack` reads it back.

    Parameters
    ----------
    outcome : Explanation or FailedExplanation
        Texts may hold any character; numbers may be NaN or infinite.

    Returns
    -------
    bytes
        A JSON object: a checksum, the key, the numbers as little-endian float64 in base64, and
        the rest. Texts are UTF-8, with lone surrogates as Python's ``surrogatepass`` writes them.

    Examples
    --------
    >>> pack(FailedExplanation("00 #a1b2c3", "the model\nraised", "ModelError"))[21:]
    b'"key":"00 #a1b2c3","failed":["the model\\nraised","ModelError"]}'
    """
    key = _encode(outcome.key)
    if isinstance(outcome, FailedExplanation):
        body = b'"key":%b,"failed":%b}' % (key, _encode([outcome.reason, outcome.kind]))
    else:
        rest, numbers = split(outcome)
        body = b'"key":%b,"numbers":"%b","rest":%b}' % (key, b64encode(numbers), rest)
    return _head(body) + body


def unpack(line: bytes) -> Explanation | FailedExplanation:
    """Read what `pack` wrote, and the lines of journals of earlier releases.

    Raises
    ------
    DataError
        If the line was cut, changed, or is something else.
    """
    try:
        if not line.startswith(_HEAD):
            return _unpack_older(line)
        data = json.loads(_checked(line))
        if "failed" in data:
            reason, kind = data["failed"]
            return FailedExplanation(data["key"], reason, kind)
        return _joined(data["key"], data["rest"], b64decode(data["numbers"]))
    except DataError:
        raise
    except _DAMAGE as error:
        raise _damaged(line) from error


def name_of(line: bytes) -> tuple[str, bool]:
    """Return the key of a line, and whether it holds an explanation, without reading the rest.

    Raises
    ------
    DataError
        If the line was cut, changed, or is something else.

    Examples
    --------
    >>> name_of(pack(FailedExplanation("00 #a1b2c3", "the model raised", "ModelError")))
    ('00 #a1b2c3', False)
    """
    if not line.startswith(_HEAD):
        outcome = unpack(line)
        return outcome.key, isinstance(outcome, Explanation)
    try:
        text = _checked(line)
        key, end = _DECODER.raw_decode(text, _CHECKED + len('"key":'))
        return str(key), text.startswith(',"numbers"', end)
    except _DAMAGE as error:
        raise _damaged(line) from error


def split(explanation: Explanation) -> tuple[bytes, bytes]:
    """Return an explanation without its key: what is no number as JSON, and the numbers.

    Returns
    -------
    rest : bytes
        JSON in UTF-8, with lone surrogates as Python's ``surrogatepass`` writes them.
    numbers : bytes
        Float64, little-endian.
    """
    labels, blocks = [], [_bytes(explanation.scores)]
    blocks.append(_OF_INSTANCE.pack(explanation.ess_share, explanation.permuted_r2))
    for item in explanation.labels:
        labels.append([item.label, item.index, item.flat, *item.replicate_weights.shape])
        blocks += _numbers_of(item)
    rest = {
        "mode": explanation.mode,
        "class_names": explanation.class_names,
        "scores": len(explanation.scores),
        "parts": explanation.parts,
        "names": None if explanation.names == explanation.parts else explanation.names,
        "labels": labels,
        "rows": explanation.rows,
        "rows_predicted": explanation.rows_predicted,
        "converged": explanation.converged,
        "exact": explanation.exact,
        "seed": explanation.seed,
        "digest": explanation.digest,
        "recipe": explanation.recipe,
        "notes": explanation.notes,
        "contents": [content.to_dict() for content in explanation.contents],
    }
    return _encode(rest), b"".join(blocks)


def join(key: str, rest: bytes, numbers: bytes) -> Explanation:
    """Return the explanation that `split` took apart.

    Raises
    ------
    DataError
        If the two do not belong together, or are something else.
    """
    try:
        return _joined(key, json.loads(rest.decode("utf-8", "surrogatepass")), numbers)
    except _DAMAGE as error:
        raise _damaged(rest) from error


def _joined(key: str, rest: dict[str, Any], numbers: bytes) -> Explanation:
    block = np.frombuffer(numbers, dtype="<f8").astype(np.float64)
    n_scores = rest["scores"]
    ess_share, permuted_r2 = block[n_scores : n_scores + 2].tolist()
    at, labels = n_scores + 2, []
    for label, index, flat, n_replicates, n_parts in rest["labels"]:
        end = at + 10 + (4 + n_replicates) * n_parts
        labels.append(_label(label, index, flat, block[at:end], n_parts))
        at = end
    if at != len(block):
        msg = f"{len(block)} numbers, expected {at}"
        raise ValueError(msg)
    parts = tuple(rest["parts"])
    names = rest["names"]
    return Explanation(
        key=key,
        mode=rest["mode"],
        class_names=tuple(rest["class_names"]),
        scores=block[:n_scores],
        parts=parts,
        names=parts if names is None else tuple(names),
        labels=tuple(labels),
        ess_share=ess_share,
        rows=rest["rows"],
        rows_predicted=rest["rows_predicted"],
        converged=rest["converged"],
        exact=rest["exact"],
        seed=rest["seed"],
        digest=rest["digest"],
        recipe=rest["recipe"],
        notes=tuple(rest["notes"]),
        contents=tuple(content_from_dict(item) for item in rest["contents"]),
        permuted_r2=permuted_r2,
    )


def _numbers_of(item: LabelExplanation) -> list[bytes]:
    """Return the numbers of a label, in the order in which `_label` takes them."""
    scalars = _OF_LABEL.pack(
        item.intercept,
        item.prediction,
        item.surrogate_prediction,
        item.fidelity_r2,
        item.error,
        item.output_std,
        item.decision_agreement,
        item.stability_topk,
        item.sign_agreement,
        item.partial_r2,
    )
    arrays = (item.weights, item.std_errors, item.low, item.high, item.replicate_weights)
    return [scalars, *map(_bytes, arrays)]


def _label(
    label: str, index: int, flat: bool, numbers: NDArray[np.float64], n_parts: int
) -> LabelExplanation:
    (
        intercept,
        prediction,
        surrogate_prediction,
        fidelity_r2,
        error,
        output_std,
        decision_agreement,
        stability_topk,
        sign_agreement,
        partial_r2,
    ) = numbers[:10].tolist()
    n_rows = (len(numbers) - 10) // n_parts if n_parts else 4
    table = numbers[10:].reshape(n_rows, n_parts)
    return LabelExplanation(
        label=label,
        index=index,
        weights=table[0],
        std_errors=table[1],
        low=table[2],
        high=table[3],
        replicate_weights=table[4:],
        intercept=intercept,
        prediction=prediction,
        surrogate_prediction=surrogate_prediction,
        fidelity_r2=fidelity_r2,
        error=error,
        output_std=output_std,
        decision_agreement=decision_agreement,
        stability_topk=stability_topk,
        sign_agreement=sign_agreement,
        flat=flat,
        partial_r2=partial_r2,
    )


def _unpack_older(line: bytes) -> Explanation | FailedExplanation:
    data = json.loads(line)
    if "failed" in data:
        return FailedExplanation(**data["failed"])
    return Explanation.from_dict(data["explained"])


def _checked(line: bytes) -> str:
    """Return the text of a line whose checksum holds."""
    if line[:_CHECKED] != _head(line[_CHECKED:]):
        msg = "the checksum differs"
        raise ValueError(msg)
    return line.decode("utf-8", "surrogatepass")


def _damaged(line: bytes) -> DataError:
    msg = (
        f"{len(line)} bytes are no outcome as this or an earlier release packs it: they were cut "
        "or changed after they were written, or a newer release wrote them; explain it again"
    )
    return DataError(msg)


def _head(body: bytes) -> bytes:
    return b'%b%08x",' % (_HEAD, zlib.crc32(body))


def _encode(value: object) -> bytes:
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")


def _bytes(values: NDArray[np.float64]) -> bytes:
    return np.asarray(values, dtype="<f8").tobytes()
