"""Checks of tables: a planted fault each, and healthy, other, and missing evidence."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime.checks.check import Evidence
from mlflow_lime.checks.registry import run_checks
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.reference.associations import Associations
from tests.checks import cases
from tests.checks.cases import grown, outcome


@pytest.fixture(scope="module")
def steep():
    """Return evidence on a model that answers at random: parts explain nothing of it."""
    frame = pd.DataFrame(
        np.random.default_rng(0).normal(size=(100, 5)), columns=list("abcde")
    ).round(3)

    class Noise:
        def predict_proba(self, rows):
            sums = (rows.to_numpy() * [7919, 104729, 1299709, 15485863, 32452843]).sum(axis=1)
            high = np.sin(sums) / 2 + 0.5
            return np.column_stack([1 - high, high])

    background = Background.from_frame(frame)
    return Evidence(
        explanations=cases.explain_rows(Noise(), background, frame.head(10)),
        layout=Layout.of_table(background),
    )


def test_a_healthy_forest_raises_nothing(healthy):
    raised = [item.code for item in run_checks(healthy) if item.state == "raised"]
    assert raised == []


def test_a_healthy_logistic_regression_raises_nothing():
    evidence = cases.on_table(*cases.people(), cases.logistic, sensitive=["sex"])
    assert [item.code for item in run_checks(evidence) if item.state == "raised"] == []


# LIM001, LIM002, LIM003


def test_surrogates_that_explain_nothing_are_raised(steep, healthy):
    found = outcome(steep, "LIM001")
    assert found.state == "raised"
    poor = [item for item in steep.explanations if item.labels[0].fidelity_r2 < 0.1]
    assert f"{len(poor)} of 10 surrogates have a held-out R² below 0.1" in found.reason
    assert set(found.instances) == {item.key for item in poor}
    assert found.value == len(poor) / 10
    worst = min(poor, key=lambda item: item.labels[0].fidelity_r2)
    assert found.instances[0] == worst.key
    assert outcome(healthy, "LIM001").state == "passed"
    assert outcome(healthy, "LIM001", min=1.0).state == "raised"
    assert outcome(healthy, "LIM001", min=1.0, share=0.99).value > 0.99


def test_weights_that_change_with_the_draw_are_raised(steep, healthy):
    found = outcome(steep, "LIM002")
    assert found.state == "raised"
    assert len(found.instances) > 2
    assert outcome(healthy, "LIM002").state == "passed"
    assert outcome(healthy, "LIM002", overlap=1.0, signs=1.0).value > 0


def test_weights_without_sampling_error_are_stable():
    frame = cases.people()[0][["age", "hours"]]
    target = (frame["age"] + frame["hours"] > 85).astype(int).to_numpy()
    evidence = cases.on_table(frame, target, cases.logistic)
    exact = [cases.grown(item, exact=True) for item in evidence.explanations]
    found = outcome(grown(evidence, explanations=tuple(exact)), "LIM002")
    assert (found.state, "nothing is left to chance" in found.reason) == ("passed", True)


def test_a_model_that_always_answers_the_same_is_flat(healthy):
    frame, _ = cases.people()
    evidence = cases.on_table(frame, np.arange(len(frame)) // 1199, cases.stump)
    found = outcome(evidence, "LIM003")
    assert found.state == "raised"
    assert "around 14 of 14 instances the output hardly varies" in found.reason
    for code in ("LIM001", "LIM002", "LIM007", "LIM008"):
        assert outcome(evidence, code).state == "skipped"
    assert outcome(healthy, "LIM003").state == "passed"
    assert outcome(Evidence(), "LIM003").state == "skipped"


# LIM004


def test_perturbed_rows_off_the_data_are_raised(healthy, images):
    def trust(value):
        return {item.key: {"off_manifold": value} for item in healthy.explanations}

    found = outcome(grown(healthy, trust=trust(0.9)), "LIM004")
    assert (found.state, found.severity) == ("raised", "info")
    assert found.value == pytest.approx(0.9)
    assert outcome(grown(healthy, trust=trust(0.2)), "LIM004").state == "passed"
    assert outcome(grown(healthy, trust=trust(0.2)), "LIM004", max=0.1).state == "raised"
    assert outcome(grown(healthy, trust=trust(float("nan"))), "LIM004").state == "skipped"
    assert "metrics.realism" in outcome(healthy, "LIM004").reason
    pixels = grown(images, layout=Layout(columns=("image",), texts=("image",)))
    assert outcome(pixels, "LIM004").state == "not applicable"


# LIM005, LIM006


@pytest.fixture(scope="module")
def unfair():
    """Return rows, and a target that depends on the sex."""
    frame, target = cases.people()
    random = np.random.default_rng(1)
    wish = 0.15 + 0.3 * target + 0.45 * (frame["sex"] == "m")
    return frame, (random.random(len(frame)) < wish).astype(int).to_numpy()


def test_a_sensitive_column_that_is_relied_on_is_raised(unfair):
    evidence = cases.on_table(*unfair, sensitive=["sex"])
    found = outcome(evidence, "LIM005")
    assert (found.state, found.severity) == ("raised", "error")
    assert found.reason.startswith("'sex' carries")
    assert found.value > 0.3
    assert len(found.instances) > 7
    assert outcome(evidence, "LIM005", share=0.9, certain=0.9).state == "passed"


def test_a_sensitive_column_that_is_not_relied_on_passes(healthy):
    found = outcome(healthy, "LIM005")
    assert found.state == "passed"
    assert 0 < found.value < 0.05


def test_one_instance_has_no_interval_but_a_share(unfair):
    evidence = cases.on_table(*unfair, sensitive=["sex"])
    one = grown(evidence, explanations=evidence.explanations[:1])
    assert outcome(one, "LIM005").state == "raised"
    assert outcome(one, "LIM005", certain=0.99).state == "passed"


def test_upper_and_lower_case_of_what_is_declared_are_alike(unfair):
    assert outcome(cases.on_table(*unfair, sensitive=["SEX"]), "LIM005").state == "raised"


def test_a_mistyped_sensitive_column_is_not_taken_for_one_without_weight(unfair):
    for code in ("LIM005", "LIM006"):
        found = outcome(cases.on_table(*unfair, sensitive=["sx"]), code)
        assert found.state == "skipped"
        assert "'sx' is no column of the data. Did you mean 'sex'?" in found.reason or (
            code == "LIM006"
        )


def test_nothing_declared_skips_what_is_sensitive(healthy):
    evidence = grown(healthy, sensitive=())
    for code in ("LIM005", "LIM006"):
        assert outcome(evidence, code).state == "skipped"
        assert "checks.sensitive" in outcome(evidence, code).reason


def test_a_column_of_a_group_is_found_in_it():
    frame, target = cases.people()
    frame = frame.drop(columns=["job", "education"])
    frame["sex_m"] = (frame.pop("sex") == "m").astype(int)
    frame["sex_f"] = 1 - frame["sex_m"]
    random = np.random.default_rng(1)
    wish = np.where(random.random(len(frame)) < 0.8, frame["sex_m"], target)
    evidence = cases.on_table(frame, wish, sensitive=["sex_f"])
    assert "sex" in evidence.explanations[0].names
    assert outcome(evidence, "LIM005").state == "raised"


def test_a_proxy_is_raised_though_the_model_does_not_read_the_sensitive_column(unfair):
    frame, target = unfair
    random = np.random.default_rng(2)
    tall = np.where(frame["sex"] == "m", 180, 167) + random.normal(0, 5, len(frame))
    evidence = cases.on_table(
        frame.drop(columns="sex").assign(height=tall),
        target,
        hidden={"sex": frame["sex"]},
        sensitive=["sex"],
    )
    found = outcome(evidence, "LIM006")
    assert (found.state, found.severity) == ("raised", "warning")
    assert found.reason.startswith("'height' (association 0.8")
    assert found.value > 0.2
    assert outcome(evidence, "LIM005").state == "passed"
    assert outcome(evidence, "LIM006", strength=0.99).state == "passed"
    assert outcome(evidence, "LIM006", share=0.9, certain=0.9).state == "passed"


def test_the_sensitive_column_itself_is_no_proxy(unfair):
    evidence = cases.on_table(*unfair, sensitive=["sex"])
    assert outcome(evidence, "LIM006").state == "passed"


def test_proxies_of_what_is_not_in_the_data_are_not_judged(healthy, texts):
    found = outcome(grown(healthy, sensitive=("religion",)), "LIM006")
    assert (found.state, "none of 'religion'" in found.reason) == ("skipped", True)
    assert outcome(grown(healthy, associations=None), "LIM006").state == "skipped"
    words = grown(texts, sensitive=("sex",), layout=Layout(columns=("text",), texts=("text",)))
    assert outcome(words, "LIM006").state == "not applicable"


# LIM007


@pytest.mark.parametrize("make", [cases.forest, cases.logistic])
@pytest.mark.parametrize("agrees", [1.0, 0.9])
def test_a_leaked_column_is_raised(make, agrees):
    frame, target = cases.people()
    right = np.random.default_rng(3).random(len(frame)) < agrees
    evidence = cases.on_table(frame.assign(code=np.where(right, target, 1 - target)), target, make)
    found = outcome(evidence, "LIM007")
    assert found.state == "raised"
    assert found.reason.startswith("'code' ")
    assert found.instances
    assert outcome(grown(evidence, associations=None), "LIM007").state in ("passed", "raised")


def test_strong_columns_are_no_leaks(healthy):
    found = outcome(healthy, "LIM007")
    assert found.state == "passed"
    assert outcome(healthy, "LIM007", share=0.1, instances=0.0).state == "raised"
    assert outcome(healthy, "LIM007", target=0.1).reason.startswith("'")


def test_of_two_columns_one_may_dominate():
    frame = cases.people()[0][["age", "hours"]]
    evidence = cases.on_table(frame, (frame["age"] > 40).astype(int).to_numpy(), cases.logistic)
    assert outcome(evidence, "LIM007").state == "not applicable"


# LIM008


@pytest.mark.parametrize("kind", ["numbered", "named"])
def test_a_column_of_ids_is_raised_where_it_carries_weight(kind):
    frame, target = cases.people()
    order = np.argsort(target + np.random.default_rng(4).normal(0, 0.4, len(target)))
    number = np.empty(len(order), dtype=int)
    number[order] = np.arange(len(order)) + 10_000
    # Ids that are not numbered through are told by their name.
    column = {"row": number} if kind == "numbered" else {"customer_id": number**3 % 99_999_989}
    if kind == "named":
        column = {"customer_id": (number - 9_000) ** 2}
    evidence = cases.on_table(frame.assign(**column), target)
    found = outcome(evidence, "LIM008")
    assert found.state == "raised"
    assert found.reason.startswith(f"'{next(iter(column))}' hardly has the same value twice")
    assert outcome(evidence, "LIM008", share=1.0, certain=1.0).state == "passed"


def test_quantities_with_distinct_values_are_no_ids(healthy):
    frame, target = cases.people()
    random = np.random.default_rng(5)
    salary = np.exp(random.normal(10, 1, len(frame)) + target).round()
    evidence = cases.on_table(
        frame.assign(salary=salary, score=target + random.random(1200)), target
    )
    assert outcome(evidence, "LIM008").state == "passed"
    assert outcome(healthy, "LIM008").reason == "no part looks like an id"


def test_a_time_of_the_day_is_no_id():
    frame, _ = cases.people(5000)
    random = np.random.default_rng(8)
    minute = random.integers(0, 1440, 5000)
    late = (minute > 720).astype(int)
    evidence = cases.on_table(frame.assign(minute=minute), late)
    assert outcome(evidence, "LIM008").state == "passed"


def test_ids_without_weight_pass():
    frame, target = cases.people()
    names = np.random.default_rng(6).permutation(len(frame))
    evidence = cases.on_table(frame.assign(id=names), target, cases.logistic)
    found = outcome(evidence, "LIM008")
    assert (found.state, found.reason) == (
        "passed",
        "hardly any weight is on 'id', which may be ids",
    )


def test_ids_are_not_looked_for_in_images(images):
    assert outcome(images, "LIM008").state == "not applicable"


# LIM010


def test_an_unseen_category_is_raised(healthy):
    inputs = healthy.inputs.copy()
    inputs.iloc[2, inputs.columns.get_loc("job")] = "astronaut"
    evidence = grown(healthy, inputs=inputs)
    found = outcome(evidence, "LIM010")
    assert found.state == "raised"
    assert found.instances == (healthy.explanations[2].key,)
    assert "1 of 14 instances" in found.reason
    assert "astronaut" not in found.reason  # a value of the data
    assert outcome(evidence, "LIM010", share=0.99).state == "passed"


def test_known_and_missing_categories_pass(healthy):
    assert outcome(healthy, "LIM010").state == "passed"
    inputs = healthy.inputs.copy()
    inputs["job"] = inputs["job"].astype(object)
    inputs.iloc[0, inputs.columns.get_loc("job")] = None
    inputs["married"] = inputs["married"].astype(float)  # as where a value is missing
    assert outcome(grown(healthy, inputs=inputs), "LIM010").state == "passed"


def test_categories_need_inputs_and_columns_of_them(healthy, texts):
    assert outcome(grown(healthy, inputs=None), "LIM010").state == "skipped"
    assert outcome(texts, "LIM010").state == "not applicable"


# LIM013


def test_an_overfitted_model_is_raised():
    frame, _ = cases.people()
    frame = frame.select_dtypes("number")
    frame = frame.assign(**{f"x{i}": np.random.default_rng(i).normal(size=1200) for i in range(6)})
    target = np.random.default_rng(9).integers(0, 2, 1200)
    model = cases.forest(frame, bootstrap=False).fit(frame.iloc[:300], target[:300])
    background = Background.from_frame(frame.iloc[:300])
    seen = cases.explain_rows(model, background, frame.iloc[:20])
    unseen = cases.explain_rows(model, background, frame.iloc[300:320])
    overfitted = Evidence(explanations=unseen, train_explanations=seen)
    found = outcome(overfitted, "LIM013")
    assert found.state == "raised"
    assert "total absolute weight" in found.reason
    assert outcome(overfitted, "LIM013", rate=1e-9).state == "passed"
    same = Evidence(explanations=unseen[:10], train_explanations=unseen)
    assert outcome(same, "LIM013").state == "skipped"
    special = {item.key: "closest to the boundary" for item in unseen}
    found = outcome(grown(overfitted, reasons=special), "LIM013")
    assert (found.state, "0 pinned instances" in found.reason) == ("skipped", True)


def test_a_model_that_generalises_passes():
    frame, target = cases.people()
    model = cases.logistic(frame).fit(frame.iloc[:600], target[:600])
    background = Background.from_frame(frame.iloc[:600])
    evidence = Evidence(
        explanations=cases.explain_rows(model, background, frame.iloc[600:625]),
        train_explanations=cases.explain_rows(model, background, frame.iloc[:25]),
    )
    found = outcome(evidence, "LIM013")
    assert found.state == "passed"
    assert "do not differ beyond chance" in found.reason
    assert outcome(grown(evidence, train_explanations=None), "LIM013").state == "skipped"


# Names from outside


def test_hostile_names_of_columns_stay_names():
    frame, target = cases.people()
    names = {
        "age": "<script>alert(1)</script>",
        "sex": "sex\n| raised | [x](http://evil.example)",
        "job": "j" * 5_000,
        "hours": "'; DROP TABLE --`\u202e",
    }
    frame = frame.rename(columns=names)
    right = np.where(
        np.random.default_rng(3).random(1200) < 0.3, target, frame[names["sex"]] == "m"
    )
    evidence = cases.on_table(frame, right.astype(int), sensitive=[names["sex"], names["job"]])
    found = run_checks(evidence)
    assert outcome(evidence, "LIM005").state == "raised"
    assert all("\n" not in item.reason and len(item.reason) < 900 for item in found)
    assert Associations.of_frame(frame).between(names["age"], names["age"]) == 1.0
