"""Options: what contradicts is refused."""

import pytest

from mlflow_lime.core.options import Budget, Fitting, Pooling, Sampling
from mlflow_lime.errors import DataError


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (Sampling, {"design": "sobl"}, "Did you mean 'sobol'"),
        (Sampling, {"law": "bernouli"}, "Did you mean 'bernoulli'"),
        (Sampling, {"replicates": 1}, "replicates must be at least 2"),
        (Sampling, {"rows": 3}, "rows must be at least 4"),
        (Sampling, {"rows": 100, "max_rows": 50}, "max_rows must be at least 100"),
        (Fitting, {"select": "foward"}, "Did you mean 'forward'"),
        (Fitting, {"parts": 0}, "parts must be at least 1"),
        (Fitting, {"confidence": 1.0}, "confidence must be between 0 and 1"),
        (Fitting, {"penalty": -1.0}, "penalty must not be negative"),
        (Pooling, {"block_rows": 0}, "block_rows must be at least 1"),
        (Pooling, {"block_bytes": 0}, "block_bytes must be at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(make, options, message):
    with pytest.raises(DataError, match=message):
        make(**options)


@pytest.mark.parametrize("make", [Sampling, Fitting, Budget, Pooling])
def test_defaults_are_valid_and_frozen(make):
    options = make()
    with pytest.raises(AttributeError):
        setattr(options, next(iter(options.__dataclass_fields__)), 1)
