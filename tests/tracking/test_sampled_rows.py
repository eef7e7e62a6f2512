"""The same sample of rows, whatever kind of source they come from."""

import numpy as np
import pandas as pd

from mlflow_lime.tracking import sampled_rows
from mlflow_lime.tracking.data import load_data


def test_the_same_rows_are_sampled_from_every_kind_of_source(tmp_path, monkeypatch):
    monkeypatch.setattr(sampled_rows, "CHUNK_ROWS", 10)
    frame = pd.DataFrame({"x": np.arange(500)})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet", row_group_size=33)
    sources = [frame, tmp_path / "x.csv", tmp_path / "x.parquet"]
    loaded = [load_data(source, max_rows=20, seed=3) for source in sources]
    for one in loaded:
        assert one.frame["x"].tolist() == loaded[0].frame["x"].tolist()
        assert one.frame.index.tolist() == one.frame["x"].tolist()
        assert (one.rows_total, one.sampled) == (500, True)
        assert one.notes[0].startswith("20 of 500 rows")
    other = load_data(frame, max_rows=20, seed=4)
    assert other.frame["x"].tolist() != loaded[0].frame["x"].tolist()
