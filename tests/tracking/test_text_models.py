"""Models of texts, logged as users log them, reviewed and evaluated through MLflow."""

from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import mlflow_lime
from mlflow_lime import names
from mlflow_lime.core.contents import TextContent
from mlflow_lime.errors import ConfigError, DataError, DigestMismatchError, ReferenceSetError
from tests.tracking.contents import (
    BAD,
    GOOD,
    PLAIN,
    SECRET,
    Modules,
    artifacts,
    register,
    review,
    reviews,
    weights_of,
)

# Packages of models warn of themselves; our own warnings are notes, and asserted.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return reviews()


@pytest.fixture
def data(frame, tmp_path):
    """The same rows as a file, as the section of a configuration."""
    frame.to_csv(tmp_path / "reviews.csv", index=False)
    return {"source": str(tmp_path / "reviews.csv"), "target": "label"}


@pytest.fixture(scope="module")
def fitted(frame):
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
        frame["review"], frame["label"]
    )


@pytest.fixture
def sklearn_log(log):
    def build(model: Any, **options: Any) -> Any:
        return log(mlflow.sklearn, model, serialization_format="cloudpickle", **options)

    return build


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module of the user's own beside what they run."""
    monkeypatch.chdir(tmp_path)
    modules = Modules(tmp_path)
    yield modules
    modules.forget(*modules.names)


def assert_opinions_count(explanation, label="pos"):
    """The words that tell the label carry the weights, with the right signs."""
    weights = dict(explanation.as_list(label))
    plain = max(abs(weights[word]) for word in PLAIN if word in weights)
    for word, weight in weights.items():
        if word in GOOD or word in BAD:
            assert abs(weight) > plain / 2
            assert (weight > 0) == (word in GOOD)


# Pipelines of scikit-learn

EXAMPLES = {
    "list": lambda frame: frame["review"].head(2).tolist(),
    "frame": lambda frame: frame[["review"]].head(2),
    "none": lambda frame: None,
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_pipeline_is_explained_word_by_word_whatever_its_example(
    example, frame, data, fitted, sklearn_log
):
    info = sklearn_log(fitted, input_example=EXAMPLES[example](frame))
    done = review(info, data=data)
    assert len(done.explanations) == 4
    assert not done.failed
    for explanation in done.explanations:
        assert explanation.recipe["path"] == "sparse"
        assert explanation.class_names == ("neg", "pos")
        text = explanation.contents[0].text
        assert set(explanation.parts) == set(text.split())
        assert text in set(frame["review"])
        assert_opinions_count(explanation)
    assert done.metrics["lime/instances"] == 4


@pytest.mark.parametrize("example", ["list", "none"])
def test_the_background_that_was_logged_as_a_list_of_texts_is_enough(
    example, frame, fitted, log, sklearn_log
):
    info = sklearn_log(fitted, input_example=EXAMPLES[example](frame))
    mlflow_lime.log_background(frame["review"].tolist(), model_id=info.model_id)
    done = review(info)
    assert [e.recipe["path"] for e in done.explanations] == ["sparse"] * 4


def test_an_input_example_of_texts_is_data_enough(frame, fitted, sklearn_log):
    info = sklearn_log(fitted, input_example=frame["review"].head(2).tolist())
    done = review(info)
    assert len(done.explanations) == 2
    assert "only 2 rows" in done.notes[0]


PIPELINES = {
    "tf-idf": lambda: [TfidfVectorizer(sublinear_tf=True), LogisticRegression()],
    "counts, weighted, forest": lambda: [
        CountVectorizer(min_df=2),
        TfidfTransformer(),
        RandomForestClassifier(10, random_state=0),
    ],
    "hashes": lambda: [HashingVectorizer(n_features=2**12), LogisticRegression()],
}


@pytest.mark.parametrize("steps", PIPELINES)
def test_sparse_rows_and_strings_give_the_same_weights(steps, frame, data, sklearn_log):
    model = make_pipeline(*PIPELINES[steps]()).fit(frame["review"], frame["label"])
    fast = review(sklearn_log(model), data=data)
    slow = review(sklearn_log(model), data=data, text={"sparse": False})
    assert len(fast.explanations) == 4
    for a, b in zip(fast.explanations, slow.explanations, strict=True):
        assert (a.recipe["path"], b.recipe["path"]) == ("sparse", "strings")
        assert "text.sparse is false" in b.recipe["why"]
        assert a.parts == b.parts
        np.testing.assert_allclose(a.labels[0].weights, b.labels[0].weights, atol=1e-9)


@pytest.mark.parametrize(
    ("vectoriser", "why"),
    [
        (TfidfVectorizer(ngram_range=(1, 2)), "n-grams"),
        (TfidfVectorizer(analyzer="char_wb"), "another analyser"),
        (TfidfVectorizer(tokenizer=str.split, token_pattern=None), "tokenizer of its own"),
    ],
)
def test_where_sparse_rows_are_not_exact_strings_are_given_with_the_reason(
    vectoriser, why, frame, data, sklearn_log
):
    model = make_pipeline(vectoriser, LogisticRegression()).fit(frame["review"], frame["label"])
    done = review(sklearn_log(model), data=data)
    for explanation in done.explanations:
        assert explanation.recipe["path"] == "strings"
        assert why in explanation.recipe["why"]


def test_columns_beside_a_text_share_its_explanation(frame, data, tmp_path, sklearn_log):
    random = np.random.default_rng(1)
    mixed = frame.assign(
        stars=np.where(frame["label"] == "pos", 4.0, 2.0) + random.normal(0, 1, len(frame)),
        country=random.choice(["de", "fr"], len(frame)),
    )
    mixed.to_csv(tmp_path / "mixed.csv", index=False)
    columns = ColumnTransformer(
        [
            ("text", TfidfVectorizer(), "review"),
            ("number", StandardScaler(), ["stars"]),
            ("category", OneHotEncoder(), ["country"]),
        ]
    )
    features = mixed[["review", "stars", "country"]]
    model = make_pipeline(columns, LogisticRegression()).fit(features, mixed["label"])
    info = sklearn_log(model, input_example=features.head(2))
    done = review(info, data={**data, "source": str(tmp_path / "mixed.csv")})
    assert not done.failed
    for explanation in done.explanations:
        tabular = [part for part in explanation.names if part in ("stars", "country")]
        words = [part for part in explanation.parts if part.startswith("review: ")]
        assert sorted(tabular) == ["country", "stars"]
        (content,) = explanation.contents
        assert len(words) == len(set(content.text.split()))
        assert content.column == "review"
        # The parts of the text are where its stretches say.
        for start, end, part in content.spans:
            assert explanation.parts[part] == f"review: {content.text[start:end]}"
        assert "one of several columns" in str(explanation.recipe)
        assert abs(explanation.as_dict()["country"]) < abs(explanation.as_dict()["stars"])


def test_two_columns_of_text_are_one_explanation(frame, tmp_path, sklearn_log):
    two = frame.assign(title=reviews(seed=4)["review"])[["title", "review", "label"]]
    two.to_csv(tmp_path / "two.csv", index=False)
    columns = ColumnTransformer(
        [("a", TfidfVectorizer(), "title"), ("b", TfidfVectorizer(), "review")]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(two, two["label"])
    info = sklearn_log(model, input_example=two[["title", "review"]].head(2))
    done = review(info, data={"source": str(tmp_path / "two.csv"), "target": "label"})
    for explanation in done.explanations:
        assert [content.column for content in explanation.contents] == ["title", "review"]
        weights = np.abs(explanation.labels[0].weights)
        title, body = (weights[content.parts].sum() for content in explanation.contents)
        assert title < body / 2


def test_a_regression_on_texts(frame, data, tmp_path, sklearn_log):
    score = frame["review"].str.split().map(lambda words: sum(word in GOOD for word in words))
    frame.assign(label=score).to_csv(tmp_path / "score.csv", index=False)
    model = make_pipeline(TfidfVectorizer(), Ridge(0.01)).fit(frame["review"], score)
    done = review(sklearn_log(model), data={**data, "source": str(tmp_path / "score.csv")})
    for explanation in done.explanations:
        assert explanation.mode == "regression"
        assert explanation.recipe["path"] == "sparse"
        weights = weights_of(explanation)
        good = [weight for word, weight in weights.items() if word in GOOD]
        assert all(weight > 0 for weight in good)


# Python models


class Listed(mlflow.pyfunc.PythonModel):
    """Reads a list of texts."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, model_input: list[str]) -> list[list[float]]:
        assert isinstance(model_input, list)
        return self.model.predict_proba(model_input).tolist()


class Framed(mlflow.pyfunc.PythonModel):
    """Reads a data frame."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return self.model.predict_proba(model_input["review"].tolist())


class Series(mlflow.pyfunc.PythonModel):
    """Reads whatever it is given as a column of texts, and returns a Series."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, context, model_input, params=None):
        texts = model_input.iloc[:, 0] if isinstance(model_input, pd.DataFrame) else model_input
        return pd.Series(self.model.predict_proba(texts)[:, 1], index=texts.index)


@pytest.mark.parametrize(
    ("kind", "example"),
    [(Listed, "list"), (Framed, "frame"), (Framed, "none"), (Series, "frame"), (Series, "none")],
)
def test_a_python_model_is_given_texts_as_it_reads_them(kind, example, frame, data, fitted, log):
    options = {} if kind is Listed else {"input_example": EXAMPLES[example](frame)}
    info = log(mlflow.pyfunc, None, python_model=kind(fitted), **options)
    done = review(info, data=data, task="classification")
    assert not done.failed
    for explanation in done.explanations:
        assert explanation.recipe["path"] == "strings"
        assert_opinions_count(explanation, "1")


# Other flavours


def test_an_onnx_model_reads_strings(frame, data, log, module):
    pytest.importorskip("onnxruntime")
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import StringTensorType

    vectoriser = TfidfVectorizer(lowercase=False, token_pattern="[a-zA-Z]+")
    model = make_pipeline(vectoriser, LogisticRegression())
    model.fit(frame["review"], frame["label"])
    converted = skl2onnx.convert_sklearn(
        model,
        initial_types=[("review", StringTensorType([None, 1]))],
        options={id(model): {"zipmap": False}},
    )
    info = log(mlflow.onnx, converted)
    module(
        "onnx_hook",
        "def scores(frame, model):\n"
        "    return model.predict({'review': frame[['review']].to_numpy()})['probabilities']\n",
    )
    done = review(info, data=data, task="classification", predict="onnx_hook:scores")
    assert not done.failed
    for explanation in done.explanations:
        (text,) = (content.text for content in explanation.contents)
        np.testing.assert_allclose(explanation.scores, model.predict_proba([text])[0], atol=1e-5)
        assert_opinions_count(explanation, "1")


TOKENS = """
import transformers

tokenizer = None


def load():
    global tokenizer
    if tokenizer is None:
        tokenizer = transformers.BertTokenizerFast.from_pretrained(FOLDER)
    return tokenizer


def offsets(text):
    return load()(text, return_offsets_mapping=True)["offset_mapping"]


def probabilities(frame, model):
    import torch

    network = model.get_raw_model().model
    words = load()(frame["review"].tolist(), return_tensors="pt", padding=True)
    with torch.no_grad():
        return network(**words).logits.softmax(1).numpy()
"""


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A tiny BERT with random weights, and its tokenizer with a vocabulary of its own."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("tokens")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *dict.fromkeys(PLAIN)]
    (folder / "vocab.txt").write_text("\n".join(pieces))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    network = transformers.BertForSequenceClassification(
        transformers.BertConfig(
            vocab_size=len(pieces),
            num_attention_heads=2,
            num_labels=3,
            initializer_range=0.5,  # so that the words matter
            **shape,
        )
    )
    return network.eval(), tokenizer, folder


def test_a_transformer_is_explained_by_its_own_tokens(bert, data, log, module):
    network, tokenizer, folder = bert
    info = log(
        mlflow.transformers,
        {"model": network, "tokenizer": tokenizer},
        task="text-classification",
    )
    module("bert_hook", TOKENS.replace("FOLDER", repr(str(folder))))
    done = review(
        info,
        data=data,
        task="classification",
        predict="bert_hook:probabilities",
        text={"parts": "bert_hook:offsets"},
    )
    assert not done.failed
    for explanation in done.explanations:
        assert explanation.class_names == ("0", "1", "2")
        assert explanation.scores.sum() == pytest.approx(1)
        assert explanation.recipe["parts"] == "bert_hook:offsets"
        (content,) = explanation.contents
        found = tokenizer(content.text, return_offsets_mapping=True)["offset_mapping"]
        assert content.spans[:, :2].tolist() == [list(pair) for pair in found[1:-1]]
        assert np.abs(explanation.labels[0].weights).max() > 0.01


# Inside mlflow.models.evaluate


def test_an_evaluation_explains_texts(frame, fitted, sklearn_log):
    info = sklearn_log(fitted, input_example=frame["review"].head(2).tolist())
    found = mlflow.models.evaluate(
        info.model_uri,
        frame.head(40),
        targets="label",
        model_type="classifier",
        evaluators=["lime"],
        evaluator_config={"lime": {"instances": 3, "sampling": {"rows": 64, "max_rows": 64}}},
    )
    assert found.metrics["lime/instances"] == 3
    table = found.artifacts["lime_explanations"].content
    assert set(table["part"]) <= {*GOOD, *BAD, *PLAIN}


class Opinion(Framed):
    """Gives labels, and probabilities to whoever asks for them."""

    def predict(self, context, model_input, params=None):
        return self.model.predict(model_input["review"].tolist())

    def predict_proba(self, model_input):
        return self.model.predict_proba(model_input["review"].tolist())


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (3.5, "got float"),
        (None, "the text is missing"),
        (float("nan"), "the text is missing"),
        (["a", "list"], "got list"),
    ],
)
def test_a_cell_that_is_no_text_fails_alone_in_an_evaluation(cell, reason, frame, fitted, log):
    class Patient(Opinion):
        def predict_proba(self, model_input):
            return self.model.predict_proba(model_input["review"].astype(str))

    cells = pd.Series([*frame["review"].head(5), cell], dtype=object)
    info = log(mlflow.pyfunc, None, python_model=Patient(fitted))
    with mlflow.start_run() as run:
        found = mlflow.models.evaluate(
            info.model_uri,
            pd.DataFrame({"review": cells, "label": ["pos", "neg"] * 3}),
            targets="label",
            model_type="classifier",
            evaluators=["lime"],
            evaluator_config={
                "lime": {
                    "text": {"columns": ["review"]},
                    "sampling": {"rows": 64, "max_rows": 64},
                    "reference": {"pick": "rows", "rows": [0, 5, 3]},
                    "outputs": {"pictures": False},
                }
            },
        )
    assert found.metrics["lime/instances"] == 2
    assert found.metrics["lime/failed"] == 1
    table = artifacts(run.info.run_id)[names.INSTANCES_TABLE].decode()
    assert reason in table


BROKEN = """
def sometimes(text):
    if "yesterday" in text:
        raise KeyError(text)
    return text.split()


def never(text):
    raise KeyError(text)
"""


@pytest.fixture
def tokenizers(module):
    module("my_tokens", BROKEN)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ("my_tokens:never", "KeyError"),
        ("my_tokens:missing", "has no 'missing'"),
        ("no_such_tokens:cut", "no module 'no_such_tokens'"),
    ],
)
def test_a_broken_tokenizer_never_breaks_the_users_evaluation(
    parts, reason, frame, fitted, log, tokenizers
):
    info = log(mlflow.pyfunc, None, python_model=Opinion(fitted))
    with mlflow.start_run() as run:
        found = mlflow.models.evaluate(
            info.model_uri,
            frame.head(40),
            targets="label",
            model_type="classifier",
            evaluators=["default", "lime"],
            evaluator_config={
                "default": {"log_model_explainability": False},
                "lime": {"instances": 3, "text": {"parts": parts}, "on_error": "record"},
            },
        )
    assert "accuracy_score" in found.metrics
    assert "lime/instances" not in found.metrics
    tags = mlflow.get_run(run.info.run_id).data.tags
    assert reason in tags[names.TAG_REASON]
    assert tags[names.TAG_STATUS] == "failed"


# Texts that are none


def with_cells(frame, cells):
    """Return five sound rows and others."""
    more = pd.DataFrame({"review": cells, "label": ["pos"] * len(cells)})
    return pd.concat([frame.head(5), more], ignore_index=True)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (None, "the text is missing"),
        (float("nan"), "the text is missing"),
        ("", "the text is empty"),
        (" \n\t", "white space alone"),
        ("?! ... --", "punctuation"),
    ],
)
def test_a_text_that_is_none_fails_alone_with_its_reason(
    cell, reason, frame, tmp_path, fitted, sklearn_log
):
    with_cells(frame, [cell]).to_parquet(tmp_path / "holed.parquet")
    done = review(
        sklearn_log(fitted),
        data={"source": str(tmp_path / "holed.parquet"), "target": "label"},
        reference={"pick": "rows", "rows": [0, 5, 3], "count": 20},
    )
    assert [e.key[:2] for e in done.explanations] == ["00", "02"]
    (failed,) = done.failed
    assert failed.key.startswith("01")
    assert reason in failed.reason


def test_a_tokenizer_that_fails_for_some_texts_leaves_the_others(
    frame, data, fitted, sklearn_log, tokenizers
):
    affected = frame["review"].str.contains("yesterday").to_numpy()
    rows = [int(np.flatnonzero(affected)[0]), *np.flatnonzero(~affected)[:2].tolist()]
    done = review(
        sklearn_log(fitted),
        data=data,
        text={"parts": "my_tokens:sometimes"},
        reference={"pick": "rows", "rows": rows, "count": 20},
    )
    assert [e.key[:2] for e in done.explanations] == ["01", "02"]
    assert all(len(e.parts) == len(e.contents[0].spans) for e in done.explanations)
    (failed,) = done.failed
    assert "my_tokens:sometimes failed with KeyError" in failed.reason
    assert "yesterday" not in failed.reason


@pytest.mark.parametrize(
    ("sections", "error", "text"),
    [
        ({"text": {"columns": ["revew"]}}, ConfigError, "text.columns.*Did you mean 'review'"),
        ({"text": {"columns": ["stars"]}}, DataError, "'stars' is explained as text"),
        ({"text": {"parts": "no_such_tokens:cut"}}, ConfigError, "no module 'no_such_tokens'"),
        ({"text": {"parts": "math:tokens"}}, ConfigError, "math has no 'tokens'"),
        ({"image": {"columns": ["review"]}}, DataError, "'review', which holds no images"),
    ],
)
def test_a_wrong_configuration_is_an_error_that_names_the_key(
    sections, error, text, frame, tmp_path, sklearn_log
):
    stars = frame.assign(stars=np.arange(len(frame)))
    stars.to_csv(tmp_path / "stars.csv", index=False)
    columns = ColumnTransformer(
        [("text", TfidfVectorizer(), "review"), ("number", StandardScaler(), ["stars"])]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(stars, stars["label"])
    info = sklearn_log(model, input_example=stars[["review", "stars"]].head(2))
    data = {"source": str(tmp_path / "stars.csv"), "target": "label"}
    with pytest.raises(error, match=text):
        review(info, data=data, **sections)


# Reference sets


@pytest.fixture
def secret(frame, tmp_path):
    """Data in which every text holds a secret word, and a model fitted on it."""
    told = frame.assign(review=frame["review"] + f" {SECRET}")
    told.to_csv(tmp_path / "secret.csv", index=False)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
        told["review"], told["label"]
    )
    return model, {"source": str(tmp_path / "secret.csv"), "target": "label"}


def everything_logged(done):
    """Return all that a review left: artifacts, tags, parameters, metrics, and the version."""
    run = mlflow.get_run(done.run_id)
    files = artifacts(done.run_id)
    text = repr(
        (
            run.to_dictionary(),
            mlflow.MlflowClient().get_model_version(done.ref.name, done.ref.version),
        )
    )
    return files, text


@pytest.mark.parametrize("store_inputs", ["full", "redacted", "none"])
def test_later_versions_answer_for_the_same_texts_and_parts(
    store_inputs, secret, sklearn_log, request
):
    model, data = secret
    name = f"reviews-{store_inputs}"
    reference = {"store_inputs": store_inputs}
    first = review(register(sklearn_log(model), name), data=data, reference=reference)
    again = review(f"models:/{name}/1", data=data, reference=reference)
    assert again.repeated
    second = review(
        register(sklearn_log(model), name),
        data=data,
        reference=reference,
        text={"parts": "positions"} if store_inputs == "full" else {},
    )
    assert second.reference_digest == first.reference_digest
    assert not second.failed
    for a, b in zip(first.explanations, second.explanations, strict=True):
        assert (a.key, a.digest) == (b.key, b.digest)
        assert len(a.parts) == len(b.parts)
    for done in (first, second):
        files, text = everything_logged(done)
        assert SECRET not in text or store_inputs == "full"
        found = {path for path, content in files.items() if SECRET.encode() in content}
        if store_inputs == "full":
            assert names.EXPLANATIONS_JSON in found
        else:
            assert found == set()
        words = {path for path, content in files.items() if b"charming" in content}
        assert (words == set()) == (store_inputs != "full")
    stored = {path for path in artifacts(first.run_id) if path.startswith(names.REFERENCE_FOLDER)}
    inputs = {path for path in stored if "inputs" in path or "parts" in path}
    assert bool(inputs) == (store_inputs == "full")


def test_another_cut_than_the_pinned_one_changes_no_name_and_is_noted(secret, sklearn_log):
    model, data = secret
    first = review(register(sklearn_log(model), "other-cut"), data=data)
    wish = {"parts": "sentences", "columns": ["reveiw"]}
    second = review(register(sklearn_log(model), "other-cut"), data=data, text=wish)
    for a, b in zip(first.explanations, second.explanations, strict=True):
        assert a.parts == b.parts
        assert a.names == b.names
        assert b.recipe["parts"] == "words"
    (column,) = {content.column for content in first.explanations[0].contents}
    cut, columns = (note for note in second.notes if "is pinned as" in note)
    assert cut.startswith(
        f"text.parts of {column!r} is pinned as 'words', so 'sentences' is not used; replace the"
    )
    assert columns.startswith(f"text.columns is pinned as [{column!r}], so ['reveiw'] is not used")
    assert not any("pinned as" in note for note in first.notes)


def test_another_cut_where_parts_are_not_stored_is_named(secret, sklearn_log):
    model, data = secret
    options = {"data": data, "reference": {"store_inputs": "redacted"}}
    review(register(sklearn_log(model), "other-cut-redacted"), **options)
    with pytest.raises(DigestMismatchError, match="is pinned as 'words', so 'sentences' is not"):
        review(
            register(sklearn_log(model), "other-cut-redacted"),
            text={"parts": "sentences"},
            **options,
        )


def test_a_tokenizer_that_changed_is_noticed_where_parts_are_not_stored(
    secret, sklearn_log, module
):
    model, data = secret
    options = {
        "data": data,
        "reference": {"store_inputs": "redacted"},
        "text": {"parts": "my_cut:cut"},
    }
    module("my_cut", "cut = str.split\n")
    first = review(register(sklearn_log(model), "changed-tokens"), **options)
    second = review(register(sklearn_log(model), "changed-tokens"), **options)
    assert first.reference_digest == second.reference_digest
    module("my_cut", "def cut(text):\n    return text.split()[1:]\n")
    with pytest.raises(DigestMismatchError, match="cut into other parts than when they were"):
        review(register(sklearn_log(model), "changed-tokens"), **options)


def test_data_that_is_gone_is_asked_for_where_texts_are_not_stored(secret, sklearn_log, tmp_path):
    model, data = secret
    reference = {"store_inputs": "redacted"}
    review(register(sklearn_log(model), "gone-texts"), data=data, reference=reference)
    (tmp_path / "secret.csv").unlink()
    with pytest.raises(ReferenceSetError, match="stored without its instances"):
        review(register(sklearn_log(model), "gone-texts"), data=data, reference=reference)


def test_texts_are_contents_of_what_is_logged(frame, data, fitted, sklearn_log):
    done = review(sklearn_log(fitted), data=data, outputs={"pictures": True})
    page = artifacts(done.run_id)[names.REPORT_PAGE].decode()
    for explanation in done.explanations:
        (content,) = explanation.contents
        assert isinstance(content, TextContent)
        assert content.text.split()[0] in page
