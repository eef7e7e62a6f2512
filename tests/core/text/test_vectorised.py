"""Sparse rows of perturbed texts, against vectorising the perturbed strings."""

import pickle

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.text.masked import MaskedText
from mlflow_lime.core.text.vectorised import TextPipeline

CORPUS = [
    "The film was good, the cast was very good and I liked it a lot",
    "a bad film with a bad story; THE worst of the year 2019",
    "ΣΟΦΟΣ σοφος σοφός λόγος café cafe straße İstanbul",
    "中文 电影 很 好 hello_world x1 x2 ab ba aa bb",
    "good bad film, not good, not bad. UNKWORDZ mask masked",
] * 2
Y = [1, 0, 1, 0, 1] * 2

_WORDS = """
The the good GOOD bad film Σ ΣΟΦΟΣ σοφός cafe\u0301 CAFÉ café İ straße 中文 好 العَرَبِيَّة a b
ab aa ba x1 2019 hello_world ™ ½ 😀 👨‍👩‍👧 don't l’été \u0301 ﬁlm Å _ ³ Ⅳ
"""
WORDS = st.sampled_from(_WORDS.split())
GAPS = st.sampled_from([" ", " ", " ", ", ", ". ", "\n", "-", "", "™", "\u0301", " — ", "\u00a0"])
TEXTS = st.lists(st.tuples(WORDS, GAPS), max_size=14).map(
    lambda pairs: "".join(word + gap for word, gap in pairs)
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "lowercase": st.booleans(),
        "strip_accents": st.sampled_from([None, "ascii", "unicode"]),
        "token_pattern": st.sampled_from([r"(?u)\b\w\w+\b", r"(?u)\b\w+\b"]),
        "stop_words": st.sampled_from([None, "english", ["good", "the"]]),
        "binary": st.booleans(),
        "dtype": st.sampled_from([np.float64, np.float32]),
    },
)
TFIDF = st.fixed_dictionaries(
    {},
    optional={
        "norm": st.sampled_from(["l1", "l2", None]),
        "use_idf": st.booleans(),
        "smooth_idf": st.booleans(),
        "sublinear_tf": st.booleans(),
        "max_features": st.sampled_from([5, 20]),
    },
)
HASHING = st.fixed_dictionaries(
    {"n_features": st.sampled_from([3, 16, 2**20])},
    optional={"norm": st.sampled_from(["l1", "l2", None]), "alternate_sign": st.booleans()},
)
VECTORISERS = st.one_of(
    st.builds(lambda a, b: TfidfVectorizer(**a, **b), SETTINGS, TFIDF),
    st.builds(lambda a: CountVectorizer(**{**a, "dtype": np.int64}), SETTINGS),
    st.builds(lambda a, b: HashingVectorizer(**a, **b), SETTINGS, HASHING),
)


def pipeline_of(vectoriser):
    model = make_pipeline(vectoriser, DummyClassifier()).fit(CORPUS, Y)
    found, reason = TextPipeline.of(model)
    assert reason == ""
    return found


def block_of(subject, n_rows=24, seed=0):
    rng = np.random.default_rng(seed)
    masks = (rng.random((n_rows, subject.n_active)) < rng.random((n_rows, 1))).astype(np.uint8)
    masks[0] = 1
    return MaskBlock(masks, np.zeros((n_rows, 0), dtype=np.uint16), np.ones(n_rows))


def assert_same_bits(ours, theirs):
    assert type(ours) is type(theirs)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert ours.indices.dtype == theirs.indices.dtype
    assert ours.indptr.tolist() == theirs.indptr.tolist()
    assert ours.indices.tolist() == theirs.indices.tolist()
    assert ours.data.tobytes() == theirs.data.tobytes()


def assert_exact(pipeline, text, n_rows=24, **options):
    """Compare both ways row by row, and return the path that was taken."""
    domain = MaskedText(pipeline=pipeline, **options)
    strings = MaskedText(**options)
    (subject,) = domain.subjects([text])
    if subject.n_active == 0:
        return "none"
    block = block_of(subject, n_rows)
    texts = strings.perturb([(strings.subjects([text])[0], block)])
    ours = domain.perturb([(subject, block)])
    if subject.facts["path"] == "strings":
        assert ours == texts
        assert subject.facts["why"]
        assert "differ" not in subject.facts["why"], "a rule is missing"
        return "strings"
    assert_same_bits(ours, pipeline.vectoriser.transform(texts))
    return "sparse"


@given(
    TEXTS,
    VECTORISERS,
    st.sampled_from(["words", "positions", "sentences", "characters", str.split]),
    st.sampled_from([None, "UNKWORDZ", "not good", "...", "a"]),
)
@settings(max_examples=250, deadline=None)
def test_sparse_rows_are_those_of_the_strings_in_every_bit(text, vectoriser, parts, mask):
    assert_exact(pipeline_of(vectoriser), text, parts=parts, mask=mask)


ENGLISH = "The film was good, the cast was very good: 2019's best. I liked it; not a bad film!"


@pytest.mark.parametrize("parts", ["words", "positions", "sentences", str.split])
@pytest.mark.parametrize("mask", [None, "UNKWORDZ", "bad film", "..."])
@pytest.mark.parametrize(
    "vectoriser",
    [
        TfidfVectorizer(),
        TfidfVectorizer(norm="l1", sublinear_tf=True, lowercase=False, dtype=np.float32),
        TfidfVectorizer(norm=None, use_idf=False, binary=True, stop_words="english"),
        CountVectorizer(),
        CountVectorizer(token_pattern=r"(?u)\b\w+\b", strip_accents="unicode", max_features=9),
        CountVectorizer(vocabulary=["good", "bad", "film"]),
        HashingVectorizer(),
        HashingVectorizer(n_features=2, norm=None),
        HashingVectorizer(n_features=3, binary=True, dtype=np.float32),
    ],
    ids=repr,
)
def test_plain_english_takes_the_sparse_path(vectoriser, mask, parts):
    pipeline = pipeline_of(vectoriser)
    path = assert_exact(pipeline, ENGLISH, n_rows=400, mask=mask, parts=parts)
    assert path == "sparse"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("good 😀 film 👨‍👩‍👧 bad", {}),
        ("CAFÉ café cafe cafe\u0301", {"strip_accents": "unicode"}),
        ("CAFÉ café cafe cafe\u0301", {"strip_accents": "ascii"}),
        ("CAFÉ café cafe cafe\u0301", {}),
        ("İstanbul straße ﬁlm", {"lowercase": True}),
        ("ΣΟΦΟΣ σοφος", {"lowercase": False}),
        ("العَرَبِيَّة film", {}),
        ("中 文 film", {"token_pattern": r"(?u)\b\w+\b"}),
        ("nul\x00byte \ud800 good", {}),
    ],
)
def test_texts_of_other_scripts_take_the_sparse_path_where_it_is_exact(text, options):
    assert assert_exact(pipeline_of(TfidfVectorizer(**options)), text) == "sparse"


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ("ΣΟΦΟΣ good", {}, "sigma"),
        ("中文 good", {}, "touch"),
        ("good😀film", {}, "touch"),
        ("good\u0301\u200bfilm™ bad", {"strip_accents": "unicode"}, "outside its parts"),
        ("good—bad", {"strip_accents": "ascii"}, "touch"),
    ],
)
def test_a_text_on_which_it_is_not_exact_takes_strings_and_says_why(text, options, why):
    pipeline = pipeline_of(TfidfVectorizer(**options))
    (subject,) = MaskedText(pipeline=pipeline).subjects([text])
    assert subject.facts["path"] == "strings"
    assert why in subject.facts["why"]
    assert assert_exact(pipeline, text) == "strings"


def test_parts_that_cut_a_token_or_leave_it_out_take_strings():
    pipeline = pipeline_of(TfidfVectorizer())
    cases = {
        "touch": lambda text: [(0, 2), (2, 4), (5, 9)],
        "outside": lambda text: [(0, 4)],
    }
    for why, parts in cases.items():
        (subject,) = MaskedText(parts, pipeline=pipeline).subjects(["good film"])
        assert why in subject.facts["why"]
        assert assert_exact(pipeline, "good film", parts=parts) == "strings"
    assert assert_exact(pipeline, "good film", parts="characters") == "strings"


def test_an_emoji_that_a_word_replaces_must_not_touch_other_words():
    pipeline = pipeline_of(TfidfVectorizer())
    assert assert_exact(pipeline, "😀good film") == "sparse"
    assert assert_exact(pipeline, "😀good film", mask="bad") == "strings"
    assert assert_exact(pipeline, "😀 good film", mask="bad") == "sparse"
    assert assert_exact(pipeline, "good film", mask="Σ") == "strings"


def test_a_vocabulary_and_weights_in_later_steps_are_covered():
    model = make_pipeline(CountVectorizer(), TfidfTransformer(), LogisticRegression())
    pipeline, reason = TextPipeline.of(model.fit(CORPUS, Y))
    assert reason == ""
    assert assert_exact(pipeline, ENGLISH) == "sparse"
    domain, strings = MaskedText(pipeline=pipeline), MaskedText()
    (subject,) = domain.subjects([ENGLISH])
    block = block_of(subject)
    rows = domain.perturb([(subject, block)])
    texts = strings.perturb([(strings.subjects([ENGLISH])[0], block)])
    assert pipeline(rows).tobytes() == model.predict_proba(texts).tobytes()
    assert pipeline(texts).tobytes() == model.predict_proba(texts).tobytes()


def test_one_call_may_hold_sparse_rows_and_strings():
    pipeline = pipeline_of(TfidfVectorizer())
    domain = MaskedText(pipeline=pipeline)
    subjects = domain.subjects(["good film", "中文 good", "bad film, bad", "ΣΟΦΟΣ"])
    assert [s.facts["path"] for s in subjects] == ["sparse", "strings", "sparse", "strings"]
    draws = [(subject, block_of(subject, 5)) for subject in subjects]
    texts = [t for draw in draws for t in MaskedText._strings([draw])]
    assert_same_bits(domain.perturb(draws), pipeline.vectoriser.transform(texts))


def test_sparse_arrays_are_returned_where_scikit_learn_is_told_so():
    if "sparse_interface" not in sklearn.get_config():
        pytest.skip("this scikit-learn has matrices only")
    pipeline = pipeline_of(TfidfVectorizer())
    with sklearn.config_context(sparse_interface="sparray"):
        assert assert_exact(pipeline, ENGLISH) == "sparse"


def test_rows_are_made_in_pieces_where_a_text_is_long():
    words = [f"w{i}" for i in range(3000)]
    text = " ".join(words + words[:500])
    pipeline, _ = TextPipeline.of(
        make_pipeline(CountVectorizer(), DummyClassifier()).fit([text, "good"], [0, 1])
    )
    assert assert_exact(pipeline, text, n_rows=1500, parts="positions") == "sparse"


class Own(CountVectorizer):
    """A vectoriser that may do anything."""


UNION = FeatureUnion([("a", CountVectorizer()), ("b", TfidfVectorizer())])
COLUMNS = ColumnTransformer([("a", CountVectorizer(), 0)])


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (CountVectorizer(ngram_range=(1, 2)), "n-grams"),
        (CountVectorizer(analyzer="char"), "another analyser"),
        (CountVectorizer(analyzer=str.split), "another analyser"),
        (CountVectorizer(tokenizer=str.split, token_pattern=None), "tokenizer"),
        (CountVectorizer(preprocessor=str.lower), "preprocessor"),
        (CountVectorizer(strip_accents=str.strip), "accents"),
        (CountVectorizer(token_pattern=r"\w+x?"), "token pattern"),
        (CountVectorizer(input="file"), "files"),
        (CountVectorizer(dtype=np.int8), "type"),
        (CountVectorizer(), "not fitted"),
        (TfidfVectorizer(), "not fitted"),
        (Own(), "Own"),
        (UNION, "FeatureUnion"),
        (COLUMNS, "ColumnTransformer"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_another_vectoriser_has_no_pipeline_and_a_reason(first, why):
    found, reason = TextPipeline.of(Pipeline([("first", first), ("last", LogisticRegression())]))
    assert found is None
    assert why in reason
    (subject,) = MaskedText(pipeline=found, why=reason).subjects(["good film"])
    assert subject.facts == {"path": "strings", "why": reason}


def test_models_that_are_no_such_pipeline_have_a_reason():
    svd = make_pipeline(TfidfVectorizer(), TruncatedSVD(2)).fit(CORPUS)
    for model, why in (
        (LogisticRegression(), "no scikit-learn pipeline"),
        (svd, "no predict_proba"),
        (make_pipeline(TfidfVectorizer()), "no predict_proba"),
    ):
        found, reason = TextPipeline.of(model)
        assert found is None
        assert why in reason


def test_an_explanation_is_the_same_on_both_paths_and_records_which_ran():
    model = make_pipeline(TfidfVectorizer(), RandomForestClassifier(20, random_state=0))
    model.fit(CORPUS, Y)
    pipeline, _ = TextPipeline.of(model)
    few = Sampling(rows=256, max_rows=256)
    texts = [ENGLISH, CORPUS[1], "good 中文"]
    ours = Explainer(MaskedText(pipeline=pipeline), pipeline, sampling=few).explain(texts)
    theirs = Explainer(MaskedText(), model.predict_proba, sampling=few).explain(texts)
    for one, other in zip(ours, theirs, strict=True):
        assert isinstance(one, Explanation)
        assert one.labels[0].weights.tobytes() == other.labels[0].weights.tobytes()
        assert other.recipe["path"] == "strings"
        assert other.recipe["why"] == "no pipeline given"
    assert [one.recipe["path"] for one in ours] == ["sparse", "sparse", "strings"]


def test_a_pipeline_travels_to_another_process():
    pipeline = pipeline_of(TfidfVectorizer(stop_words="english"))
    domain = pickle.loads(pickle.dumps(MaskedText(pipeline=pipeline)))
    (subject,) = pickle.loads(pickle.dumps(domain.subjects([ENGLISH])))
    assert subject.facts == {"path": "sparse"}
    block = block_of(subject)
    assert_same_bits(
        domain.perturb([(subject, block)]),
        pipeline.vectoriser.transform(MaskedText._strings([(subject, block)])),
    )
