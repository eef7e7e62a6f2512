"""The engine changes no number."""

import pytest
from asked import KINDS, Asked


@pytest.mark.parametrize("kind", KINDS)
def test_threads_and_processes_give_the_same_bits(kind, tmp_path):
    asked = Asked(kind, tmp_path)
    expected = asked.explain("here", workers=1)
    assert len(expected) == 30
    assert asked.explain("threads", mode="threads", workers=3, task_instances=4) == expected
    assert asked.explain("processes", mode="processes", workers=2, task_instances=7) == expected
    assert sorted(asked.lines("processes")) == sorted(expected)


def test_a_pool_that_instances_share_gives_the_same_bits(tmp_path):
    asked = Asked("forest", tmp_path, tabular={"representation": "bins"})
    expected = asked.explain("here", workers=1)
    assert asked.explain("processes", mode="processes", workers=2, task_instances=7) == expected


def test_what_is_finished_is_not_done_again(tmp_path):
    asked = Asked("numbers", tmp_path)
    expected = asked.explain("all", workers=1)
    finished = asked.folder.joinpath("all.jsonl").read_bytes().split(b"\n")[:12]
    asked.folder.joinpath("some.jsonl").write_bytes(b"\n".join(finished) + b'\n{"packed":"cut')
    assert asked.explain("some", mode="processes", workers=2) == expected
    assert sorted(asked.lines("all")) == sorted(expected)
    again = asked.folder.joinpath("some.jsonl").read_bytes()
    assert again.count(b'"key":') == len(expected)
