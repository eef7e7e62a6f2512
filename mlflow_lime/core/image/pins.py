"""What a reference set keeps of images: which pixels they have, and how they are cut."""

import base64
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.errors import DataError

__all__ = ["file_content", "labels_from_json", "labels_to_json"]

MOST_FILE_BYTES = 256 * 2**20


def labels_to_json(labels: NDArray[Any]) -> dict[str, Any]:
    """Return labels of pixels, shape (height, width), as plain JSON values.

    Examples
    --------
    >>> labels_from_json(labels_to_json(np.array([[0, 0], [1, 2]]))).tolist()
    [[0, 0], [1, 2]]
    """
    packed = zlib.compress(np.ascontiguousarray(labels, dtype="<i4").tobytes(), 6)
    return {"shape": list(labels.shape), "labels": base64.b64encode(packed).decode("ascii")}


def labels_from_json(data: Mapping[str, Any]) -> NDArray[np.int32]:
    """Read what `labels_to_json` wrote.

    Raises
    ------
    DataError
        If the content is damaged.
    """
    try:
        height, width = (int(size) for size in data["shape"])
        size = 4 * height * width
        content = zlib.decompressobj().decompress(base64.b64decode(data["labels"]), size)
        return np.frombuffer(content, dtype="<i4").reshape(height, width).astype(np.int32)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        msg = f"pinned superpixels are damaged ({type(error).__name__}); replace the reference set"
        raise DataError(msg) from error


def file_content(cell: Any) -> Any:
    """Return the content of the file that a path names; anything else as it is.

    A file that cannot be read, or is too large for an image, is left as its path.
    """
    if not isinstance(cell, str):
        return cell
    path = Path(cell)
    try:
        return path.read_bytes() if path.stat().st_size <= MOST_FILE_BYTES else cell
    except OSError:
        return cell
