"""What runs on Spark's workers.

`look` is sent as code, so that it runs where mlflow-lime is missing too, and can say so.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

__all__ = ["LOOK_SCHEMA", "answer_schema", "answering", "looking"]

LOOK_SCHEMA = "host string, package string, found string"

OnFrames = Callable[[Any], Any]
"""From an iterator of data frames to another, as `mapInPandas` takes it."""


def answer_schema() -> "StructType":
    """Return the columns of answers; as text, Java would parse them with every job."""
    from pyspark.sql.types import (
        BinaryType,
        DoubleType,
        IntegerType,
        StringType,
        StructType,
    )

    schema = StructType()
    for name, kind in (
        ("number", IntegerType()),
        ("seconds", DoubleType()),
        ("lines", BinaryType()),
        ("kind", StringType()),
        ("text", StringType()),
    ):
        schema.add(name, kind)
    return schema


def looking(packages: tuple[str, ...]) -> OnFrames:
    """Return a function for `mapInPandas` that tells the versions of packages."""

    def look(frames: Any) -> Any:
        import socket
        from importlib.metadata import PackageNotFoundError, version

        import pandas as pd

        def found(package: str) -> str:
            try:
                return version(package)
            except PackageNotFoundError:
                return ""

        for _ in frames:
            pass
        rows = [(socket.gethostname(), package, found(package)) for package in packages]
        yield pd.DataFrame(rows, columns=["host", "package", "found"])

    return look


def answering(name: str, shared: Callable[[], bytes], folder: str) -> OnFrames:
    """Return a function for `mapInPandas` that does the work on tasks.

    Parameters
    ----------
    name : str
        Hash of the work.
    shared : callable
        Returns the pickled work, on a worker.
    folder : str
        Where the driver works.
    """

    def answer(frames: Any) -> Any:
        import pandas as pd

        from mlflow_lime.engine.spark.answers import answered

        for frame in frames:
            for number, task in zip(frame["number"], frame["task"], strict=True):
                row = answered(name, shared, folder, bytes(task))
                yield pd.DataFrame(
                    [(number, *row)], columns=["number", "seconds", "lines", "kind", "text"]
                )

    return answer
