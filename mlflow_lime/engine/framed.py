"""Pickled messages over a pipe, each after its length."""

import pickle
import struct
from typing import IO, Any

__all__ = ["read", "receive", "send"]

_LENGTH = struct.Struct("<Q")


def send(stream: IO[bytes], message: object) -> None:
    """Write one message."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Return the next message.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    return pickle.loads(read(stream))


def read(stream: IO[bytes]) -> bytes:
    """Return the next message as it was pickled; see `receive`."""
    (length,) = _LENGTH.unpack(_read(stream, _LENGTH.size))
    return _read(stream, length)


def _read(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content
