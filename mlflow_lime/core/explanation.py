"""The result of explaining one instance: plain frozen data, serialisable both ways."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.core.contents import Content, content_from_dict
from mlflow_lime.errors import DataError, ModelError, did_you_mean, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Explanation", "FailedExplanation", "LabelExplanation"]

FloatArray = NDArray[np.float64]

FORMAT = 1
"""Version of the JSON form; a reader refuses a newer one."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelExplanation:
    """The surrogate of one model output around one instance.

    Attributes
    ----------
    label : str
        The class whose probability is explained, or ``"value"`` for a regression.
    index : int
        Column of the label in the model's scores.
    weights : ndarray of float64, shape (n_parts,)
        Effect of keeping each part, in units of the output (probability or target) per part.
        Zero for parts that the surrogate did not select.
    std_errors : ndarray of float64, shape (n_parts,)
        Standard errors of the weights (jackknife over replicates); zero where the neighbourhood
        was enumerated.
    low, high : ndarray of float64, shape (n_parts,)
        Confidence limits of the weights.
    replicate_weights : ndarray of float64, shape (n_replicates, n_parts)
        The weights fitted without each replicate in turn. Two versions that were explained with
        the same seeds pair up row by row. No rows where the neighbourhood was enumerated.
    intercept : float
        The surrogate where every part is absent.
    prediction : float
        The model at the instance.
    surrogate_prediction : float
        The surrogate at the instance.
    fidelity_r2 : float
        Held-out weighted coefficient of determination; NaN where the outputs do not vary.
    error : float
        Held-out weighted root mean squared error, in units of the output.
    output_std : float
        Weighted standard deviation of the output in the neighbourhood.
    decision_agreement : float
        Weighted share of held-out neighbours that model and surrogate decide alike; NaN for a
        regression.
    stability_topk : float
        Mean Jaccard overlap of the top parts between leave-one-replicate-out fits.
    sign_agreement : float
        Share of those fits that agree with the sign of the weight, over the top parts.
    flat : bool
        Whether the output hardly varies in the neighbourhood, so that there is nothing to explain.
    partial_r2 : float
        Held-out partial coefficient of determination: of the variance that the nuisance columns
        leave over (the noise of background values, the curve in the number of parts kept), the
        share that the parts explain. `fidelity_r2` where there are no such columns; NaN where the
        outputs do not vary, or where it is not known.
    """

    label: str
    index: int
    weights: FloatArray
    std_errors: FloatArray
    low: FloatArray
    high: FloatArray
    replicate_weights: FloatArray
    intercept: float
    prediction: float
    surrogate_prediction: float
    fidelity_r2: float
    error: float
    output_std: float
    decision_agreement: float
    stability_topk: float
    sign_agreement: float
    flat: bool
    partial_r2: float = math.nan

    @property
    def local_gap(self) -> float:
        """Distance between the surrogate and the model at the instance, in units of the output."""
        return abs(self.surrogate_prediction - self.prediction)

    def order(self) -> NDArray[np.intp]:
        """Return part positions, heaviest weight first; ties keep the order of the parts."""
        return np.argsort(-np.abs(self.weights), kind="stable")

    def spread(self, active: NDArray[np.intp], n_parts: int) -> Self:
        """Return the surrogate of all parts: those that could not be varied weigh nothing.

        Parameters
        ----------
        active : ndarray of intp, shape (n_active,)
            Position of each weight among all parts.
        n_parts : int
        """
        if len(active) == n_parts:
            return self

        def widen(values: FloatArray) -> FloatArray:
            full = np.zeros((*values.shape[:-1], n_parts))
            full[..., active] = values
            return full

        return replace(
            self,
            weights=widen(self.weights),
            std_errors=widen(self.std_errors),
            low=widen(self.low),
            high=widen(self.high),
            replicate_weights=widen(self.replicate_weights),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        values = dict(data)
        n_parts = len(values["weights"])
        for name in ("weights", "std_errors", "low", "high"):
            values[name] = _array(values[name])
        values["replicate_weights"] = _array(values["replicate_weights"]).reshape(-1, n_parts)
        for name in _FLOATS:
            values[name] = _float(values[name])
        values["partial_r2"] = _float(values.get("partial_r2"))  # older files lack it
        return cls(**values)


_FLOATS = (
    "intercept",
    "prediction",
    "surrogate_prediction",
    "fidelity_r2",
    "error",
    "output_std",
    "decision_agreement",
    "stability_topk",
    "sign_agreement",
)


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Why the model gave its answer for one instance.

    Attributes
    ----------
    key : str
        Name of the instance, the same for every version of the model.
    mode : {"classification", "regression"}
        What the model does.
    class_names : tuple of str
        Names of the model's outputs, in the order of its scores.
    scores : ndarray of float64, shape (n_outputs,)
        The model's outputs for the instance.
    parts : tuple of str
        What each part is, as a person reads it (``"worst radius = 17.3"``).
    names : tuple of str
        Short names of the parts, free of the instance's values (``"worst radius"``).
    labels : tuple of LabelExplanation
        One surrogate for each explained label.
    ess_share : float
        Effective sample size of the kernel weights, as a share of the rows.
    rows : int
        Rows of the neighbourhood.
    rows_predicted : int
        Rows that the model was asked for, duplicates counted once. Zero extra rows are charged
        for rows of a pool that other instances share; the pool is charged to its first instance.
    converged : bool
        Whether every explained label's intervals are as narrow as was asked.
    exact : bool
        Whether every possible mask was evaluated, so that the weights carry no sampling error.
    seed : int
        Configured seed; with the digest it determines every random choice.
    digest : str
        Digest of the instance's content.
    recipe : dict
        How the neighbourhood and the surrogate were made, as plain JSON values.
    notes : tuple of str
        What a reader must know, such as parts that could not be varied.
    contents : tuple of TextContent, ImageContent or SequenceContent
        Texts and images that the parts lie in; none for tables, or where the inputs may not be
        stored.
    permuted_r2 : float
        Held-out R² of the first label's surrogate, fitted to scores that were shuffled over the
        rows of the first round; about zero. NaN where it was not asked for, or cannot be had.
    """

    key: str
    mode: str
    class_names: tuple[str, ...]
    scores: FloatArray
    parts: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[LabelExplanation, ...]
    ess_share: float
    rows: int
    rows_predicted: int
    converged: bool
    exact: bool
    seed: int
    digest: str
    recipe: dict[str, Any]
    notes: tuple[str, ...] = ()
    contents: tuple[Content, ...] = ()
    permuted_r2: float = math.nan

    def __getitem__(self, label: str | int) -> LabelExplanation:
        """Return the surrogate of a label, by name or by its column in the scores."""
        for item in self.labels:
            if label in (item.label, item.index):
                return item
        known = [item.label for item in self.labels]
        hint = did_you_mean(str(label), known)
        msg = f"label {shorten(label)} was not explained; explained labels: {known}.{hint}"
        raise DataError(msg)

    def _choose(self, label: str | int | None) -> LabelExplanation:
        return self.labels[0] if label is None else self[label]

    def as_list(self, label: str | int | None = None) -> list[tuple[str, float]]:
        """Return (part, weight) pairs, heaviest first.

        Parameters
        ----------
        label : str or int, optional
            Explained label, by name or column. The first explained label by default.

        Returns
        -------
        list of (str, float)
            Parts as a person reads them, with weights in units of the output.
        """
        chosen = self._choose(label)
        return [(self.parts[j], float(chosen.weights[j])) for j in chosen.order()]

    def as_dict(self, label: str | int | None = None) -> dict[str, float]:
        """Return the weight of each part by its short name, in the order of the parts."""
        chosen = self._choose(label)
        return dict(zip(self.names, map(float, chosen.weights), strict=True))

    def as_frame(self, label: str | int | None = None) -> pd.DataFrame:
        """Return one row for a part, heaviest first.

        Returns
        -------
        DataFrame
            Columns ``part``, ``name``, ``weight``, ``std_error``, ``low``, ``high``.
        """
        chosen = self._choose(label)
        order = chosen.order()
        return pd.DataFrame(
            {
                "part": [self.parts[j] for j in order],
                "name": [self.names[j] for j in order],
                "weight": chosen.weights[order],
                "std_error": chosen.std_errors[order],
                "low": chosen.low[order],
                "high": chosen.high[order],
            }
        )

    def as_figure(self, label: str | int | None = None, *, top: int = 10) -> "Figure":
        """Draw the heaviest weights with their intervals.

        Parameters
        ----------
        label : str or int, optional
            Explained label, by name or column. The first explained label by default.
        top : int, default 10
            How many parts to draw.

        Returns
        -------
        matplotlib.figure.Figure
            A figure that belongs to no pyplot state.
        """
        from mlflow_lime.report.figures import draw_explanation

        return draw_explanation(self, self._choose(label), top=top)

    def as_html(self, label: str | int | None = None, *, top: int = 10) -> str:
        """Return the explanation as an HTML fragment: escaped, self-contained, no scripts."""
        from mlflow_lime.report.html import render_explanation

        return render_explanation(self, self._choose(label), top=top)

    def image_and_mask(
        self,
        label: str | int | None = None,
        *,
        positive_only: bool = True,
        negative_only: bool = False,
        hide_rest: bool = False,
        num_parts: int = 5,
        min_weight: float = 0.0,
        column: str | None = None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
        """Return the explained image and where its heaviest segments are.

        Parameters
        ----------
        label : str or int, optional
            Explained label, by name or column. The first explained label by default.
        positive_only, negative_only : bool
            Segments of which sign to take; of either sign, tinted, where both are false.
        hide_rest : bool, default False
            Paint everything else mid-grey.
        num_parts : int, default 5
            How many segments to take at most, heaviest first.
        min_weight : float, default 0
            Least absolute weight of a segment that is taken, inclusive, in units of the output.
        column : str, optional
            The column whose image is wanted, where there are several.

        Returns
        -------
        image : ndarray of uint8, shape (height, width, 3)
            A copy of the image.
        mask : ndarray of int8, shape (height, width)
            1 where a positive segment was taken, -1 where a negative one was, 0 elsewhere.

        Raises
        ------
        DataError
            If there is no such image, or options contradict or are out of range.
        """
        from mlflow_lime.report.image_mask import image_and_mask

        return image_and_mask(
            self,
            self._choose(label),
            positive_only=positive_only,
            negative_only=negative_only,
            hide_rest=hide_rest,
            num_parts=num_parts,
            min_weight=min_weight,
            column=column,
        )

    def redacted(self) -> Self:
        """Return the explanation without what it shows of the instance.

        Columns and windows keep their names and lose their values; parts of a text or an image are
        numbered, and their positions noted in the recipe.
        """
        names, numbered = list(self.names), set[int]()
        for content in self.contents:
            if content.named:
                continue
            mixed = content.column and len(names) > len(content.parts)
            for number, j in enumerate(content.parts.tolist(), start=1):
                names[j] = f"{content.column}: part {number}" if mixed else f"part {number}"
                numbered.add(j)
        recipe = {**self.recipe, "numbered_parts": sorted(numbered)} if numbered else self.recipe
        return replace(
            self, parts=tuple(names), names=tuple(names), notes=(), contents=(), recipe=recipe
        )

    def _repr_html_(self) -> str:
        return self.as_html()

    def __repr__(self) -> str:
        first = self.labels[0]
        what = f"P({first.label})" if self.mode == "classification" else first.label
        part, weight = self.as_list()[0] if self.parts else ("no parts", 0.0)
        return (
            f"<Explanation of {self.key!r}: {what} = {first.prediction:.3g}, "
            f"held-out R² {first.fidelity_r2:.2f}, heaviest part {part!r} {weight:+.3g}>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values; `from_dict` reads it back."""
        nested = ("labels", "contents")
        names = [field.name for field in fields(self) if field.name not in nested]
        data = {name: _plain(getattr(self, name)) for name in names}
        inner = {name: [item.to_dict() for item in getattr(self, name)] for name in nested}
        return {"format": FORMAT, **data, **inner}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises
        ------
        DataError
            If the data was written by a newer format.
        """
        values = dict(data)
        written = values.pop("format", FORMAT)
        if written != FORMAT:
            msg = f"explanation has format {written!r}, expected {FORMAT}; upgrade mlflow-lime"
            raise DataError(msg)
        values["labels"] = tuple(LabelExplanation.from_dict(item) for item in values["labels"])
        values["contents"] = tuple(content_from_dict(item) for item in values.get("contents", ()))
        values["scores"] = _array(values["scores"])
        values["ess_share"] = _float(values["ess_share"])
        values["permuted_r2"] = _float(values.get("permuted_r2"))  # older files lack it
        for name in ("class_names", "parts", "names", "notes"):
            values[name] = tuple(values[name])
        return cls(**values)

    def to_json(self) -> str:
        """Return the explanation as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        try:
            return cls.from_dict(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            msg = f"this is no explanation in JSON: {type(error).__name__}: {error}"
            raise DataError(msg) from error


@dataclass(frozen=True, slots=True)
class FailedExplanation:
    """An instance that could not be explained, and why.

    Attributes
    ----------
    key : str
        Name of the instance.
    reason : str
        What went wrong, and the cure where there is one.
    kind : str
        Name of the error's class.
    """

    key: str
    reason: str
    kind: str

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("labels", "parts", "as_list", "as_dict", "as_frame", "as_figure", "as_html"):
            msg = f"instance {self.key!r} could not be explained: {self.reason}"
            raise ModelError(msg)
        msg = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(msg)


def _plain(value: object) -> Any:
    """Return `value` as JSON values; a number that is not finite becomes None."""
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, np.generic):
        return _plain(value.item())
    if value is None or isinstance(value, (str, int, bool)):
        return value
    return str(value)


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _array(values: Sequence[Any]) -> FloatArray:
    return np.array(values, dtype=np.float64)  # None becomes NaN
