"""Texts in masks: truth, what absent parts become, and what bad input does."""

import math
import pickle
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.contents import TextContent
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.masks import mask_block
from mlflow_lime.core.options import Fitting, Pooling, Sampling
from mlflow_lime.core.text.masked import MaskedText
from mlflow_lime.errors import DataError
from tests.tables import bits

TEXT = "The plot is bad, the cast good; bad  ending."


def masks_of(subject, n_rows=40, seed=0):
    return mask_block(
        "iid",
        law="bernoulli",
        n_parts=subject.n_active,
        n_draws=0,
        n_rows=n_rows,
        seed=np.random.SeedSequence(seed),
    )


def block(rows):
    masks = np.array(rows, dtype=np.uint8)
    return MaskBlock(masks, np.zeros((len(masks), 0), dtype=np.uint16), np.ones(len(masks)))


def subject_of(text, **options):
    domain = MaskedText(**options)
    (subject,) = domain.subjects([text])
    return domain, subject


def pairs_of_letters(text):
    """Return tokens as offsets, two characters each."""
    return [(i, min(i + 2, len(text))) for i in range(0, len(text), 2)]


class Presence:
    """A model that is linear in whether certain strings occur in the text."""

    def __init__(self, effects):
        self.effects = effects

    def __call__(self, texts):
        return np.array([sum(v for k, v in self.effects.items() if k in t) for t in texts])


# ------------------------------------------------------------------------------------ truth


@pytest.mark.parametrize(
    ("parts", "text", "effects", "expected"),
    [
        (
            "words",
            TEXT,
            {"bad": -0.5, "good": 0.75, "plot": 0.125},
            [0, 0.125, 0, -0.5, 0, 0, 0.75, 0],
        ),
        ("positions", "one two three four", {"one": 1.0, "four": -0.3}, [1.0, 0, 0, -0.3]),
        ("sentences", "A film. So bad! Ha?", {"film": 0.2, "A": 1.0, "Ha": 0.4}, [1.2, 0, 0.4]),
        ("characters", "ae\u0301 中😀", {"a": 0.1, "e\u0301": 0.9, "😀": -2}, [0.1, 0.9, 0, -2]),
        (str.split, "it's a so-so film", {"it's": 0.3, "so-so": -1.5}, [0.3, 0, -1.5, 0]),
        (pairs_of_letters, "abcdefg", {"ab": 0.4, "ef": -1.25, "g": 3}, [0.4, 0, -1.25, 3]),
    ],
)
@pytest.mark.parametrize("mask", [None, "#"])
def test_a_model_that_is_linear_in_presence_is_recovered(parts, text, effects, expected, mask):
    domain = MaskedText(parts, mask=mask)
    (found,) = Explainer(domain, Presence(effects), mode="regression").explain([text])
    assert found.exact
    np.testing.assert_allclose(found.labels[0].weights, expected, atol=1e-8)


def test_two_words_keep_their_full_effect():
    def predict(texts):
        share = np.array([0.5 + 0.4 * ("good" in t) - 0.1 * ("film" in t) for t in texts])
        return np.column_stack([1 - share, share])

    for rows in (100, 1000, 5000):
        sampling = Sampling(design="paired", rows=rows, max_rows=rows)
        for options in ({}, {"sampling": sampling}):
            (found,) = Explainer(MaskedText(), predict, **options).explain(["good film"])
            np.testing.assert_allclose(found.labels[0].weights, [0.4, -0.1], atol=1e-8)


def test_one_word_is_enough_for_an_explanation():
    (found,) = Explainer(MaskedText(), Presence({"yes": 2.0}), mode="regression").explain(["yes!"])
    np.testing.assert_allclose(found.labels[0].weights, [2.0], atol=1e-8)


def test_the_model_sees_nothing_but_the_text_with_some_of_its_words():
    seen = set()

    def predict(texts):
        seen.update(texts)
        return np.zeros(len(texts))

    Explainer(MaskedText(), predict, mode="regression").explain(["b a, b"])
    assert seen == {"b a, b", " a, ", "b , b", " , "}


# ----------------------------------------------------------------------------- perturbation


def test_a_word_that_is_removed_leaves_its_white_space_and_all_its_occurrences_go():
    domain, subject = subject_of(TEXT)
    assert subject.parts == ("The", "plot", "is", "bad", "the", "cast", "good", "ending")
    row = np.ones(8, dtype=np.uint8)
    row[3] = 0
    assert domain.perturb([(subject, block([row]))]) == ["The plot is , the cast good;   ending."]


@pytest.mark.parametrize("parts", ["words", "positions", "sentences", "characters", str.split])
def test_a_mask_replaces_every_kind_of_part(parts):
    domain, subject = subject_of("Bad film. Bad!", parts=parts, mask="UNK")
    (masked,) = domain.perturb([(subject, block([np.zeros(subject.n_active)]))])
    expected = {
        "words": "UNK UNK. UNK!",
        "positions": "UNK UNK. UNK!",
        "sentences": "UNK UNK",
        str.split: "UNK UNK UNK",
        "characters": "UNKUNKUNK UNKUNKUNKUNKUNK UNKUNKUNKUNK",
    }
    assert masked == expected[parts]


@given(
    st.text(st.characters() | st.sampled_from("ab é中😀.\n\ud800\x00"), max_size=40),
    st.sampled_from(["words", "positions", "sentences", "characters", str.split]),
    st.sampled_from([None, "UNK"]),
)
@settings(max_examples=150, deadline=None)
def test_a_mask_of_ones_is_the_text_itself(text, parts, mask):
    domain, subject = subject_of(text, parts=parts, mask=mask)
    ones = block(np.ones((3, subject.n_active)))
    assert domain.perturb([(subject, ones)]) == [text] * 3
    assert domain.originals([subject]) == [text]
    assert subject.shown[0].text == text


def test_blocks_of_many_texts_come_one_after_the_other():
    domain = MaskedText()
    draws = [(s, masks_of(s, 5 + i)) for i, s in enumerate(domain.subjects([TEXT, "a b", "é"]))]
    together = domain.perturb(draws)
    assert together == [text for draw in draws for text in domain.perturb([draw])]
    fingerprints = domain.fingerprints(draws)
    apart = np.concatenate([domain.fingerprints([draw]) for draw in draws])
    assert (fingerprints == apart).all()


def test_a_part_that_equals_the_mask_is_not_varied_and_noted():
    domain, subject = subject_of("good UNK film", mask="UNK")
    assert subject.active.tolist() == [0, 2]
    assert subject.notes == ("not varied: parts that equal the mask",)
    assert domain.perturb([(subject, block([[0, 1]]))]) == ["UNK UNK film"]
    (found,) = Explainer(domain, Presence({"film": 1.0}), mode="regression").explain(
        ["good UNK film"]
    )
    np.testing.assert_allclose(found.labels[0].weights, [0.0, 0.0, 1.0], atol=1e-8)
    (found,) = Explainer(domain, Presence({}), mode="regression").explain(["UNK UNK"])
    assert "equal the mask" in found.reason


@pytest.mark.parametrize("n_parts", [1, 7, 8, 63, 64, 65, 200])
def test_fingerprints_differ_where_masks_or_texts_do(n_parts):
    domain = MaskedText()
    texts = [" ".join(f"{w}{i}" for i in range(n_parts)) for w in "ab"]
    draws = [(s, masks_of(s, 3000)) for s in domain.subjects(texts)]
    found = domain.fingerprints(draws).tolist()
    rows = [(i, row.tobytes()) for i, (_, b) in enumerate(draws) for row in b.masks]
    assert len(set(found)) == len(set(rows)) == len(set(zip(found, rows, strict=True)))
    assert domain.fingerprints(draws).dtype == np.uint64


def test_equal_texts_are_predicted_once_and_calls_are_bounded():
    calls = []

    def predict(texts):
        calls.append(list(texts))
        return np.array([len(t) / 100 for t in texts])

    options = {"mode": "regression", "fitting": Fitting()}
    sampling = Sampling(design="paired", rows=320, max_rows=320)
    pooling = Pooling(block_rows=64)
    explainer = Explainer(MaskedText(), predict, sampling=sampling, pooling=pooling, **options)
    (found,) = explainer.explain(["one two three"])
    perturbed = calls[1:]
    assert found.rows == 320
    assert max(map(len, perturbed)) <= 8
    assert all(len(set(texts)) == len(texts) for texts in perturbed)
    calls.clear()
    sampling = Sampling(design="paired", rows=2000, max_rows=2000)
    explainer = Explainer(MaskedText(), predict, sampling=sampling, pooling=pooling, **options)
    explainer.explain([" ".join(f"w{i}" for i in range(50))])
    assert len(calls) > 30
    assert max(map(len, calls)) <= 64


def test_calls_are_bounded_in_bytes():
    domain, subject = subject_of(" ".join(f"w{i}" for i in range(400)))
    size = len(subject.shown[0].text)
    assert domain.row_bytes(subject) >= size
    longest = []

    def predict(texts):
        longest.append(sum(map(len, texts)))
        return np.zeros(len(texts))

    pooling = Pooling(block_bytes=50_000)
    Explainer(domain, predict, mode="regression", pooling=pooling).explain([subject.shown[0].text])
    assert 0 < max(longest) <= 50_000


def test_five_thousand_parts_can_be_perturbed():
    text = " ".join(f"w{i}" for i in range(5000))
    domain, subject = subject_of(text)
    rows = masks_of(subject, 8)
    found = domain.perturb([(subject, rows)])
    words = np.array(text.split())
    assert [t.split() for t in found] == [words[row == 1].tolist() for row in rows.masks]
    assert domain.default_rows(subject) == 15_000


@pytest.mark.parametrize(
    ("n_parts", "rows"), [(1, 1024), (120, 1200), (300, 2000), (1000, 4000), (4500, 13_500)]
)
def test_default_rows_grow_with_the_parts_within_limits(n_parts, rows):
    domain, subject = subject_of(" ".join(f"w{i}" for i in range(n_parts)))
    assert domain.default_rows(subject) == rows


# ------------------------------------------------------------------------- what a reader sees


def test_readings_are_distinct_and_short():
    assert subject_of("b a b")[1].parts == ("b", "a")
    assert subject_of("b a b", parts="positions")[1].parts == ("b [1]", "a [2]", "b [3]")
    assert subject_of("Hi. Hi.", parts="sentences")[1].parts == ("Hi. [1]", "Hi. [2]")
    assert subject_of("aa", parts="characters")[1].parts == ("a [1]", "a [2]")
    assert subject_of("a-b c", parts=str.split)[1].names == ("a-b [1]", "c [2]")
    long = "x" * 100
    _, subject = subject_of(f"{long}y {long}z")
    assert subject.parts == (f"{'x' * 59}… [1]", f"{'x' * 59}… [2]")


def test_a_subject_knows_its_text_its_digest_and_its_path():
    domain, subject = subject_of("a b a")
    (shown,) = subject.shown
    assert isinstance(shown, TextContent)
    assert shown.spans.tolist() == [[0, 1, 0], [2, 3, 1], [4, 5, 0]]
    assert re.fullmatch("[0-9a-f]{32}", subject.digest)
    assert subject.digest != subject_of("a b  a")[1].digest
    assert subject.facts == {"path": "strings", "why": "no pipeline given"}
    assert subject.n_draws == 0
    assert domain.features(subject, block([[0, 1]])).tolist() == [[0, 1]]
    assert domain.origin(subject).tolist() == [1, 1]
    assert domain.default_kernel(subject) == Kernel()


def test_the_recipe_names_the_cut_and_the_mask():
    assert MaskedText().recipe() == {"domain": "text", "parts": "words", "mask": None}
    assert MaskedText(mask="").recipe()["mask"] is None
    recipe = MaskedText(pairs_of_letters, mask="?").recipe()
    assert recipe == {"domain": "text", "parts": f"{__name__}:pairs_of_letters", "mask": "?"}


# ------------------------------------------------------------------------------- bad input


class Secret:
    def __repr__(self):
        return "secret"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (None, "the text is missing"),
        (math.nan, "the text is missing"),
        (pd.NA, "the text is missing"),
        (7, "expected a text, got int"),
        (Secret(), "expected a text, got Secret"),
    ],
)
def test_an_instance_that_is_no_text_fails_alone(bad, reason):
    explainer = Explainer(MaskedText(), lambda texts: [len(t) / 9 for t in texts], "regression")
    for instances in (["a b", bad], ("a b", bad), pd.Series(["a b", bad], dtype=object)):
        good, failed = explainer.explain(instances)
        assert isinstance(good, Explanation)
        assert isinstance(failed, FailedExplanation)
        assert reason in failed.reason
        assert "secret" not in failed.reason


def test_what_holds_no_texts_is_refused_at_once():
    with pytest.raises(DataError, match=r"got one str; give \[text\]"):
        MaskedText().subjects("a text")
    for bad in (None, pd.DataFrame({"a": ["b"]}), np.array([["a"]], dtype=object), {"a": 1}):
        with pytest.raises(DataError, match="instances must be a list of texts"):
            MaskedText().subjects(bad)
    with pytest.raises(DataError, match="parts must be one of"):
        MaskedText("token")


@pytest.mark.parametrize("kind", [list, tuple, pd.Series, np.array])
def test_texts_come_in_any_sequence(kind):
    subjects = MaskedText().subjects(kind(["a b", "c"]), keys=["x", "y"])
    assert [s.key for s in subjects] == ["x", "y"]
    assert all(type(s.shown[0].text) is str for s in subjects)
    with pytest.raises(DataError, match="1 keys are given for 2"):
        MaskedText().subjects(kind(["a b", "c"]), keys=["x"])


def test_a_text_without_parts_fails_alone_and_says_why():
    texts = ["", " \n", "?! …", "good film"]
    found = Explainer(MaskedText(), Presence({"good": 1.0}), mode="regression").explain(texts)
    reasons = [one.reason for one in found[:3] if isinstance(one, FailedExplanation)]
    for reason, expected in zip(reasons, ("empty", "white space", "punctuation"), strict=True):
        assert reason.startswith("no part of this instance can be varied: ")
        assert expected in reason
    assert isinstance(found[3], Explanation)


def test_a_tokenizer_that_fails_on_one_text_loses_no_other():
    def picky(text):
        if "bad" in text:
            raise ValueError(text)
        return [] if "none" in text else text.split()

    explainer = Explainer(MaskedText(picky), Presence({"good": 1.0}), mode="regression")
    found = explainer.explain(["a good film", "a bad film", "none"])
    assert isinstance(found[0], Explanation)
    assert "picky failed with ValueError" in found[1].reason
    assert "bad film" not in found[1].reason
    assert "found no tokens" in found[2].reason


def test_a_text_with_too_many_parts_fails_alone_with_the_cure():
    long = " ".join(f"w{i}" for i in range(5001))
    found = Explainer(MaskedText(), Presence({}), mode="regression").explain([long, "good"])
    assert "5,001 parts" in found[0].reason
    assert "use sentences" in found[0].reason
    assert isinstance(found[1], Explanation)


def test_hostile_characters_do_no_harm():
    text = "nul\x00 \ud800 \u202eabc שלום 👨‍👩‍👧 " + "x" * 10_000
    for parts in ("words", "characters"):
        domain, subject = subject_of(text[:60] if parts == "characters" else text, parts=parts)
        rows = masks_of(subject, 20)
        assert len(domain.perturb([(subject, rows)])) == 20
        assert all(part.encode() and "\x00" not in part for part in subject.parts)


# ------------------------------------------------------------------ the same answer everywhere


def test_pinned_spans_replace_the_cut():
    domain, subject = subject_of("a b a")
    spans = domain.pin(subject)
    assert spans == [[0, 1, 0], [2, 3, 1], [4, 5, 0]]
    pinned = MaskedText("characters", pinned={subject.digest: spans})
    again, other = pinned.subjects(["a b a", "cd"])
    assert pinned.pin(again) == spans
    assert len(other.parts) == 2
    with pytest.raises(DataError, match="pinned spans"):
        MaskedText(pinned={subject.digest: [[0, 9, 0]]}).subjects(["a b a"])


def test_an_explainer_of_texts_travels_to_another_process():
    explainer = Explainer(MaskedText(str.split), Presence({"good": 1.0}), "regression")
    again = pickle.loads(pickle.dumps(explainer))
    (here,), (there,) = explainer.explain(["a good film"]), again.explain(["a good film"])
    assert bits(here) == bits(there)


def test_an_instance_gets_the_same_bits_alone_in_company_and_in_another_order():
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    texts = [TEXT, " ".join(f"w{i} good" for i in range(30)), "bad film", TEXT.upper()]
    model.fit(texts, [0, 1, 0, 1])
    few = Sampling(rows=128, max_rows=256)

    def explain(texts):
        return Explainer(MaskedText(), model.predict_proba, sampling=few).explain(texts)

    together = explain(texts)
    for i, text in enumerate(texts):
        (alone,) = explain([text])
        assert alone.labels[0].weights.tobytes() == together[i].labels[0].weights.tobytes()
        assert explain(texts[::-1])[::-1][i].labels[0].high.tobytes() == (
            together[i].labels[0].high.tobytes()
        )


MANY_WORDS = """
import numpy as np
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.text.masked import MaskedText

def predict(texts):
    return np.array([sum(map(ord, text)) % 97 / 97 for text in texts])

text = " ".join(f"w{i}" for i in range(20))
(found,) = Explainer(MaskedText(), predict, mode="regression").explain([text])
bits = found.labels[0].weights.tobytes().hex()
"""


def test_an_explanation_has_the_same_bits_in_another_process():
    here = {}
    exec(MANY_WORDS, here)
    there = subprocess.run(
        [sys.executable, "-c", f"{MANY_WORDS}print(bits)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert there.stdout.strip() == here["bits"] != ""


def test_one_output_and_data_frame_inputs_come_from_a_wrapper_of_the_user():
    def predict(texts):
        frame = pd.DataFrame({"text": texts})
        return frame["text"].str.contains("good").to_numpy(dtype=float)[:, None]

    (found,) = Explainer(MaskedText(), predict).explain(["a good film"])
    weights = dict(zip(found.parts, found.labels[0].weights, strict=True))
    assert weights == pytest.approx({"a": 0.0, "good": 1.0, "film": 0.0}, abs=1e-8)
    assert not any(isinstance(value, bool) for value in weights.values())


def test_every_label_has_weights_of_its_own_and_all_words_may_be_shown():
    def predict(texts):
        scores = np.array([[1.0 + ("a" in t), 1.0 + 2 * ("b" in t), 1.0] for t in texts])
        return scores / scores.sum(axis=1, keepdims=True)

    (found,) = Explainer(MaskedText(), predict).explain(["a b"], labels="all")
    assert len(found.labels) == 3
    assert found.labels[0].weights[0] > 0 > found.labels[0].weights[1]
    assert found.labels[1].weights[1] > 0 > found.labels[1].weights[0]
