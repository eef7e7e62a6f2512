"""Checks come to the same verdicts where the explanations are read from disk."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime.checks.check import Check, Evidence, Finding
from mlflow_lime.checks.registry import run_checks
from mlflow_lime.compare.compare import compare_explanations
from mlflow_lime.core.contents import ImageContent, TextContent
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.reference.associations import Associations
from mlflow_lime.report.whole import read_whole, write_whole
from tests.strategies import make_explanation, make_label

NAMES = ("age", "job", "postcode", "income")


def row(random, i, *, leak):
    weights = random.normal(size=4) * np.array([5.0 if leak else 1.0, 1, 1, 1])
    label = make_label(
        weights,
        label="yes",
        fidelity_r2=float(random.uniform(-0.2, 1)),
        stability_topk=float(random.uniform(0.2, 1)),
        flat=bool(i % 9 == 0),
        error=float(random.uniform(0, 0.5)),
    )
    score = float(random.random())
    return make_explanation(
        [label],
        key=f"{i:02d} #a",
        digest=f"{i:02d}",
        names=NAMES,
        parts=[f"{name} = {i}" for name in NAMES],
        class_names=("yes", "no"),
        scores=np.array([score, 1 - score]),
        exact=bool(i % 7 == 0),
    )


def worded(random, i):
    text = f"Subject number {i} of the post"
    spans = np.array([[0, 7, 0], [8, 14, 1], [15, 15 + len(str(i)), 2]], dtype=np.int32)
    weights = np.array([3.0, random.normal(), random.normal()])
    return make_explanation(
        [make_label(weights)],
        key=f"{i:02d} #b",
        names=["Subject", "number", str(i)],
        parts=["Subject", "number", str(i)],
        contents=(TextContent("", text, spans),),
    )


def pictured(random, i):
    segments = np.ones((16, 16), dtype=np.int32)
    segments[:4, :4] = 0
    pixels = random.integers(0, 255, size=(16, 16, 3)).astype(np.uint8)
    content = ImageContent("", pixels, segments, np.arange(2, dtype=np.int32))
    return make_explanation(
        [make_label([4 + random.normal(), random.normal()])],
        key=f"{i:02d} #c",
        contents=(content,),
    )


def evidence(explanations, random, **more):
    keys = [item.key for item in explanations]
    frame = pd.DataFrame(
        {
            "age": random.integers(20, 70, 60).astype(float),
            "job": random.choice(["cook", "nurse"], 60),
            "postcode": random.permutation(60) + 1000.0,
            "income": random.normal(size=60),
        }
    )
    background = Background.from_frame(frame)
    inputs = frame.iloc[[i % 60 for i in range(len(keys))]].set_axis(keys, axis="index")
    inputs.loc[keys[3], "job"] = "smith"
    others = {
        "layout": Layout.of_table(background),
        "inputs": inputs,
        "associations": Associations.of_frame(frame.assign(sex=frame["age"] > 45)),
        "true_labels": {key: "yes" if i % 3 else "no" for i, key in enumerate(keys)},
        "trust": {key: {"off_manifold": 0.5} for key in keys},
        "sensitive": ("AGE", "sex"),
        "target": "income",
        "drift": compare_explanations(explanations, explanations[::-1]),
        "train_explanations": tuple(row(random, 1000 + i, leak=True) for i in range(40)),
    }
    return others | more


def verdicts(explanations, others):
    return run_checks(Evidence(explanations=explanations, **others))


@pytest.mark.parametrize("kind", ["leak", "quiet", "texts", "images"])
def test_verdicts_are_the_same_on_disk(tmp_path, kind):
    random = np.random.default_rng(3)
    make = {
        "leak": lambda i: row(random, i, leak=True),
        "quiet": lambda i: row(random, i, leak=False),
        "texts": lambda i: worded(random, i),
        "images": lambda i: pictured(random, i),
    }[kind]
    explanations = tuple(make(i) for i in range(60))
    table = kind in ("leak", "quiet")
    rows = explanations if table else tuple(row(random, i, leak=False) for i in range(60))
    others = evidence(rows, random)
    if not table:
        others |= {"layout": None, "inputs": None}
    write_whole(explanations, [], tmp_path / "whole.parquet")
    stored = read_whole(tmp_path / "whole.parquet").explanations
    held, read = verdicts(explanations, others), verdicts(stored, others)
    assert [item.to_dict() for item in read] == [item.to_dict() for item in held]
    assert not [item for item in held if "itself failed" in item.reason]
    assert any(item.state == "raised" for item in held)


def test_an_outcome_names_no_more_keys_than_can_be_read():
    check = Check("ABC001", "t", "info", "s", lambda *_: Finding("passed", ""))
    keys = tuple(map(str, range(50_000)))
    assert check.outcome(Finding("raised", "many", keys)).instances == keys[:20_000]
