"""Arrays of numbers as plain JSON values, and back."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.errors import DataError

__all__ = ["values_from_json", "values_to_json"]


def values_to_json(values: NDArray[Any]) -> dict[str, Any]:
    """Return numbers of any shape as plain JSON values, exactly.

    Examples
    --------
    >>> values_from_json(values_to_json(np.array([[0.1, np.nan]]))).tolist()
    [[0.1, nan]]
    """
    packed = zlib.compress(np.ascontiguousarray(values, dtype="<f8").tobytes(), 6)
    return {"shape": list(values.shape), "values": base64.b64encode(packed).decode("ascii")}


def values_from_json(data: Mapping[str, Any]) -> NDArray[np.float64]:
    """Read what `values_to_json` wrote.

    Raises
    ------
    DataError
        If the content is damaged.
    """
    try:
        shape = tuple(int(size) for size in data["shape"])
        size = 8 * int(np.prod(shape, dtype=object))
        if min(shape, default=1) < 0:
            msg = "a negative size"
            raise ValueError(msg)
        reader = zlib.decompressobj()
        content = reader.decompress(base64.b64decode(data["values"]), max(1, size))
        return np.frombuffer(content, dtype="<f8").reshape(shape).astype(np.float64)
    except (KeyError, TypeError, ValueError, OverflowError, MemoryError, zlib.error) as error:
        msg = (
            f"the stored numbers of a sequence are damaged ({type(error).__name__}); they were "
            "changed after they were written"
        )
        raise DataError(msg) from error
