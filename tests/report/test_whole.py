"""Outcomes of a large set come back from their Parquet file, block by block, with the same bits."""

import gc

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_lime.core.contents import ImageContent
from mlflow_lime.core.explanation import FailedExplanation
from mlflow_lime.core.packed import pack
from mlflow_lime.errors import DataError
from mlflow_lime.report import whole
from mlflow_lime.report.tables import explanations_frame
from mlflow_lime.report.whole import read_whole, write_frames, write_whole
from tests.strategies import explanations, failed_explanations, make_explanation, make_label


@pytest.fixture
def path(tmp_path):
    return tmp_path / "whole.parquet"


def many(count):
    return [make_explanation([make_label([0.1 * i, 1.0])], key=f"{i} #a") for i in range(count)]


@given(st.lists(explanations(), max_size=5), st.lists(failed_explanations(), max_size=3))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_was_written_comes_back_with_the_same_bits(path, found, failed):
    write_whole(found, failed, path)
    read = read_whole(path)
    assert [pack(item) for item in read.explanations] == [pack(item) for item in found]
    assert list(read.failed) == failed
    assert list(read.keys) == [item.key for item in found]


def test_blocks_end_anywhere_and_every_place_is_found(path, monkeypatch):
    monkeypatch.setattr(whole, "BLOCK", 3)
    items = many(11)
    write_whole(items, [FailedExplanation("x", "no", "ModelError")], path)
    assert pq.ParquetFile(path).metadata.num_row_groups == 4
    read = read_whole(path).explanations
    for order in (range(11), [10, 0, 5, 5, 2]):
        assert [item.key for item in read.at(order)] == [items[i].key for i in order]
    assert read[7].to_json() == items[7].to_json()


def test_large_pictures_make_small_blocks(path, monkeypatch):
    monkeypatch.setattr(whole, "_BLOCK_BYTES", 5000)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, size=(40, 40, 3)).astype(np.uint8)
    image = ImageContent("", pixels, np.zeros((40, 40), dtype=np.int32), np.zeros(1, np.int32))
    items = [make_explanation([make_label([1.0])], contents=(image,)) for _ in range(6)]
    write_whole(items, [], path)
    assert pq.ParquetFile(path).metadata.num_row_groups == 6
    assert np.array_equal(read_whole(path).explanations[4].contents[0].pixels, pixels)


def test_a_folder_goes_when_nobody_can_look_any_more(tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    write_whole(many(4), [], folder / "whole.parquet")
    part = read_whole(folder / "whole.parquet", remove=folder).explanations[2:]
    gc.collect()
    assert [item.key for item in part] == ["2 #a", "3 #a"]
    del part
    gc.collect()
    assert not folder.exists()


def test_the_rows_of_all_are_those_of_the_frame(path, monkeypatch):
    monkeypatch.setattr(whole, "BLOCK", 4)
    items = many(10)
    write_frames(iter(items), path)
    read = pd.read_parquet(path)
    pd.testing.assert_frame_equal(read, explanations_frame(items), check_dtype=False)
    write_frames([], path)
    assert len(pd.read_parquet(path)) == 0


@pytest.mark.parametrize("content", [b"", b"PAR1", b"{}"])
def test_a_file_that_is_none_of_ours_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_whole(path)
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(DataError, match="damaged"):
        read_whole(path)
