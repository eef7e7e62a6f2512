"""Texts beside numbers in one instance: one explanation, each kind by its own rule."""

import pickle

import numpy as np
import pandas as pd
import pytest

from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.joint import Child, JointDomain
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.core.text.masked import MaskedText
from mlflow_lime.errors import DataError


@pytest.fixture
def frame():
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": random.integers(20, 80, 40),
            "report": [f"patient {i} has a bad cough" for i in range(40)],
            "job": random.choice(["cook", "nurse"], 40),
            "note": ["seen twice", "", "??", "fine"] * 10,
        }
    )


def domain(frame, **text):
    table = frame[["age", "job"]]
    return JointDomain(
        [
            Child("", ("age", "job"), MaskedTable(Background.from_frame(table))),
            Child("report", ("report",), MaskedText(**text)),
            Child("note", ("note",), MaskedText()),
        ],
        list(frame.columns),
        dtypes={"report": frame["report"].dtype, "note": frame["note"].dtype},
    )


def predict(frame):
    """Linear in the parts, but for the age, whose replacement is random."""
    bad = frame["report"].str.contains("bad").to_numpy()
    cough = frame["report"].str.contains("cough").to_numpy()
    twice = frame["note"].str.contains("twice").to_numpy()
    nurse = (frame["job"] == "nurse").to_numpy()
    return 0.002 * frame["age"].to_numpy() + 0.3 * bad - 0.2 * cough + 0.1 * twice + 0.05 * nurse


def explainer(frame, model=predict, **options):
    return Explainer(domain(frame), model, "regression", **options)


def test_parts_of_every_kind_stand_in_one_explanation(frame):
    (found,) = explainer(frame).explain(frame.iloc[[0]])
    assert found.names == (
        *("age", "job"),
        *(f"report: {word}" for word in ("patient", "0", "has", "a", "bad", "cough")),
        *("note: seen", "note: twice"),
    )
    weights = found.as_dict()
    wide = found.labels[0].high - found.labels[0].low
    assert weights["report: bad"] == pytest.approx(0.3, abs=max(wide))
    assert weights["report: cough"] == pytest.approx(-0.2, abs=max(wide))
    assert weights["note: twice"] == pytest.approx(0.1, abs=max(wide))
    report, note = found.contents
    assert (report.column, note.column) == ("report", "note")
    assert {found.names[j] for j in note.parts} == {"note: seen", "note: twice"}


def test_the_true_weights_lie_in_the_intervals(frame):
    covered = []
    for found in explainer(frame, sampling=Sampling(rows=2048)).explain(frame.iloc[::4]):
        label = found.labels[0]
        for name, true in (("report: bad", 0.3), ("report: cough", -0.2)):
            j = found.names.index(name)
            slack = 1e-9  # scores are rounded to 32 binary digits
            covered.append(label.low[j] - slack <= true <= label.high[j] + slack)
    assert np.mean(covered) > 0.8


def test_the_model_is_given_the_columns_in_their_order_and_types(frame):
    seen = []

    def watch(rows):
        seen.append(rows)
        return predict(rows)

    explainer(frame, watch).explain(frame.iloc[:3])
    for rows in seen:
        assert list(rows.columns) == list(frame.columns)
        assert list(rows.dtypes) == list(frame.dtypes)
    assert set(pd.concat(seen)["age"]) <= set(frame["age"])


def test_level_columns_belong_to_the_tabular_parts_alone(frame):
    (subject,) = domain(frame).subjects(frame.iloc[[0]])
    assert subject.n_draws == 2
    assert subject.owners.tolist() == [0, 1]
    (other,) = domain(frame).subjects(frame.iloc[[1]])  # an empty note
    assert other.n_active == subject.n_active - 2


def test_an_order_of_kinds_moves_the_owners(frame):
    table = MaskedTable(Background.from_frame(frame[["age"]]))
    turned = JointDomain(
        [Child("report", ("report",), MaskedText()), Child("", ("age",), table)],
        ["age", "report"],
    )
    (subject,) = turned.subjects(frame[["age", "report"]].iloc[[0]])
    assert subject.owners.tolist() == [6]
    assert subject.active.tolist() == list(range(7))


def test_texts_that_cannot_vary_leave_the_rest_to_be_explained(frame):
    found = explainer(frame).explain(frame.iloc[:4])
    assert all(isinstance(item, Explanation) for item in found)
    assert "note: the text is empty" in found[1].notes
    assert any(note.startswith("note: the text holds no words") for note in found[2].notes)


def test_one_kind_alone_is_the_kind_itself(frame):
    alone = JointDomain([Child("report", ("report",), MaskedText())], ["report"])
    texts = frame[["report"]].iloc[:3]

    def count(texts):
        return np.array([text.count("a") * 0.1 for text in texts])

    joint = Explainer(alone, lambda rows: count(rows["report"]), "regression").explain(texts)
    plain = Explainer(MaskedText(), count, "regression").explain(texts["report"].tolist())
    for one, other in zip(joint, plain, strict=True):
        assert (one.names, one.digest, one.recipe) == (other.names, other.digest, other.recipe)
        assert np.array_equal(one.labels[0].weights, other.labels[0].weights)
    assert joint[0].contents[0].column == "report"


def test_an_instance_has_the_same_bits_alone_and_in_company(frame):
    together = explainer(frame).explain(frame.iloc[:5], keys=list("abcde"))
    alone = explainer(frame).explain(frame.iloc[[3]], keys=["d"])
    assert alone[0].to_json() == together[3].to_json()
    again = pickle.loads(pickle.dumps(explainer(frame).domain))
    (same,) = Explainer(again, predict, "regression").explain(frame.iloc[[3]], keys=["d"])
    assert same.to_json() == alone[0].to_json()


def test_rows_that_repeat_are_told_by_all_kinds_together(frame):
    two = domain(frame)
    subjects = two.subjects(frame.iloc[:2])
    random = np.random.default_rng(1)
    from mlflow_lime.core.blocks import MaskBlock

    draws = []
    for subject in subjects:
        masks = random.integers(0, 2, (200, subject.n_active), dtype=np.uint8)
        levels = random.integers(0, 1024, (200, subject.n_draws)).astype(np.uint16)
        draws.append((subject, MaskBlock(masks, levels, np.ones(200))))
    found = two.fingerprints(draws)
    rows = two.perturb(draws).astype(str).agg("|".join, axis=1).to_numpy()
    for value in set(found):
        assert len(set(rows[found == value])) == 1
    assert len(set(found)) <= 400


def test_a_redacted_explanation_names_columns_and_hides_words(frame):
    (found,) = explainer(frame).explain(frame.iloc[[0]])
    hidden = found.redacted()
    assert hidden.names[:4] == ("age", "job", "report: part 1", "report: part 2")
    assert hidden.contents == ()
    assert hidden.parts == hidden.names
    assert "cough" not in hidden.to_json()
    assert Explanation.from_json(found.to_json()).contents[0].text == frame["report"][0]


def test_nothing_to_vary_is_said_of_each_column():
    rows = pd.DataFrame({"a": ["..."], "b": [""]})
    domain = JointDomain(
        [Child("a", ("a",), MaskedText()), Child("b", ("b",), MaskedText())], ["a", "b"]
    )
    (found,) = Explainer(domain, lambda rows: np.zeros(len(rows)), "regression").explain(rows)
    assert isinstance(found, FailedExplanation)
    assert "a: the text holds no words" in found.reason
    assert "b: the text is empty" in found.reason


def test_no_columns_at_all():
    with pytest.raises(DataError, match="no columns"):
        JointDomain([], [])
