"""The five numbers, their intervals, and what a change of them means."""

from dataclasses import replace

import pytest

from mlflow_lime import names
from mlflow_lime.metrics.trust import Estimate, Trust
from mlflow_lime.report.pages.content import Content, Other, Side
from mlflow_lime.report.pages.numbers import all_numbers, main_numbers
from tests.report.pages.made import simple


def trust(**values):
    return Trust(summary={name: Estimate(*numbers, 40) for name, numbers in values.items()})


NEW = replace(
    simple(),
    metrics={"accuracy_score": 0.9, "lime/partial_r2": 0.6, "steps": 12.0},
    trust=trust(
        partial_r2=(0.6, 0.55, 0.65),
        partial_r2_p10=(0.4, 0.3, 0.5),
        stability_topk=(0.8, 0.7, 0.9),
        comprehensiveness_gain=(0.3, 0.2, 0.4),
    ),
)
OLD = replace(
    NEW,
    name="credit/6",
    metrics={"accuracy_score": 0.8},
    trust=trust(partial_r2=(0.8, 0.75, 0.85), partial_r2_p10=(0.45, 0.35, 0.55)),
)


def by_title(content):
    return {item.title: item for item in main_numbers(content)}


def test_there_are_five_with_their_intervals():
    found = main_numbers(Content(NEW))
    titles = [item.title for item in found]
    assert titles == ["accuracy", "fit", "fit, worst tenth", "stability", "effect of the top parts"]
    assert (found[1].value, found[1].interval, found[1].change) == ("0.60", "0.55 to 0.65", "")
    assert found[0].interval == ""


def test_a_change_beyond_both_intervals_is_called_better_or_worse():
    found = by_title(Content(NEW, (Other(OLD),)))
    assert (found["fit"].tone, found["fit"].change) == ("worse", "−0.20")
    assert found["fit, worst tenth"].tone == ""
    assert (found["accuracy"].tone, found["accuracy"].change) == ("better", "+0.10")
    assert (found["stability"].change, found["stability"].since) == ("", "")
    assert found["fit"].since == "credit/6"


def test_no_change_is_said_so():
    fit = by_title(Content(NEW, (Other(NEW),)))["fit"]
    assert (fit.change, fit.since) == ("no change", "credit/7")


def test_an_error_that_grows_is_worse():
    grown = replace(simple(), metrics={"rmse": 2.0})
    found = by_title(Content(grown, (Other(replace(grown, metrics={"rmse": 1.0})),)))
    assert found["RMSE"].tone == "worse"
    assert found["RMSE"].share is None


@pytest.mark.parametrize(
    ("before", "after", "value", "change", "tone"),
    [
        (25_000.0, 25_000.02, "25,000", "no change", ""),
        (0.0012, 0.0024, "0.0024", "+0.00120", "worse"),
        (0.95, 0.94, "0.94", "−0.01", "better"),
    ],
)
def test_errors_are_judged_relative_to_what_they_were(before, after, value, change, tone):
    new, old = (replace(simple(), metrics={"rmse": number}) for number in (after, before))
    (found,) = main_numbers(Content(new, (Other(old),)))
    assert (found.value, found.change, found.tone, found.share) == (value, change, tone, None)


def test_reviews_without_partial_r2_show_r2():
    old = replace(simple(), metrics={"lime/fidelity_r2": 0.5, "lime/local_gap": 0.02})
    assert [item.name for item in main_numbers(Content(old))] == [
        "lime/fidelity_r2",
        "lime/local_gap",
    ]


def test_nothing_is_known_of_a_side_without_numbers():
    assert main_numbers(Content(Side("credit/7", ()))) == ()
    assert all_numbers(Content(Side("credit/7", ()))) == []


def test_every_number_is_listed_with_its_meaning_and_the_others():
    rows = {row.name: row for row in all_numbers(Content(NEW, (Other(OLD),)))}
    assert rows["lime/partial_r2"].meaning == names.METRICS["lime/partial_r2"]
    assert rows["lime/partial_r2"].others == ("0.8",)
    assert (rows["accuracy_score"].value, rows["accuracy_score"].others) == ("0.9", ("0.8",))
    assert rows["steps"].others == ("n/a",)


def test_what_another_version_changed_is_not_set_beside_what_this_one_did():
    new = replace(simple(), metrics={"lime/drift_p_value": 0.5})
    old = replace(simple(), metrics={"lime/drift_p_value": 0.1})
    (row,) = all_numbers(Content(new, (Other(old),)))
    assert (row.value, row.others) == ("0.5", ("",))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_no_numbers(value):
    side = replace(simple(), metrics={"accuracy": value, "lime/local_gap": value, "other": value})
    assert main_numbers(Content(side)) == ()
    assert all_numbers(Content(side)) == []
