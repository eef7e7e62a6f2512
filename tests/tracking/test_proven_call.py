import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlflow_lime.tracking.model import load_scoring_function
from mlflow_lime.tracking.proven_call import PROOF_ROWS, ProvenCall

ROWS = np.arange(PROOF_ROWS * 2.0)


def test_equal_numbers_leave_the_checks_behind():
    asked = []
    call = ProvenCall(lambda rows: asked.append(len(rows)) or rows * 2.0, lambda rows: rows + rows)
    for _ in range(3):
        np.testing.assert_array_equal(call(ROWS), ROWS * 2)
    assert asked == [PROOF_ROWS]


def test_few_rows_prove_nothing():
    call = ProvenCall(lambda rows: rows * 2.0, lambda rows: rows + rows)
    call(ROWS[: PROOF_ROWS - 1])
    assert call.proven is None


def failing(rows):
    raise ValueError


@pytest.mark.parametrize(
    "other",
    [
        lambda rows: rows * (2.0 + 1e-9),
        lambda rows: (rows * 2.0).astype(np.float32),
        lambda rows: (rows * 2.0)[:, None],
        failing,
    ],
)
def test_any_difference_keeps_the_checks(other):
    call = ProvenCall(lambda rows: rows * 2.0, other)
    for _ in range(2):
        np.testing.assert_array_equal(call(ROWS), ROWS * 2)
    assert call.proven is False


def test_a_model_with_probabilities_is_asked_itself_after_the_proof(tmp_path):
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(400, 12)), columns=[f"c{i}" for i in range(12)])
    model = LogisticRegression().fit(frame, frame["c0"] > 0)
    mlflow.sklearn.save_model(
        model,
        tmp_path / "model",
        input_example=frame.head(3),
        pyfunc_predict_fn="predict_proba",
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    score = load_scoring_function(str(tmp_path / "model"))
    found = score(frame)
    assert score.call.proven is True
    np.testing.assert_allclose(found, model.predict_proba(frame), rtol=1e-12)
    np.testing.assert_array_equal(score(frame), found)
