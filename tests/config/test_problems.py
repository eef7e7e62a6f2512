"""Every problem is told as: what was expected, what was got, and the cure."""

import pytest

from mlflow_lime.config import load_config, parse_config
from mlflow_lime.errors import ConfigError

REFUSED = {
    "unknown key": ("sede: 3", "1: sede: expected a known key, got 'sede'. Did you mean 'seed'?"),
    "unknown key of a section": (
        "data:\n  traget: y",
        "2: data.traget: expected a known key, got 'traget'. Did you mean 'target'?",
    ),
    "key of another section": (
        "data:\n  count: 5",
        "2: data.count: expected a known key, got 'count'. Did you mean 'reference.count'?",
    ),
    "misspelt key of another section": (
        "replicats: 5",
        "1: replicats: expected a known key, got 'replicats'. Did you mean 'sampling.replicates'?",
    ),
    "shorthand in a file": (
        "instances: 5",
        "1: instances: expected a known key, got 'instances'. Did you mean 'reference.count'?",
    ),
    "key like nothing": (
        "kernel: {zzz: 1}",
        "1: kernel.zzz: expected a known key, got 'zzz'. Known keys: kind, distance, width.",
    ),
    "word like no word": (
        "task: ranking",
        "1: task: expected 'auto', 'classification' or 'regression', got 'ranking'.",
    ),
    "misspelt word": (
        "on_error: rase",
        "1: on_error: expected 'record' or 'raise', got 'rase'. Did you mean 'raise'?",
    ),
    "number in quotes": (
        "seed: '5'",
        "1: seed: expected a whole number from 0 to 4 294 967 295, got '5'."
        " Write it without quotes.",
    ),
    "number out of bounds": (
        "sampling:\n\n  replicates: 1",
        "3: sampling.replicates: expected a whole number from 2 to 64, got 1.",
    ),
    "fraction for a whole number": (
        "outputs: {top: 1.5}",
        "1: outputs.top: expected a whole number from 1 to 100, got 1.5.",
    ),
    "boolean for a number": (
        "sampling: {precision: true}",
        "1: sampling.precision: expected a number above 0 and at most 10, got True.",
    ),
    "nan": (
        "sampling: {precision: .nan}",
        "1: sampling.precision: expected a number above 0 and at most 10, got nan.",
    ),
    "infinite edge": (
        "tabular: {representation: bins, bins: {age: [1, .inf]}}",
        "1: tabular.bins.age[1]: expected a number, got inf.",
    ),
    "open bounds": (
        "surrogate: {confidence: 1}",
        "1: surrogate.confidence: expected a number of at least 0.5 and below 1, got 1.",
    ),
    "budget of nothing": (
        "sampling: {max_calls: 0}",
        "1: sampling.max_calls: expected a whole number of at least 1 or null, got 0.",
    ),
    "text for a boolean": (
        "outputs: {pictures: yes}",
        "1: outputs.pictures: expected true or false, got 'yes'.",
    ),
    "wrong switch": (
        "prediction: {progress: 1}",
        "1: prediction.progress: expected 'auto', 'on', 'off', true or false, got 1.",
    ),
    "empty text": (
        "data: {target: ''}",
        "1: data.target: expected text that is not empty or null, got ''.",
    ),
    "value for a section": (
        "kernel: 3",
        "1: kernel: expected a mapping with keys such as kind, got 3.",
    ),
    "value for a list": (
        "data: {drop: 3}",
        "1: data.drop: expected a list (each text that is not empty), got 3. For a list write [3].",
    ),
    "item of a list": (
        "reference:\n  pick: ids\n  ids:\n    - a\n    - 2.5",
        "5: reference.ids[1]: expected text or a whole number, got 2.5.",
    ),
    "item twice": (
        "data: {drop: [a, a]}",
        "1: data.drop: expected different items, got 'a' twice. Remove one.",
    ),
    "negative row": (
        "reference: {pick: rows, rows: [-1]}",
        "1: reference.rows[0]: expected a whole number of at least 0, got -1.",
    ),
    "empty list of models": (
        "models: []",
        "1: models: expected text that is not empty or a list that is not empty"
        " (each text that is not empty), got [].",
    ),
    "one class as text": (
        "labels: setosa",
        "1: labels: expected 'auto', 'predicted', 'all', a whole number from 1 to 10 000 or a list"
        " that is not empty (each text, a whole number or true or false), got 'setosa'.",
    ),
    "not a reference to code": (
        "predict: score.py",
        "1: predict: expected a reference of the form 'package.module:function' or null,"
        " got 'score.py'.",
    ),
    "misspelt surrogate": (
        "surrogate: {kind: rigde}",
        "1: surrogate.kind: expected 'ridge', 'lasso', 'tree' or a reference of the form"
        " 'package.module:function', got 'rigde'. Did you mean 'ridge'?",
    ),
    "misspelt source": (
        "data: {source: inputexample}",
        "1: data.source: expected 'auto', 'run', 'input_example', a .csv, .parquet, .npz"
        " or .npy file, or an"
        " artifact URI such as 'runs:/<run id>/train.csv', got 'inputexample'."
        " Did you mean 'input_example'?",
    ),
    "statistics as data": (
        "data: {source: stats.json}",
        "1: data.source: expected 'auto', 'run', 'input_example', a .csv, .parquet, .npz"
        " or .npy file, or an"
        " artifact URI such as 'runs:/<run id>/train.csv', got 'stats.json'.",
    ),
    "background of another format": (
        "background: {source: train.xlsx}",
        "1: background.source: expected 'auto', 'run', 'input_example', a .csv, .parquet,"
        " .npz, .npy or .json file, or an artifact URI such as 'runs:/<run id>/train.csv',"
        " got 'train.xlsx'.",
    ),
    "size without a unit that we know": (
        "prediction: {block_bytes: 64 mib}",
        "1: prediction.block_bytes: expected a number of bytes or a size such as '64MiB',"
        " got '64 mib'. Units: B, kB, MB, GB, KiB, MiB, GiB.",
    ),
    "misspelt unit": (
        "prediction: {block_bytes: 64MIB}",
        "1: prediction.block_bytes: expected a number of bytes or a size such as '64MiB',"
        " got '64MIB'. Did you mean 'MB'?",
    ),
    "size out of bounds": (
        "prediction: {block_bytes: 10B}",
        "1: prediction.block_bytes: expected a whole number from 65 536 to 1 099 511 627 776"
        " or a size such as '64MiB', got '10B'.",
    ),
    "edges in no order": (
        "tabular:\n  representation: bins\n  bins:\n    age: [30, 20]",
        "4: tabular.bins.age: expected strictly increasing edges, got 30 before 20."
        " Sort the edges and remove repeated ones.",
    ),
    "no edges": (
        "tabular: {representation: bins, bins: {age: []}}",
        "1: tabular.bins.age: expected a list that is not empty (each a number), got [].",
    ),
    "column without a name": (
        "tabular: {representation: bins, bins: {'': [1]}}",
        "1: tabular.bins['']: expected a name as text, got the key ''. Give it a name.",
    ),
    "group that is no list": (
        "tabular: {groups: {house: 3}}",
        "1: tabular.groups.house: expected a list that is not empty"
        " (each text that is not empty), got 3. For a list write [3].",
    ),
    "column in two groups": (
        "tabular: {groups: {a: [x], b: [x]}}",
        "1: tabular.groups: expected each column in one group, got 'x' in 'a' and 'b'."
        " Remove it from one of them.",
    ),
    "ids without a list": (
        "reference: {pick: ids}",
        "1: reference.ids: expected a value because pick is 'ids', got None."
        " Set reference.ids, or choose another pick.",
    ),
    "list without ids": (
        "reference:\n  ids: [a]",
        "2: reference.ids: expected nothing because pick is 'stratified', got ('a',)."
        " Write pick: ids, or remove ids.",
    ),
    "query without a query": (
        "reference: {pick: query}",
        "1: reference.query: expected a value because pick is 'query', got None."
        " Set reference.query, or choose another pick.",
    ),
    "bins for masks": (
        "tabular: {bins: decile}",
        "1: tabular.bins: expected 'quartile' because representation is 'mask', got 'decile'."
        " Write representation: bins, or remove bins.",
    ),
    "mean for masks": (
        "tabular: {around: mean}",
        "1: tabular.around: expected 'instance' because representation is 'mask', got 'mean'."
        " Write representation: standardised, or remove around.",
    ),
    "limit below the first round": (
        "sampling:\n  rows: 8192\n  max_rows: 4096",
        "3: sampling.max_rows: expected at least rows (8192), got 4096."
        " Set sampling.max_rows to 8192 or more, or lower sampling.rows.",
    ),
    "fewer rows than replicates need": (
        "sampling: {rows: 100, replicates: 64}",
        "1: sampling.rows: expected at least 2 rows for each of 64 replicates, got 100."
        " Set sampling.rows to 128 or more.",
    ),
    "budget below one instance": (
        "sampling: {rows: 1024, max_total_rows: 100}",
        "1: sampling.max_total_rows: expected at least the rows of one instance (1024), got 100."
        " Raise it, or lower sampling.rows.",
    ),
    "width of no kernel": (
        "kernel: {kind: none, width: 2}",
        "1: kernel.width: expected 'auto' because kind is 'none', got 2.0."
        " Write kind: exponential, or remove width.",
    ),
    "selection without a number": (
        "surrogate: {select: forward}",
        "1: surrogate.parts: expected a number because select is 'forward', got None."
        " Set surrogate.parts, for example to 10.",
    ),
    "number without a selection": (
        "surrogate: {parts: 5}",
        "1: surrogate.parts: expected null because select is 'none', got 5."
        " Choose how with select: highest_weights, or remove parts.",
    ),
    "classes of a regression": (
        "task: regression\nlabels: all",
        "2: labels: expected 'auto' because task is 'regression', got 'all'."
        " Remove labels, or write task: classification.",
    ),
}


@pytest.mark.parametrize("situation", REFUSED)
def test_message_of(situation, tmp_path):
    text, expected = REFUSED[situation]
    path = tmp_path / "lime.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == f"{path}:{expected}"


def test_all_problems_are_listed_by_line(tmp_path):
    path = tmp_path / "lime.yaml"
    path.write_text("sampling:\n  rows: x\n  design: Sobol\nseed: -1\nkernel: {widht: 2}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    lines = str(caught.value).splitlines()
    assert [line.removeprefix(f"{path}:").split(": ")[:2] for line in lines] == [
        ["2", "sampling.rows"],
        ["3", "sampling.design"],
        ["4", "seed"],
        ["5", "kernel.widht"],
    ]


def test_contradictions_of_several_sections_are_listed_together():
    with pytest.raises(ConfigError) as caught:
        parse_config({"reference": {"pick": "ids"}, "surrogate": {"select": "forward"}})
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("mapping", [{1: 2}, {"tabular": {"groups": {1: ["a"]}}}])
def test_key_that_is_no_text(mapping):
    with pytest.raises(ConfigError, match=r"expected a name as text, got the key 1\. Put it in"):
        parse_config(mapping)


def test_long_values_are_cut():
    with pytest.raises(ConfigError) as caught:
        parse_config({"task": "x" * 10_000})
    assert len(str(caught.value)) < 250
