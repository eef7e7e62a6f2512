"""The scoring function: a model as one call from rows to an array of scores."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models.signature import ModelSignature
from numpy.typing import NDArray

from mlflow_lime.core.predict import as_scores
from mlflow_lime.core.text.vectorised import TextPipeline
from mlflow_lime.errors import MlflowLimeError, ModelError, ModelOutputError, shorten
from mlflow_lime.tracking.casting import InputCaster
from mlflow_lime.tracking.outputs import are_labels, as_probabilities, flat, one_hot, unwrapped

__all__ = ["ScoringFunction", "ask_model"]


@dataclass(frozen=True, slots=True, eq=False)
class ScoringFunction:
    """A model as a function from rows to scores.

    Attributes
    ----------
    mode : {"classification", "regression"}
        What the model does.
    class_names : tuple of str
        Name of each column of the scores; ``("value",)`` for a regression.
    how : str
        One line that says which way leads to the scores.
    notes : tuple of str
        Warnings for the summary.
    caster : InputCaster
        Names, order, and types of the inputs.
    call : callable
        Cast inputs to whatever the model returns.
    classes : tuple or None
        The model's own class values, where it gives labels.
    labels : bool or None
        Whether it gives labels; None where each output is looked at.
    logits : bool
        Whether it gives logits, which are turned into probabilities.
    signature : ModelSignature or None
        Signature that the model was logged with.
    model : object
        The loaded model; None where a function that does not need it gives the scores.
    """

    mode: str
    class_names: tuple[str, ...]
    how: str
    caster: InputCaster = field(repr=False)
    call: Callable[[Any], Any] = field(repr=False)
    notes: tuple[str, ...] = ()
    classes: tuple[Any, ...] | None = field(default=None, repr=False)
    labels: bool | None = field(default=None, repr=False)
    logits: bool = False
    signature: ModelSignature | None = field(default=None, repr=False)
    model: Any = field(default=None, repr=False)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Return the input columns in the model's order, or None where it names none."""
        return self.caster.columns

    @property
    def dtypes(self) -> dict[str, str]:
        """Return the type that each column is cast to."""
        return {name: str(kind) for name, kind in self.caster.types.items() if kind is not None}

    @property
    def reads_arrays(self) -> bool:
        """Return whether the model reads one array of more than two dimensions."""
        tensors = self.caster.tensors
        return len(tensors) == 1 and len(tensors[0].shape) > 2

    def text_pipeline(self) -> tuple[TextPipeline | None, str]:
        """Return the model with its vectoriser apart, or why there is none."""
        owner = getattr(self.call, "__self__", None)
        if owner is None:
            return None, "the model is not asked through a scikit-learn pipeline"
        return TextPipeline.of(owner, self.call.__name__)

    def __call__(self, inputs: Any) -> NDArray[np.float64]:
        """Return the scores of some rows; the same as `score`."""
        return self.score(inputs)

    def score(self, inputs: Any) -> NDArray[np.float64]:
        """Return the scores of some rows.

        Parameters
        ----------
        inputs : DataFrame, ndarray, or list, length n_rows
            Rows, with or without the model's column order and types.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_outputs)
            Probabilities by class, or values.

        Raises
        ------
        DataError
            If the rows lack a column, or hold what its type cannot.
        ModelError
            If the model raises.
        ModelOutputError
            If it returns another number of rows or columns, NaN, or an unknown label.
        """
        return self.judge(
            ask_model(self.call, self.caster(inputs), len(inputs), self.how), len(inputs)
        )

    def judge(self, raw: Any, n_rows: int) -> NDArray[np.float64]:
        """Return what the model gave for some rows as checked scores.

        Parameters
        ----------
        raw : array_like
            The model's own output.
        n_rows : int
            Rows that it was asked for.

        Raises
        ------
        ModelOutputError
            As `score`.
        """
        scores = self._scores(raw, n_rows)
        if scores.shape[1] != len(self.class_names):
            msg = (
                f"the model returned {scores.shape[1]} outputs, expected "
                f"{len(self.class_names)}: {shorten(self.class_names)}; check class_names"
            )
            raise ModelOutputError(msg)
        return scores

    def check(self, frame: pd.DataFrame) -> tuple[str, ...]:
        """Try the columns of some data without calling the model, and return remarks.

        Raises
        ------
        DataError
            If a column is missing, or holds what its type cannot.
        """
        return self.caster.check(frame)

    def describe(self) -> dict[str, Any]:
        """Return plain JSON values for the recipe of an explanation."""
        return {
            "how": self.how,
            "mode": self.mode,
            "class_names": list(self.class_names),
            "columns": None if self.columns is None else list(self.columns),
            "dtypes": self.dtypes,
            "notes": list(self.notes),
        }

    def _scores(self, raw: Any, n_rows: int) -> NDArray[np.float64]:
        output = unwrapped(raw)
        if self.mode == "classification" and self.labels is not False:
            array = flat(output)
            if array is not None and (self.labels or are_labels(array)):
                if len(array) != n_rows:
                    as_scores(np.zeros(len(array)), n_rows, mode="regression")
                return one_hot(array, self.classes, self.class_names)
        if self.logits:
            return as_probabilities(as_scores(output, n_rows, mode="regression"))
        return as_scores(output, n_rows, mode=self.mode)


def ask_model(call: Callable[[Any], Any], inputs: Any, n_rows: int, how: str) -> Any:
    """Call the model; its own message stays out of ours, because it may hold a row's values."""
    try:
        return call(inputs)
    except MlflowLimeError:
        raise
    except (Exception, SystemExit) as error:  # sys.exit() must not end what asks the model
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}, {frames[-1].name}"
        msg = (
            f"the model raised {type(error).__name__} on {n_rows} rows ({how}; {place}). Its "
            "message may hold data and is left out; it stands in this error's __context__"
        )
        raise ModelError(msg) from None
