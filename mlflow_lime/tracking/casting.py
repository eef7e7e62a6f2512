"""Perturbed rows back to the column names, order, and types that a model was logged with."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models.signature import ModelSignature
from mlflow.types import DataType, Schema, TensorSpec
from numpy.typing import NDArray

from mlflow_lime.errors import DataError, did_you_mean, shorten

__all__ = ["InputCaster"]

_NUMPY = {
    "boolean": np.dtype(bool),
    "integer": np.dtype(np.int32),
    "long": np.dtype(np.int64),
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
}
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


@dataclass(frozen=True, slots=True, eq=False)
class InputCaster:
    """What a model wants to be given.

    Attributes
    ----------
    columns : tuple of str or None
        Columns in the model's order; None where the model names none.
    types : mapping of str to str or dtype
        Type of each column: MLflow's name from a signature (``long``), or a dtype from a sample.
        A column without one is passed on as it is.
    optional : frozenset of str
        Columns that may be missing.
    tensors : tuple of TensorSpec
        Arrays of a tensor signature; then `columns` is None.
    strict : bool
        Whether MLflow itself will check the types after us, so that it must get exactly these:
        no pandas categories, no missing integers.
    form : {"frame", "array", "list"}
        What the model reads: a data frame, an array, or a list of the first column's values.
    """

    columns: tuple[str, ...] | None = None
    types: Mapping[str, Any] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    tensors: tuple[TensorSpec, ...] = ()
    strict: bool = False
    form: str = "frame"

    @classmethod
    def build(
        cls,
        signature: ModelSignature | None,
        *,
        features: Sequence[str] | None = None,
        sample: pd.DataFrame | None = None,
        strict: bool = False,
        form: str = "frame",
    ) -> "InputCaster":
        """Put together what is known of the inputs.

        Parameters
        ----------
        signature : ModelSignature, optional
            Signature that the model was logged with.
        features : sequence of str, optional
            Names that the fitted model itself keeps. Their order wins where they are the same
            columns, because LightGBM reads columns by position.
        sample : DataFrame, optional
            A few rows of the data, for the types where there is no signature.
        strict, form
            As the attributes.
        """
        schema = signature.inputs if signature is not None else None
        if schema is not None and schema.is_tensor_spec():
            if strict or not features:
                return cls(tensors=tuple(schema.inputs), strict=strict, form="array")
            schema = None
        if schema is not None and _is_table(schema):
            return cls._from_columns(schema, features, strict, form)
        if not features:
            return cls(strict=strict, form=form)
        columns = _own_names(features, sample)
        types = {} if sample is None else _sample_types(sample, columns)
        return cls(columns=columns, types=types, strict=strict, form=form)

    @classmethod
    def _from_columns(
        cls, schema: Schema, features: Sequence[str] | None, strict: bool, form: str
    ) -> "InputCaster":
        names = [str(name) for name in schema.input_names()]
        specs = dict(zip(names, schema.inputs, strict=True))
        return cls(
            columns=_model_order(names, features),
            types={name: _type_name(spec.type) for name, spec in specs.items()},
            optional=frozenset(name for name, spec in specs.items() if not spec.required),
            strict=strict,
            form=form,
        )

    def __call__(self, inputs: Any) -> Any:
        """Return the inputs as the model wants them.

        Raises
        ------
        DataError
            If a column is missing, or holds what its type cannot. No value stands in the message.
        """
        if self.tensors:
            return self._to_tensors(inputs)
        frame = self._to_frame(inputs)
        if frame is None:
            return inputs
        frame = self._cast(self._select(frame))
        if self.form == "array":
            return frame.to_numpy()
        return frame.iloc[:, 0].tolist() if self.form == "list" else frame

    def check(self, frame: pd.DataFrame) -> tuple[str, ...]:
        """Try all columns of some data before any model call, and return remarks.

        Raises
        ------
        DataError
            If a column is missing, or holds what its type cannot.
        """
        self(frame)
        if self.columns is None:
            return ()
        extra = [str(name) for name in frame.columns if str(name) not in set(self.columns)]
        if not extra:
            return ()
        return (f"columns that the model does not read are left out: {shorten(extra)}",)

    def _to_frame(self, inputs: Any) -> pd.DataFrame | None:
        if isinstance(inputs, pd.DataFrame):
            return inputs
        if self.columns is None or self.form == "list":
            return None
        if isinstance(inputs, pd.Series):
            inputs = inputs.to_numpy()
        array = np.asarray(inputs)
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or array.shape[1] != len(self.columns):
            msg = (
                f"the model reads {len(self.columns)} columns, got an array of shape "
                f"{array.shape}; give a data frame with the columns {shorten(self.columns)}"
            )
            raise DataError(msg)
        return pd.DataFrame(array, columns=list(self.columns))

    def _select(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.columns is None or tuple(frame.columns) == self.columns:
            return frame
        known: dict[str, Hashable] = {str(name): name for name in frame.columns}
        missing = [n for n in self.columns if n not in known and n not in self.optional]
        if missing:
            hint = did_you_mean(missing[0], [name for name in known if name not in self.columns])
            msg = (
                f"the data lacks {len(missing)} of the {len(self.columns)} columns that the model "
                f"reads: {shorten(missing)}.{hint}"
            )
            raise DataError(msg)
        names = [name for name in self.columns if name in known]
        chosen = frame[[known[name] for name in names]]
        return chosen if list(chosen.columns) == names else chosen.set_axis(names, axis="columns")

    def _cast(self, frame: pd.DataFrame) -> pd.DataFrame:
        changed: dict[str, pd.Series[Any]] = {}
        for name, kind in zip(frame.columns, frame.dtypes, strict=True):
            target = self.types.get(str(name))
            # Most are as they should be, and a thousand columns take long to look at.
            if target is None or _same_numbers(kind, target):
                continue
            before = frame[name]
            after = _cast_column(before, target, strict=self.strict)
            if after is not before:
                changed[name] = after
        return frame.assign(**changed) if changed else frame

    def _to_tensors(self, inputs: Any) -> Any:
        if len(self.tensors) == 1:
            return _as_tensor(inputs, self.tensors[0])
        if not isinstance(inputs, pd.DataFrame):
            return inputs
        missing = [spec.name for spec in self.tensors if spec.name not in inputs.columns]
        if missing:
            hint = did_you_mean(str(missing[0]), inputs.columns)
            msg = f"the data lacks columns that the model's tensors need: {missing}.{hint}"
            raise DataError(msg)
        return {spec.name: _as_tensor(inputs[spec.name], spec) for spec in self.tensors}


def _is_table(schema: Schema) -> bool:
    return schema.has_input_names() and not schema.is_tensor_spec()


def _type_name(kind: Any) -> str | None:
    return kind.name if isinstance(kind, DataType) and kind.name != "binary" else None


def _plain(name: str) -> str:
    """Return a name as LightGBM keeps it: without white space."""
    return "_".join(str(name).split())


def _model_order(names: Sequence[str], features: Sequence[str] | None) -> tuple[str, ...]:
    if features is None or len(features) != len(names):
        return tuple(names)
    by_feature = {_plain(name): name for name in names}
    wanted = [_plain(name) for name in features]
    if len(by_feature) != len(names) or set(wanted) != set(by_feature):
        return tuple(names)
    return tuple(by_feature[name] for name in wanted)


def _own_names(features: Sequence[str], sample: pd.DataFrame | None) -> tuple[str, ...] | None:
    """Return the model's feature names as the data spells them."""
    if sample is None:
        return tuple(str(name) for name in features)
    spelled = {_plain(str(name)): str(name) for name in sample.columns}
    return tuple(spelled.get(_plain(str(name)), str(name)) for name in features)


def _sample_types(sample: pd.DataFrame, columns: Iterable[str] | None) -> dict[str, Any]:
    wanted = None if columns is None else set(columns)
    return {
        str(name): dtype
        for name, dtype in sample.dtypes.items()
        if (wanted is None or str(name) in wanted)
        and (isinstance(dtype, pd.CategoricalDtype) or dtype.kind in "iufb")
    }


def _same_numbers(kind: Any, target: Any) -> bool:
    wanted = _NUMPY.get(target) if isinstance(target, str) else target
    return isinstance(wanted, np.dtype) and kind == wanted


def _cast_column(series: "pd.Series[Any]", target: Any, *, strict: bool) -> "pd.Series[Any]":
    if isinstance(target, pd.CategoricalDtype):
        # Another set of categories is what the caller meant to keep.
        if isinstance(series.dtype, pd.CategoricalDtype):
            return series
        return series.astype(target)
    if target == "string":
        return _to_text(series, strict=strict)
    if target == "datetime":
        return _to_datetime(series)
    dtype: Any = _NUMPY[target] if isinstance(target, str) else target
    if series.dtype == dtype:
        return series
    if isinstance(series.dtype, pd.CategoricalDtype) and not strict:
        return series
    if dtype.kind == "b":
        return _to_boolean(series)
    if dtype.kind in "iu":
        return _to_integer(series, dtype, target, strict=strict)
    numbers = _numbers(series, target)
    return pd.Series(numbers.astype(getattr(dtype, "numpy_dtype", dtype)), series.index)


def _wrong(series: "pd.Series[Any]", target: Any, why: str) -> DataError:
    return DataError(
        f"column {series.name!r} is {target} for the model, but the data {why} "
        f"({series.dtype}); convert the column, or log the model with a signature that fits"
    )


def _numbers(series: "pd.Series[Any]", target: Any) -> NDArray[np.float64]:
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    try:
        numbers = pd.to_numeric(series)
        return np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        # The cause would show a value of the data.
        raise _wrong(series, target, "holds what is no number") from None


def _to_integer(
    series: "pd.Series[Any]", dtype: Any, target: Any, *, strict: bool
) -> "pd.Series[Any]":
    plain = getattr(dtype, "numpy_dtype", dtype)
    whole = pd.api.types.is_integer_dtype(series.dtype) or series.dtype == bool
    if whole and not series.hasnans:
        # Not by way of floats, which round numbers above 2**53.
        own: Any = series.dtype
        exact = series.to_numpy(dtype=getattr(own, "numpy_dtype", own))
        _check_range(series, exact, plain, target)
        return pd.Series(exact.astype(plain), series.index)
    numbers = np.rint(_numbers(series, target))
    missing = int(np.isnan(numbers).sum())
    if missing == 0:
        _check_range(series, numbers, plain, target)
        return pd.Series(numbers.astype(plain), series.index)
    if strict:
        msg = (
            f"column {series.name!r} is {target} in the model's signature, which cannot hold "
            f"missing values, but {missing} of {len(series)} rows lack one; fill them in, or log "
            "the model with a double column"
        )
        raise DataError(msg)
    return pd.Series(numbers, series.index)


def _check_range(series: "pd.Series[Any]", numbers: Any, plain: Any, target: Any) -> None:
    if len(numbers) and plain.kind in "iu":
        limits = np.iinfo(plain)
        # A float64 cannot hold the largest int64: the next larger one would pass for it.
        top = limits.max if numbers.dtype.kind in "iub" else float(limits.max)
        too_large = numbers.max() > top or (numbers.dtype.kind == "f" and numbers.max() >= 2.0**63)
        if too_large or numbers.min() < limits.min:
            raise _wrong(series, target, "holds numbers beyond its range")


def _to_boolean(series: "pd.Series[Any]") -> "pd.Series[Any]":
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    if pd.api.types.is_numeric_dtype(series.dtype):
        values = [None if pd.isna(x) else bool(round(float(x))) for x in series]
    else:
        values = [None if pd.isna(x) else _TRUTH.get(str(x).strip().lower()) for x in series]
        if sum(value is None for value in values) > int(series.isna().sum()):
            raise _wrong(series, "boolean", "holds what is neither true nor false")
    dtype = object if None in values else bool
    return pd.Series(values, series.index, dtype=dtype)


def _to_text(series: "pd.Series[Any]", *, strict: bool) -> "pd.Series[Any]":
    if isinstance(series.dtype, pd.CategoricalDtype):
        if not strict:
            return series
        series = series.astype(object)
    elif series.dtype == object or isinstance(series.dtype, pd.StringDtype):
        return series
    texts = [None if pd.isna(x) else str(x) for x in series]
    return pd.Series(texts, series.index, dtype=object)


def _to_datetime(series: "pd.Series[Any]") -> "pd.Series[Any]":
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "M":
        return series
    try:
        text = series.dtype == object or isinstance(series.dtype, pd.StringDtype)
        times = pd.to_datetime(series, format="mixed" if text else None)
        if isinstance(times.dtype, pd.DatetimeTZDtype):
            times = times.dt.tz_convert("UTC").dt.tz_localize(None)
        return times.astype("datetime64[ns]")
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise _wrong(series, "datetime", "holds what is no date") from None


def _as_tensor(inputs: Any, spec: TensorSpec) -> NDArray[Any]:
    if isinstance(inputs, pd.DataFrame) and inputs.shape[1] == 1:
        column = inputs.iloc[:, 0]
        inputs = column if column.dtype == object else inputs
    if isinstance(inputs, pd.Series) and inputs.dtype == object:
        inputs = _stacked([np.asarray(cell) for cell in inputs], spec)
    array = inputs.to_numpy() if hasattr(inputs, "to_numpy") else np.asarray(inputs)
    shape = (len(array), *spec.shape[1:])
    if array.shape != shape and -1 not in shape[1:]:
        if array.size != np.prod(shape):
            msg = (
                f"the model reads arrays of shape {tuple(spec.shape)}, got {array.shape}; "
                "give the columns that it was trained on, in that order"
            )
            raise DataError(msg)
        array = array.reshape(shape)
    return _as_dtype(array, np.dtype(spec.type))


def _stacked(cells: Sequence[NDArray[Any]], spec: TensorSpec) -> NDArray[Any]:
    """Return the arrays of a column as one array."""
    shapes = {cell.shape for cell in cells}
    if len(shapes) > 1:
        msg = (
            f"the model reads arrays of shape {tuple(spec.shape)}, got arrays of different shapes: "
            f"{shorten(sorted(shapes))}; give them one shape"
        )
        raise DataError(msg)
    return np.stack(cells)


def _as_dtype(array: NDArray[Any], dtype: "np.dtype[Any]") -> NDArray[Any]:
    if array.dtype == dtype or dtype.kind == "O":
        return array
    try:
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            numbers = np.rint(array.astype(np.float64)) if array.dtype.kind not in "iub" else array
            return np.clip(numbers, limits.min, limits.max).astype(dtype)
        return array.astype(dtype)
    except (TypeError, ValueError):
        msg = f"the model reads an array of {dtype}, but the data ({array.dtype}) is no such array"
        raise DataError(msg) from None
