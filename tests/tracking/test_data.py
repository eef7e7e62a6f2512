"""Data from every kind of source, never unbounded, and every failure names source and cure."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import DataError
from mlflow_lime.tracking.background_log import log_background
from mlflow_lime.tracking.data import load_background, load_data
from mlflow_lime.tracking.versions import ModelVersionRef, resolve_model

# Files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet"])
def test_a_file_is_read_whole_when_it_is_small(table, tmp_path, name):
    path = tmp_path / name
    table.to_parquet(path) if "parquet" in name else table.to_csv(path, index=False)
    loaded = load_data(path)
    pd.testing.assert_frame_equal(loaded.frame, table, check_dtype="parquet" in name)
    assert (loaded.origin, loaded.rows_total, loaded.sampled) == (str(path), len(table), False)
    assert loaded.notes == ()


def test_tabs_separate_in_a_tsv(table, tmp_path):
    table.to_csv(tmp_path / "x.tsv", sep="\t", index=False)
    assert load_data(tmp_path / "x.tsv").frame.shape == table.shape


def test_a_folder_of_parquet_files_is_one_table(table, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    table[:50].to_parquet(folder / "0.parquet", index=False)
    table[50:].to_parquet(folder / "1.parquet", index=False)
    pd.testing.assert_frame_equal(load_data(folder).frame, table)


def test_categories_and_dates_survive_parquet(tmp_path):
    frame = pd.DataFrame(
        {"c": pd.Categorical(["a", "b"]), "d": pd.to_datetime(["2020-01-01", "2021-01-01"])}
    )
    frame.to_parquet(tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(load_data(tmp_path / "x.parquet").frame, frame)


def test_statistics_are_a_background_but_no_rows(table, tmp_path):
    path = tmp_path / "background.json"
    path.write_text(json.dumps(Background.from_frame(table).to_dict()))
    loaded = load_background(path)
    assert loaded.frame is None
    assert loaded.statistics.digest() == Background.from_frame(table).digest()
    with pytest.raises(DataError, match=r"ends in '.json'"):
        load_data(path)


def write(path, content):
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("x.csv", "", "is empty: it has no header"),
        ("x.csv", "a,b\n", "is empty: 0 rows, 2 columns"),
        ("x.csv", 'a,b\n1,2\n3,4,5,6\n"', "cannot be read: ParserError"),
        ("x.csv", b"a\n\xff\xfe\xfa\n", "is not UTF-8"),
        ("x.parquet", "no parquet", "cannot be read: ArrowInvalid"),
        ("x.xlsx", "x", "ends in '.xlsx'; expected one of .csv"),
        ("x.json", "{", "ends in '.json'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_cure(tmp_path, name, content, text):
    write(tmp_path / name, content)
    with pytest.raises(DataError, match=text) as caught:
        load_data(tmp_path / name)
    assert name in str(caught.value)


def test_a_missing_file_gets_the_name_that_was_meant(tmp_path):
    (tmp_path / "train.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"does not exist .*Did you mean 'train.csv'"):
        load_data(tmp_path / "trian.csv")


def test_an_empty_frame_is_said():
    with pytest.raises(DataError, match=r"a data frame is empty"):
        load_data(pd.DataFrame({"a": []}))


def test_damaged_statistics_are_said(tmp_path):
    (tmp_path / "b.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match=r"format 99"):
        load_background(tmp_path / "b.json")
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(DataError, match=r"c.json cannot be read: JSONDecodeError"):
        load_background(tmp_path / "c.json")


def test_a_bound_below_one_is_said(table):
    with pytest.raises(DataError, match=r"max_rows must be at least 1, got 0"):
        load_data(table, max_rows=0)


# Artifacts -------------------------------------------------------------------------------


def test_an_artifact_of_a_run_is_downloaded(table, tmp_path):
    table.to_parquet(tmp_path / "rows.parquet")
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(tmp_path / "rows.parquet"), "data")
    loaded = load_data(f"runs:/{run.info.run_id}/data/rows.parquet")
    pd.testing.assert_frame_equal(loaded.frame, table)


def test_a_missing_artifact_is_said():
    with mlflow.start_run() as run:
        pass
    with pytest.raises(DataError, match=r"cannot be downloaded: .*check that the artifact exists"):
        load_data(f"runs:/{run.info.run_id}/nothing.csv")


# A run's dataset -------------------------------------------------------------------------


def log_dataset(ref, frame, name, context, source=None):
    # MLflow keeps one source for each name and digest in an experiment: names must differ here.
    dataset = mlflow.data.from_pandas(frame, source=source, name=name)
    with mlflow.start_run(run_id=ref.run_id):
        mlflow.log_input(dataset, context=context)


def test_the_training_dataset_of_the_run_is_preferred(model, table, tmp_path):
    ref = model()
    for name, rows, context in [("val", table[:9], "eval"), ("fit", table[:30], "training")]:
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
        log_dataset(ref, rows, name, context, source=str(tmp_path / f"{name}.csv"))
    loaded = load_data("run", ref=ref)
    assert loaded.origin == f"dataset 'fit' of run {ref.run_id}"
    assert len(loaded.frame) == 30
    assert len(load_data("run:val", ref=ref).frame) == 9
    with pytest.raises(DataError, match=r"no dataset 'vla'.*Did you mean 'val'"):
        load_data("run:vla", ref=ref)


def test_a_dataset_without_data_says_how_to_log_one(model, table):
    ref = model()
    log_dataset(ref, table, "bare", "training")
    with pytest.raises(DataError, match=r"keeps no data, .*log_background\(X\)"):
        load_data("run", ref=ref)


def test_a_dataset_whose_file_is_gone_is_said(model, table, tmp_path):
    ref = model()
    path = tmp_path / "gone.csv"
    table.to_csv(path, index=False)
    log_dataset(ref, table, "gone", "training", source=str(path))
    path.unlink()
    with pytest.raises(DataError, match=r"dataset 'gone' of run .* cannot be loaded"):
        load_data("run", ref=ref)


def test_a_run_without_dataset_is_said(model):
    with pytest.raises(DataError, match=r"logged no dataset"):
        load_data("run", ref=model())


# The input example, and the order --------------------------------------------------------


def test_the_input_example_is_data_with_a_note(model, table):
    ref = model(example=table[["income", "age"]][:5])
    loaded = load_data("input_example", ref=ref)
    pd.testing.assert_frame_equal(loaded.frame, table[["income", "age"]][:5])
    assert "only 5 rows" in loaded.notes[0]


def test_an_example_array_gets_column_names(log, table, target):
    array = table[["income", "age"]].to_numpy()
    fitted = LogisticRegression().fit(array, target)
    info = log(mlflow.sklearn, fitted, input_example=array[:3], serialization_format="cloudpickle")
    loaded = load_data("input_example", ref=resolve_model(info.model_uri))
    assert list(loaded.frame.columns) == ["x0", "x1"]
    np.testing.assert_array_equal(loaded.frame.to_numpy(), array[:3])


def test_a_model_without_example_is_said(model):
    with pytest.raises(DataError, match=r"has no input example; log the model with"):
        load_data("input_example", ref=model())


def test_auto_takes_background_then_dataset_then_example(model, table, tmp_path):
    ref = model(example=table[["income", "age"]][:5])
    assert load_data("auto", ref=ref).origin.startswith("input example")
    table[:40].to_csv(tmp_path / "fit.csv", index=False)
    log_dataset(ref, table[:40], "fit", "training", source=str(tmp_path / "fit.csv"))
    assert len(load_data("auto", ref=ref).frame) == 40
    log_background(table, model_id=ref.model_id, statistics_only=True)
    assert len(load_data("auto", ref=ref).frame) == 40
    assert load_background("auto", ref=ref).statistics is not None
    log_background(table, model_id=ref.model_id)
    assert len(load_data("auto", ref=ref).frame) == len(table)


def test_auto_that_finds_nothing_says_all_it_tried(model):
    with pytest.raises(DataError, match=r"no background .*; run .* no dataset .*; .*input example"):
        load_data("auto", ref=model())


@pytest.mark.parametrize("source", ["auto", "background", "run", "input_example"])
def test_a_source_that_needs_a_model_says_so(source):
    with pytest.raises(DataError, match=f"data source '{source}' needs a model"):
        load_data(source)


def test_a_model_without_run_has_no_dataset():
    with pytest.raises(DataError, match=r"has no run"):
        load_data("run", ref=ModelVersionRef(uri="folder"))
