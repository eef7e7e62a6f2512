import pytest
from sklearn.linear_model import LogisticRegression

from mlflow_lime.pipeline.check import CHECK_KEYS, check
from mlflow_lime.pipeline.step import Context
from mlflow_lime.tracking.versions import resolve_model


def act(desk, uri, config, **keys):
    options = CHECK_KEYS.own.model_validate(keys)
    return check(Context(resolve_model(uri, desk.client), config, options, desk.client, {}))


@pytest.mark.parametrize(("fail", "outcome"), [("never", "done"), ("error", "failed")])
def test_the_step_tells_what_is_raised_and_fails_where_that_is_wanted(desk, fail, outcome):
    config = desk.config(checks={"sensitive": ["x0"]})
    result = act(desk, desk.register(), config, fail=fail)
    assert result.outcome == outcome
    assert result.metrics["lime/findings_error"] == 1
    assert any("LIM005" in line for line in result.lines)
    assert desk.client.get_run(result.run_id).data.metrics["lime/findings"] >= 1


def test_a_warning_is_no_error(desk):
    config = desk.config(checks={"options": {"LIM001": {"min": 1.0, "share": 0.0}}})
    assert act(desk, desk.register(), config, fail="error").outcome == "done"
    assert act(desk, f"models:/{desk.name}/1", config, fail="warning").outcome == "failed"


def test_reasons_that_changed_since_another_version_are_raised(desk):
    config = desk.config(sampling={"rows": 256, "max_rows": 256}, reference={"count": 8})
    first = desk.register(LogisticRegression(max_iter=9999))
    other = (desk.frame["x5"] + desk.frame["x6"] > 80).astype(int)
    second = desk.register(LogisticRegression(max_iter=9999), target=other)
    config_and_first = act(desk, first, config)
    assert any(
        "LIM011" in line and "without a comparison" in line for line in config_and_first.lines
    )
    result = act(desk, second, config, against="1")
    assert any(line.startswith("warning") and "LIM011" in line for line in result.lines)
    assert CHECK_KEYS.overrides == "checks"
