"""Instances picked by what a logged model says: tables, texts, images, and evaluations."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from mlflow_lime import names
from mlflow_lime.errors import ConfigError, DataError, ModelError, VersionNotFoundError
from mlflow_lime.tracking.pinned import read_pin, read_reference
from mlflow_lime.tracking.pinning import new_reference
from mlflow_lime.tracking.versions import resolve_model
from tests.tracking.contents import Left, picture, register, review, reviews

pytestmark = pytest.mark.filterwarnings("ignore")

MIXTURE = {"submodular": 3, "errors": 2, "boundary": 2, "rare": 2, "medoids": 2}
FIRST_WORDS = ("shows", "well", "wrong", "near", "rare", "typical")


class Fails(LogisticRegression):
    """Refuses rows in which x0 is above its limit."""

    limit = 50.0

    def predict_proba(self, X):
        if (np.asarray(X)[:, 0] > self.limit).any():
            raise ValueError("too much")
        return super().predict_proba(X)


class FailsAlways(Fails):
    """Refuses every row."""

    limit = -np.inf


def pinned(uri, client=None):
    client = client or mlflow.MlflowClient()
    return read_reference(client, read_pin(client, resolve_model(uri, client)))


def check_mixture(reference, count=11):
    assert len(reference) == len(set(reference.positions)) == count
    assert all(reason.startswith(FIRST_WORDS) for reason in reference.reasons)


def test_a_mixture_on_a_table_is_pinned_with_its_reasons_and_explained(desk):
    uri = desk.register()
    config = desk.config(reference={"pick": MIXTURE, "count": 20})
    done = desk.explain(uri, config)
    assert done.metrics["lime/instances"] == 11
    reference = pinned(uri)
    check_mixture(reference)
    model = mlflow.sklearn.load_model(uri)
    scores = model.predict_proba(desk.frame[desk.columns])
    margins = np.abs(scores[:, 1] - scores[:, 0])
    near = [p for p, r in zip(reference.positions, reference.reasons, strict=True) if "margin" in r]
    assert set(np.argsort(margins)[:2]) <= set(near)
    wrong = scores.argmax(axis=1) != desk.frame["target"].to_numpy()
    for position, reason in zip(reference.positions, reference.reasons, strict=True):
        assert "wrong label" not in reason or wrong[position]


def test_the_same_is_picked_again_and_notes_say_what_was_lacking(desk):
    ref = resolve_model(desk.register())
    config = desk.config(reference={"pick": "confident_errors", "count": 70})
    one, _, notes = new_reference(ref, config, desk.client)
    two, _, _ = new_reference(ref, config, desk.client)
    assert one.digest == two.digest
    assert one.reasons == two.reasons
    (note,) = [note for note in notes if "filled up" in note]
    assert note.startswith("pick: confident_errors found ")


def test_rows_on_which_the_model_fails_are_left_out_and_counted(desk):
    ref = resolve_model(desk.register(Fails(max_iter=9999)))
    background = desk.folder / "background.parquet"
    desk.frame[desk.frame["x0"] <= 50][desk.columns].to_parquet(background)
    for pick in ("boundary", "submodular", "medoids"):
        over = {"medoids_over": "explanations"} if pick == "medoids" else {}
        config = desk.config(
            reference={"pick": pick, "count": 6, **over},
            labels=["1"],
            background={"source": str(background)},
        )
        reference, _, notes = new_reference(ref, config, desk.client)
        assert (desk.frame["x0"].iloc[list(reference.positions)] <= 50).all()
        lost = int((desk.frame["x0"] > 50).sum())
        (note,) = [note for note in notes if note.startswith(f"{lost} of 80 rows")]
        assert ("the model fails" if pick == "boundary" else "could not be explained") in note


def test_a_model_that_always_fails_is_said_to(desk):
    ref = resolve_model(desk.register(FailsAlways(max_iter=9999)))
    config = desk.config(reference={"pick": "boundary"}, labels=["1"])
    with pytest.raises(ModelError, match=r"answers for none of 80 rows; the first: .*ValueError"):
        new_reference(ref, config, desk.client)


def test_disagreement_with_another_version_by_its_alias(desk):
    first = desk.register()
    desk.register(target=(desk.frame["x2"] > 40).astype(int))
    desk.client.set_registered_model_alias(desk.name, "champion", "1")
    config = desk.config(
        reference={"pick": "disagreement", "against": f"models:/{desk.name}@champion"}
    )
    reference, _, _ = new_reference(resolve_model(f"models:/{desk.name}/2"), config, desk.client)
    assert set(reference.reasons) == {"another label than the baseline's"}
    same, _, notes = new_reference(resolve_model(first), config, desk.client)
    assert "disagreement found 0 of 5" in notes[0]
    assert len(same) == 5


def test_a_baseline_that_is_not_there_or_does_something_else_is_refused(desk, log):
    uri = desk.register()
    config = desk.config(reference={"pick": "disagreement", "against": f"models:/{desk.name}/9"})
    with pytest.raises(VersionNotFoundError):
        new_reference(resolve_model(uri), config, desk.client)
    other = LinearRegression().fit(desk.frame[desk.columns], desk.frame["x0"])
    info = log(mlflow.sklearn, other, serialization_format="cloudpickle")
    config = desk.config(reference={"pick": "disagreement", "against": info.model_uri})
    with pytest.raises(ConfigError, match="a model for regression, but this one is for classif"):
        new_reference(resolve_model(uri), config, desk.client)


def test_a_slice_is_stored_beside_the_set(desk):
    desk.frame["region"] = np.where(desk.frame.index % 2, "north", "south")
    desk.frame.to_parquet(desk.data, index=False)
    uri = desk.register()
    config = desk.config(
        data={"drop": ["region"]}, metrics={"slice": "region"}, reference={"count": 6}
    )
    desk.explain(uri, config)
    reference = pinned(uri)
    regions = desk.frame["region"].iloc[list(reference.positions)]
    assert reference.slices == {"region": tuple(regions)}
    assert {"region", "target", "x0"} <= set(reference.associations.columns)
    wrong = desk.config(data={"drop": ["region"]}, metrics={"slice": "regio"})
    with pytest.raises(ConfigError, match=r"metrics.slice names column 'regio'.*'region'"):
        desk.explain(uri, wrong, new_set=True)


@pytest.mark.parametrize(("rule", "kept"), [("redacted", True), ("none", False)])
def test_what_may_not_be_stored_is_not(desk, rule, kept):
    uri = desk.register()
    config = desk.config(
        data={"id": None, "drop": ["who"]},
        metrics={"slice": "who"},
        reference={"store_inputs": rule},
    )
    done = desk.explain(uri, config)
    files = desk.artifacts(done.run_id, names.REFERENCE_FOLDER)
    assert (f"{names.REFERENCE_FOLDER}/reference_associations.json" in files) == kept
    assert b"person-" not in files[f"{names.REFERENCE_FOLDER}/reference.json"]


@pytest.mark.parametrize("pick", [MIXTURE, {"disagreement": 2}])
def test_a_mixture_of_texts(tmp_path, log, pick):
    frame = reviews(80)
    data = tmp_path / "reviews.parquet"
    frame.to_parquet(data)
    fitted = [
        make_pipeline(TfidfVectorizer(), LogisticRegression(C=c)).fit(frame["review"], labels)
        for c, labels in ((0.01, frame["label"]), (9.0, frame["label"][::-1]))
    ]
    logged = [log(mlflow.sklearn, item, serialization_format="cloudpickle") for item in fitted]
    uri = register(logged[0], f"texts-{'-'.join(pick)}")
    reference = {"pick": pick, "count": 20}
    if "disagreement" in pick:
        reference["against"] = logged[1].model_uri
    done = review(uri, data={"source": str(data), "target": "label"}, reference=reference)
    assert done.metrics["lime/instances"] == sum(pick.values())
    assert len(set(pinned(uri).positions)) == sum(pick.values())


@pytest.mark.parametrize("over", ["inputs", "explanations"])
def test_a_mixture_of_pictures_in_columns(tmp_path, log, over):
    data = load_digits(n_class=3, as_frame=True)
    file = tmp_path / "digits.parquet"
    data.data.assign(digit=data.target).to_parquet(file)
    forest = RandomForestClassifier(10, random_state=0).fit(data.data[:60], data.target[:60])
    uri = register(log(mlflow.sklearn, forest, serialization_format="cloudpickle"), f"d-{over}")
    done = review(
        uri,
        data={"source": str(file), "target": "digit"},
        image={"shape": [8, 8], "segments": "grid", "count": 16},
        reference={"pick": MIXTURE, "count": 20, "medoids_over": over},
    )
    assert done.metrics["lime/instances"] == 11
    reference = pinned(uri)
    assert len(set(reference.positions)) == 11
    assert reference.reasons[0].startswith("shows parts with")
    assert reference.associations.columns == ("digit",)


def test_a_mixture_of_image_files_one_of_which_cannot_be_read(tmp_path, log):
    from PIL import Image

    for i in range(12):
        Image.fromarray(picture(i)).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_bytes(b"no picture")
    frame = pd.DataFrame(
        {"picture": [f"{i}.png" for i in range(12)], "bright": [str(i % 2) for i in range(12)]}
    )
    file = tmp_path / "pictures.csv"
    frame.to_csv(file, index=False)
    example = frame[["picture"]].head(1)
    signature = mlflow.models.infer_signature(example, np.array([[0.5, 0.5]]))
    uri = register(log(mlflow.pyfunc, None, python_model=Left(), signature=signature), "files")
    done = review(
        uri,
        data={"source": str(file), "target": "bright"},
        image={"segments": "grid", "count": 4},
        reference={"pick": {"boundary": 2, "rare": 2, "submodular": 2}, "count": 20},
    )
    assert done.metrics["lime/instances"] == 6
    assert 3 not in pinned(uri).positions
    assert any("fails on them" in note for note in done.notes)


def test_a_mixture_inside_an_evaluation(desk):
    uri = desk.register()
    frame = desk.frame[[*desk.columns, "target"]]
    config = {
        "lime": {
            "reference": {"pick": {"submodular": 2, "errors": 2, "boundary": 2}},
            "sampling": {"rows": 32, "max_rows": 32},
            "outputs": {"pictures": False},
            "on_error": "raise",
        },
        "default": {"log_model_explainability": False},
    }
    with mlflow.start_run():
        result = mlflow.models.evaluate(
            uri, frame, targets="target", model_type="classifier", evaluator_config=config
        )
    assert result.metrics["lime/instances"] == 6


def test_without_true_labels_errors_are_refused(desk):
    uri = desk.register()
    config = desk.config(
        data={"target": None, "drop": ["target"]}, reference={"pick": {"errors": 2}, "count": 20}
    )
    with pytest.raises(DataError, match="pick: errors needs true labels"):
        desk.explain(uri, config)
    assert read_pin(desk.client, resolve_model(uri)) is None
