"""Newsgroup posts whose headers give the label away, where they are at hand."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlflow_lime.explainers import TextExplainer

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "newsgroups_atheism_christian"
PATH = FOLDER / "20news_atheism_christian.jsonl.gz"

pytestmark = pytest.mark.skipif(not PATH.exists(), reason=f"needs {PATH}")

MODELS = {
    "logistic": lambda: LogisticRegression(max_iter=1000),
    "forest": lambda: RandomForestClassifier(100, random_state=0),
}


@pytest.fixture(scope="module")
def posts():
    with gzip.open(PATH, "rt") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def leaks(posts):
    """Return the words of the 50 largest coefficients that belong to headers.

    They stand in more headers than in what is said: in bodies without the lines that hold an
    address, as those that say who wrote what follows.
    """
    train = [post for post in posts if post["split"] == "train"]
    heads, bodies = zip(*(post["text"].split("\n\n", 1) for post in train), strict=True)
    said = ["\n".join(line for line in body.splitlines() if "@" not in line) for body in bodies]
    tfidf = TfidfVectorizer()
    known = tfidf.fit_transform([post["text"] for post in train])
    linear = LogisticRegression(max_iter=1000).fit(known, [post["label"] for post in train])
    counter = CountVectorizer(binary=True, vocabulary=tfidf.vocabulary_)
    often, elsewhere = (counter.transform(part).sum(axis=0).A1 for part in (heads, said))
    words = tfidf.get_feature_names_out()
    largest = np.argsort(-np.abs(linear.coef_[0]))[:50]
    return {words[i] for i in largest if often[i] > elsewhere[i]}


@pytest.fixture(scope="module", params=MODELS)
def model(request, posts):
    train = [post for post in posts if post["split"] == "train"]
    made = make_pipeline(TfidfVectorizer(), MODELS[request.param]())
    return made.fit([post["text"] for post in train], [post["label"] for post in train])


@pytest.fixture(scope="module")
def unseen(posts):
    short = [p["text"] for p in posts if p["split"] == "test" and len(p["text"]) < 5000]
    return short[:: len(short) // 60][:60]


def test_header_words_that_leak_the_label_stand_in_the_top_ten(model, unseen, leaks):
    found = TextExplainer(model.predict_proba).explain(unseen)
    held = 0
    for one in found:
        order = np.argsort(-np.abs(one.labels[0].weights))[:10]
        held += any(one.parts[i].lower() in leaks for i in order)
    assert held > len(found) / 2


def test_real_posts_take_the_sparse_path_where_it_is_exact_and_say_so(model, unseen):
    sparse = TextExplainer(model.predict_proba).explain(unseen[:6])
    strings = TextExplainer(lambda texts: model.predict_proba(texts)).explain(unseen[:6])
    assert {one.recipe["path"] for one in strings} == {"strings"}
    assert "sparse" in {one.recipe["path"] for one in sparse}
    for fast, slow in zip(sparse, strings, strict=True):
        assert fast.labels[0].weights.tobytes() == slow.labels[0].weights.tobytes()
