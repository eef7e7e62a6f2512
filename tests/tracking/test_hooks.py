"""The user's own function, by name."""

import pytest

from mlflow_lime.errors import (
    ConfigError,
)
from mlflow_lime.tracking.hooks import import_function


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("my_hooks", "form 'module:function'"),
        ("my_hooks:scor", "has no 'scor'. Did you mean 'score'"),
        ("my_hooks:number", "is int, expected a function"),
        ("not_there_at_all:f", "no module 'not_there_at_all'"),
        ("broken_hooks:f", "importing broken_hooks raised ZeroDivisionError"),
        ("needy_hooks:f", "needs 'package_that_is_not_there'"),
    ],
)
def test_a_function_that_cannot_be_imported_says_why(hooks, spec, text):
    with pytest.raises(ConfigError, match=text):
        import_function(spec)
