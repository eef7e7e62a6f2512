"""Contents of pages, made of a few explanations."""

import numpy as np

from mlflow_lime.checks.check import Outcome
from mlflow_lime.compare.compare import compare_explanations
from mlflow_lime.report.facts import InstanceFacts
from mlflow_lime.report.pages.content import Content, GateSaid, Other, Side
from tests.compare.made import versions
from tests.strategies import make_explanation, make_label

WEIGHTS = np.array([0.3, 0.2, -0.1, 0.05])
REVERSED = WEIGHTS[::-1].copy()


def simple(count=3, *, weights=(0.3, -0.1, 0.0), scores=(0.69, 0.31), **label):
    """Return a side of alike instances."""
    fields = {"partial_r2": 0.8, **label}
    items = tuple(
        make_explanation(
            [make_label(weights, **fields)],
            key=f"{i:02d} #ab",
            scores=np.array(scores),
        )
        for i in range(count)
    )
    return Side("credit/7", items)


def compared(before=WEIGHTS, after=REVERSED, *, count=6, **changes):
    """Return a page of a version beside a baseline."""
    old, new = versions(0, before, after, count=count)
    drift = compare_explanations(old, new)
    facts = InstanceFacts(
        reasons={item.key: "typical" for item in new},
        true_labels={item.key: "malignant" for item in new},
    )
    side = Side("credit/7", tuple(new), facts=facts, **changes)
    return Content(side, (Other(Side("credit/6", tuple(old)), drift),))


def outcome(severity="warning", state="raised", code="LIM007", instances=()):
    return Outcome(code, f"Title of {code}", severity, state, "because of 3 of 4", instances)


def gate(verdict, *reasons):
    return GateSaid(verdict, "credit/6", reasons)
