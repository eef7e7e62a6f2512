"""Models of sequences, logged as users log them, reviewed through MLflow."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from mlflow.models.signature import ModelSignature
from mlflow.types import Schema, TensorSpec
from sklearn.ensemble import RandomForestClassifier

import mlflow_lime
from mlflow_lime.configured import plan_sequences
from mlflow_lime.core.contents import ImageContent, SequenceContent
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import ConfigError, DataError, ReferenceSetError
from mlflow_lime.tracking.columns import with_backgrounds
from mlflow_lime.tracking.data import LoadedData
from mlflow_lime.tracking.review import review_version
from tests.tracking.contents import artifacts, config, register, review

# Packages of models warn of themselves; our own warnings are notes, and asserted.
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS, FEATURES = 24, 2
SHAPE = {"shape": [STEPS, FEATURES], "features": ["temp", "load"]}
COLUMNS = [f"{name}_lag{i}" for name in ("temp", "load") for i in range(1, STEPS + 1)]


@pytest.fixture(scope="module")
def series():
    """Sequences whose first feature has a bump at steps 12 to 15 where the label is 1."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 160)
    arrays = rng.normal(size=(160, STEPS, FEATURES)).astype(np.float32)
    arrays[labels == 1, 12:16, 0] += 4
    return arrays, labels


@pytest.fixture
def npz(series, tmp_path):
    arrays, labels = series
    np.savez(tmp_path / "series.npz", series=arrays, label=labels)
    return {"source": str(tmp_path / "series.npz"), "target": "label"}


class Bump(mlflow.pyfunc.PythonModel):
    """Gives the height of the bump as a probability; reads arrays (n, time, features) alone."""

    def predict(self, context, model_input, params=None):
        assert isinstance(model_input, np.ndarray)
        assert model_input.shape[1:] == (STEPS, FEATURES)
        assert model_input.dtype == np.float32
        chance = 1 / (1 + np.exp(4 - 2 * model_input[:, 12:16, 0].mean(axis=1)))
        return np.stack([1 - chance, chance], axis=1)


@pytest.fixture
def bump(log):
    spec = TensorSpec(np.dtype(np.float32), (-1, STEPS, FEATURES))
    return log(
        mlflow.pyfunc, None, python_model=Bump(), signature=ModelSignature(inputs=Schema([spec]))
    )


@pytest.mark.parametrize("absent", ["mean", "interpolate", "background"])
def test_a_model_of_arrays_is_explained_by_windows(absent, bump, npz):
    done = review(bump, data=npz, sequence={**SHAPE, "count": 6, "absent": absent})
    assert not done.failed
    assert len(done.explanations) == 4
    for explanation in done.explanations:
        (content,) = explanation.contents
        assert isinstance(content, SequenceContent)
        assert content.values.shape == (STEPS, FEATURES)
        assert content.features == ("temp", "load")
        assert explanation.names == tuple(f"steps {i} to {i + 3}" for i in range(0, 24, 4))
        if explanation.scores[1] > 0.9:
            assert explanation.as_list()[0][0] == "steps 12 to 15"
    assert {bool(e.scores[1] > 0.9) for e in done.explanations} == {True, False}


def test_an_array_of_two_dimensions_is_an_image_unless_a_sequence_is_described(bump, npz):
    plain = review(bump, data=npz, image={"segments": "grid", "count": 6})
    assert isinstance(plain.explanations[0].contents[0], ImageContent)
    named = review(bump, data=npz, sequence={"columns": ["image"], "parts": "features"})
    assert named.explanations[0].names == ("feature 0", "feature 1")


def test_sequences_kept_beside_the_model_need_no_file(bump, series):
    mlflow_lime.log_background(series[0][:50], model_id=bump.model_id)
    done = review(bump, sequence={**SHAPE, "parts": "cells", "count": 6, "absent": "background"})
    assert not done.failed
    assert done.explanations[0].names[3] == "temp, steps 12 to 15"


def test_a_network_reads_sequences_with_features_first(series, log, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    arrays, labels = np.ascontiguousarray(np.swapaxes(series[0], 1, 2)), series[1]
    net = torch.nn.Sequential(
        torch.nn.Conv1d(FEATURES, 6, 5),
        torch.nn.ReLU(),
        torch.nn.AdaptiveMaxPool1d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(6, 2),
        torch.nn.Softmax(dim=1),
    )
    optimiser = torch.optim.Adam(net.parameters(), 3e-2)
    for _ in range(60):
        optimiser.zero_grad()
        chance = net(torch.tensor(arrays))
        torch.nn.functional.nll_loss(torch.log(chance + 1e-9), torch.tensor(labels)).backward()
        optimiser.step()
    signature = infer_signature(arrays[:2], np.zeros((2, 2), dtype=np.float32))
    info = log(mlflow.pytorch, net.eval(), signature=signature, serialization_format="pickle")
    np.savez(tmp_path / "series.npz", series=arrays, label=labels)
    keys = {**SHAPE, "axes": "features_first", "parts": "cells", "count": 6, "absent": "background"}
    data = {"source": str(tmp_path / "series.npz"), "target": "label"}
    done = review(info, data=data, sequence=keys, task="classification", reference={"count": 8})
    assert not done.failed
    sure = [e for e in done.explanations if e.scores[1] > 0.9]
    assert sure
    for explanation in sure:
        assert explanation.as_list()[0][0] == "temp, steps 12 to 15"


# Wide tables


@pytest.fixture(scope="module")
def wide(series):
    """The same sequences as columns of lags, beside an ordinary column."""
    arrays, labels = series
    past = arrays[:, ::-1].astype(np.float64)  # lag 1 is the last step
    frame = pd.DataFrame(np.concatenate([past[..., 0], past[..., 1]], axis=1), columns=COLUMNS)
    return frame.assign(age=np.arange(160) % 40, label=labels)


@pytest.fixture(scope="module")
def forest(wide):
    return RandomForestClassifier(30, random_state=0).fit(wide.drop(columns="label"), wide["label"])


@pytest.fixture
def lagged(forest, wide, log, tmp_path):
    wide.to_parquet(tmp_path / "wide.parquet")
    info = log(
        mlflow.sklearn,
        forest,
        input_example=wide.drop(columns="label").head(2),
        serialization_format="cloudpickle",
    )
    return info, {"source": str(tmp_path / "wide.parquet"), "target": "label"}


@pytest.mark.parametrize("pick", ["random", "boundary"])
def test_lag_columns_are_given_as_arrays_to_a_model_that_reads_arrays(pick, bump, wide, tmp_path):
    wide.drop(columns="age").astype({"label": int}).to_parquet(tmp_path / "lags.parquet")
    data = {"source": str(tmp_path / "lags.parquet"), "target": "label"}
    keys = {"columns": COLUMNS, "parts": "cells", "count": 6, "absent": "background"}
    done = review(bump, data=data, sequence=keys, reference={"count": 8, "pick": pick})
    assert not done.failed
    for explanation in done.explanations:
        values = explanation.contents[0].values
        chance = 1 / (1 + np.exp(4 - 2 * values[12:16, 0].mean()))
        assert explanation.scores[1] == pytest.approx(chance, abs=1e-5)
        if chance > 0.9:
            assert explanation.as_list()[0][0] == "temp, lags 12 to 9"


LAGS = {"order": r"(?P<feature>temp|load)_lag(?P<lag>\d+)", "parts": "cells", "count": 6}


def test_lag_columns_are_one_sequence_beside_other_columns(lagged, wide):
    info, data = lagged
    done = review(info, data=data, sequence=LAGS, reference={"count": 8})
    assert not done.failed
    for explanation in done.explanations:
        assert explanation.names[0] == "age"
        assert explanation.names[1] == "temp, lags 24 to 21"
        (content,) = explanation.contents
        assert content.counted == "lag"
        assert content.steps[:2] == (24, 23)
        values = wide[COLUMNS].to_numpy().reshape(160, 2, 24)[:, :, ::-1].transpose(0, 2, 1)
        assert (values == content.values).all(axis=(1, 2)).sum() == 1
        if explanation.scores[1] > 0.8:
            assert explanation.as_list()[0][0] == "temp, lags 12 to 9"


def test_the_whole_review_shows_the_series(lagged):
    info, data = lagged
    done = review(
        info,
        data=data,
        sequence=LAGS,
        outputs={"pictures": True},
        metrics={"sensitivity": 2},
    )
    files = artifacts(done.run_id)
    page = next(content.decode() for name, content in files.items() if name.endswith("report.html"))
    assert page.count('class="series"') == 4 * 2
    assert "lag 24" in page
    assert 'class="line"' in page
    assert sum(name.endswith(".png") for name in files) >= 4
    assert 0 < done.metrics["lime/sensitivity"] < 1


@pytest.mark.parametrize("rule", ["full", "redacted", "none"])
@pytest.mark.parametrize("absent", ["mean", "background"])
def test_a_second_version_answers_the_same_questions(rule, absent, lagged):
    info, data = lagged
    name = f"series-{rule}-{absent}"
    keys = {**LAGS, "windows": "change_points", "absent": absent}
    sections = {"data": data, "sequence": keys, "reference": {"count": 4, "store_inputs": rule}}
    first = review(register(info, name), **sections)
    other = {**sections, "sequence": {**keys, "count": 3}} if rule == "full" else sections
    second = review(register(info, name), **other)
    assert first.reference_digest == second.reference_digest
    for one, two in zip(first.explanations, second.explanations, strict=True):
        assert one.names == two.names
        assert one.names[1].startswith("temp, lag")
        np.testing.assert_array_equal(one.labels[0].weights, two.labels[0].weights)
        assert bool(one.contents) == (rule == "full")
    if rule == "full":
        assert any("sequence.count of 'series' is pinned as 6" in note for note in second.notes)
    else:
        text = b"".join(artifacts(first.run_id).values())
        assert b"stretches" not in text
        stored = [n for n in artifacts(first.run_id) if n.endswith("inputs.parquet")]
        assert stored == []


def test_series_that_are_not_stored_must_be_found_again(lagged, wide):
    info, data = lagged
    keys = {**LAGS, "absent": "background"}
    sections = {"data": data, "sequence": keys, "reference": {"store_inputs": "redacted"}}
    review(register(info, "series-moved"), **sections)
    changed = wide.copy()
    changed["temp_lag1"] += 1.0
    changed.to_parquet(data["source"])
    with pytest.raises(ReferenceSetError, match="background series of 'series' have digest"):
        review(register(info, "series-moved"), **sections)


def test_statistics_are_no_series_to_draw_from(wide):
    table = wide[COLUMNS]
    loaded = LoadedData("statistics", statistics=Background.from_frame(table))
    drawn = config(sequence={"columns": COLUMNS, "absent": "background"})
    layout = Layout(tuple(COLUMNS), sequences=plan_sequences(table, drawn))
    with pytest.raises(DataError, match=r"only statistics.*sequence\.absent: background"):
        with_backgrounds(layout, loaded, drawn, None)
    plain = config(sequence={"columns": COLUMNS})
    assert with_backgrounds(layout, loaded, plain, None).series == {}


def test_a_background_that_lacks_a_lag_is_refused(wide):
    chosen = config(sequence={"columns": COLUMNS})
    layout = Layout(tuple(COLUMNS), sequences=plan_sequences(wide[COLUMNS], chosen))
    loaded = LoadedData("rows", wide[COLUMNS].rename(columns={"temp_lag4": "temp_lg4"}))
    with pytest.raises(DataError, match=r"lacks columns of the sequence: \['temp_lag4'\].*Did you"):
        with_backgrounds(layout, loaded, chosen, None)


def test_a_shape_that_does_not_fit_is_an_error_before_any_call(lagged):
    info, data = lagged
    with pytest.raises(ConfigError, match="has 10 values, but there are 49 columns"):
        review(info, data=data, sequence={"shape": [5, 2]})


def test_versions_are_compared_window_by_window(lagged, wide, log):
    info, data = lagged
    sections = {"data": data, "sequence": LAGS, "reference": {"count": 8}}
    first = register(info, "series-compared")
    review(first, **sections)
    blind = wide.copy()
    blind["temp_lag9"] = blind["temp_lag10"] = blind["temp_lag11"] = blind["temp_lag12"] = 0.0
    blind["load_lag1"] += 3 * blind["label"]
    other = RandomForestClassifier(30, random_state=0).fit(
        blind.drop(columns="label"), blind["label"]
    )
    logged = log(
        mlflow.sklearn,
        other,
        input_example=blind.drop(columns="label").head(2),
        serialization_format="cloudpickle",
    )
    second = register(logged, "series-compared")
    review_version(second, config(**sections))
    found = mlflow_lime.compare_versions(first, second, config=config(**sections))
    moved = found.drift.parts[0]
    assert moved.name == "temp, lags 12 to 9"
    assert abs(moved.after - moved.before) > 0.3
