"""The small items that results are made of; written to MLflow elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

__all__ = ["File", "Item", "Metric", "Picture", "Table", "VersionTag", "WrittenFile"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of the whole review."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class File:
    """An artifact, by its path below the run's artifacts."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True, eq=False)
class WrittenFile:
    """An artifact that is too large to be held: it writes itself.

    Attributes
    ----------
    path : str
        Where it lies below the run's artifacts.
    write : callable
        Writes the file to a place; its folder is there.
    """

    path: str
    write: Callable[[Path], None]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table for MLflow's table view."""

    path: str
    frame: pd.DataFrame


@dataclass(frozen=True, slots=True)
class VersionTag:
    """A tag of the model version."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Picture:
    """An image for MLflow's image grid.

    Attributes
    ----------
    key : str
        Name of the series.
    step : int
        Number of the instance in the reference set, from 0.
    png : bytes
        The image.
    """

    key: str
    step: int
    png: bytes


Item = Metric | File | WrittenFile | Table | VersionTag | Picture
