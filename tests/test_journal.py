"""What is finished stays, whatever ends the process, and nothing else is read."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.packed import pack
from mlflow_lime.errors import ConfigError
from mlflow_lime.home import home_folder
from mlflow_lime.journal import Journal


def explanation(key="00 #ab", part="age = 3", r2=0.5):
    from mlflow_lime.core.explanation import LabelExplanation

    vector = np.array([0.1, 1 / 3])
    label = LabelExplanation(
        label="1",
        index=1,
        weights=vector,
        std_errors=vector,
        low=vector,
        high=vector,
        replicate_weights=np.array([vector, vector * 2]),
        intercept=0.1,
        prediction=0.2,
        surrogate_prediction=0.3,
        fidelity_r2=r2,
        error=0.0,
        output_std=1.0,
        decision_agreement=1.0,
        stability_topk=1.0,
        sign_agreement=1.0,
        flat=False,
    )
    return Explanation(
        key=key,
        mode="classification",
        class_names=("0", "1"),
        scores=np.array([0.8, 0.2]),
        parts=(part, "b = 2"),
        names=("age", "b"),
        labels=(label,),
        ess_share=1.0,
        rows=8,
        rows_predicted=8,
        converged=True,
        exact=False,
        seed=0,
        digest="ab",
        recipe={"design": "sobol"},
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "job.jsonl"


def test_what_was_added_is_read_with_the_same_bits(path):
    wrote = [explanation(), FailedExplanation("01 #cd", "no", "ModelError")]
    with Journal(path) as journal:
        for outcome in wrote:
            journal.add(outcome)
    read = list(Journal(path).read())
    assert read[0].to_json() == wrote[0].to_json()
    assert read[1] == wrote[1]


def test_an_undefined_fit_stays_undefined(path):
    with Journal(path) as journal:
        journal.add(explanation(r2=float("nan")))
    (read,) = Journal(path).read()
    assert np.isnan(read.labels[0].fidelity_r2)


@given(cut=st.integers(0, 10_000), text=st.text(max_size=20))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_file_that_is_cut_anywhere_keeps_its_whole_lines_and_can_be_extended(tmp_path, cut, text):
    path = tmp_path / "cut.jsonl"
    path.unlink(missing_ok=True)
    with Journal(path) as journal:
        for i in range(3):
            journal.add(explanation(key=f"{i:02d} #ab", part=text))
    content = path.read_bytes()
    path.write_bytes(content[: cut % (len(content) + 1)])
    whole = [outcome.key for outcome in Journal(path).read()]
    assert whole == [f"{i:02d} #ab" for i in range(len(whole))]
    with Journal(path) as journal:
        journal.add(explanation(key="09 #ab"))
    assert [outcome.key for outcome in Journal(path).read()] == [*whole, "09 #ab"]


@pytest.mark.parametrize(
    "line",
    [
        b"5",
        b"null",
        b"[]",
        b'"x"',
        b'{"explained": {}}',
        b'{"failed": 3}',
        b'{"explained": 5}',
        b"\xff\xfe",
        b'{"failed": {"key": 1}}',
        b'{"explained": {"format": 99}}',
        b"{}",
    ],
)
def test_a_line_that_is_no_outcome_is_passed_over(path, line):
    with Journal(path) as journal:
        journal.add(explanation())
    path.write_bytes(line + path.read_bytes() + b"\n" + line)
    assert [outcome.key for outcome in Journal(path).read()] == ["00 #ab"]


@pytest.mark.parametrize("text", ["a\nb", "\u2028\x85\r", "\ud800 lone", "é🧬", '"\\'])
def test_any_text_is_kept(path, text):
    with Journal(path) as journal:
        journal.add(explanation(part=text))
        journal.add(FailedExplanation("01", text, "x"))
    first, second = Journal(path).read()
    assert (first.parts[0], second.reason) == (text, text)


def test_a_journal_that_is_not_there_is_empty(path):
    assert list(Journal(path).read()) == []
    Journal(path).discard()


def test_discarding_deletes_the_file_even_while_it_is_open(path):
    journal = Journal(path)
    journal.add(explanation())
    journal.discard()
    assert not path.exists()
    journal.add(explanation(key="07 #ab"))
    journal.close()
    assert [outcome.key for outcome in journal.read()] == ["07 #ab"]


def test_each_outcome_is_on_the_disk_before_the_next(path):
    with Journal(path) as journal:
        journal.add(explanation())
        assert json.loads(path.read_bytes())["key"] == "00 #ab"


def test_many_packed_outcomes_are_added_at_once(path):
    lines = [pack(explanation(key=f"{i:02d} #ab")) for i in range(3)]
    with Journal(path) as journal:
        journal.add_packed(lines)
        journal.add_packed([])
        assert [outcome.key for outcome in journal.read()] == ["00 #ab", "01 #ab", "02 #ab"]


def test_the_lines_of_earlier_releases_are_read(path):
    path.parent.mkdir()
    failed = {"key": "01", "reason": "no", "kind": "ModelError"}
    entries = [{"explained": explanation().to_dict()}, {"failed": failed}]
    path.write_text("".join("\n" + json.dumps(entry) for entry in entries))
    first, second = Journal(path).read()
    assert (first.to_json(), second.reason) == (explanation().to_json(), "no")
    assert Journal(path).stored(["01", "00 #ab"]).keys == ["00 #ab"]


def failure(key, reason="no"):
    return FailedExplanation(key, reason, "ModelError")


def test_stored_explanations_come_in_the_order_of_the_keys(path):
    with Journal(path) as journal:
        for i in (3, 1, 2, 0):
            journal.add(explanation(key=f"{i}", part=f"part {i}"))
        journal.add(failure("9"))
    found = Journal(path).stored(["0", "1", "5", "9", "2", "3"])
    assert found.keys == ["0", "1", "2", "3"]
    assert [item.parts[0] for item in found.explanations] == [f"part {i}" for i in range(4)]
    assert (len(found.explanations), found.explanations[-1].key) == (4, "3")
    assert [item.key for item in found.explanations[1::2]] == ["1", "3"]
    assert [item.key for item in found.failed] == ["9"]
    with pytest.raises(IndexError):
        found.explanations[4]


def test_the_last_explanation_counts_and_no_later_failure(path):
    with Journal(path) as journal:
        journal.add_packed([pack(failure("a", "first")), pack(failure("b", "first"))])
        journal.add_packed([pack(explanation("a", "old")), pack(failure("b", "last"))])
        journal.add_packed([pack(explanation("a", "new")), pack(failure("a", "late"))])
    found = Journal(path).stored(["a", "b"])
    assert [item.parts[0] for item in found.explanations] == ["new"]
    assert [item.reason for item in found.failed] == ["last"]


def test_a_damaged_line_leaves_the_one_before_in_force(path):
    with Journal(path) as journal:
        journal.add(explanation("a", "whole"))
        journal.add_packed([pack(explanation("a", "changed")).replace(b"changed", b"chanced")])
    assert [item.parts[0] for item in Journal(path).stored(["a"]).explanations] == ["whole"]


def test_stored_explanations_outlast_the_file(path):
    with Journal(path) as journal:
        journal.add(explanation())
    found = journal.stored(["00 #ab"])
    journal.discard()
    assert [item.key for item in found.explanations] == ["00 #ab"]
    assert found.explanations[0].to_json() == explanation().to_json()


def test_nothing_is_stored_in_a_journal_that_is_not_there(path):
    found = Journal(path).stored(["a"])
    assert (list(found.keys), list(found.explanations), found.failed) == ([], [], ())


def test_many_threads_may_look_at_once(path):
    keys = [f"{i}" for i in range(60)]
    with Journal(path) as journal:
        journal.add_packed([pack(explanation(key)) for key in keys])
    found = journal.stored(keys).explanations
    with ThreadPoolExecutor(4) as pool:
        for seen in pool.map(lambda _: [item.key for item in found], range(8)):
            assert seen == keys


def test_a_folder_that_cannot_be_made_names_the_variable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="set MLFLOW_LIME_HOME"):
        Journal(tmp_path / "file" / "job.jsonl").add(explanation())


def test_the_home_is_the_configured_folder_or_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_LIME_HOME", str(tmp_path))
    assert home_folder() == tmp_path
    monkeypatch.delenv("MLFLOW_LIME_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert home_folder() == Path("/cache/mlflow-lime")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert home_folder() == Path("/home/somebody/.cache/mlflow-lime")


def test_nobody_else_can_read_what_may_hold_values(path):
    with Journal(path) as journal:
        journal.add(explanation())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
