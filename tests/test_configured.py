"""Which columns count as texts and images, and the domains that a configuration describes."""

import numpy as np
import pandas as pd
import pytest
from skimage import data

from mlflow_lime.config import Config, parse_config
from mlflow_lime.configured import (
    code_references,
    domain_from_config,
    plan_columns,
    plan_sequences,
    text_columns,
)
from mlflow_lime.core.joint import JointDomain
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.sequence.masked import MaskedSequence
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.errors import ConfigError, DataError

LONG = [f"number {i} of the many reports that were written" for i in range(20)]
JOBS = ["a teacher of small children at school", "a cook in a very large hotel kitchen"] * 10


def plan(frame, bare=False, **sections):
    return plan_columns(frame, parse_config(sections), bare=bare)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"age": range(20), "report": LONG}, ("report",)),
        ({"age": range(20), "job": JOBS}, ()),  # many words, but few values
        ({"name": [f"a{i} b{i}" for i in range(20)], "age": range(20)}, ()),  # few words
        ({"name": [f"a{i} b{i}" for i in range(20)]}, ("name",)),  # what else could it be
        ({"word": ["yes", "no"] * 10}, ()),
        ({"report": [None, *LONG[1:]], "age": range(20)}, ("report",)),
        ({"report": [1.5, *LONG[1:]], "age": range(20)}, ()),
        ({"age": range(20)}, ()),
        ({"nothing": [None] * 20}, ()),
    ],
)
def test_columns_that_count_as_text(columns, expected):
    assert text_columns(pd.DataFrame(columns)) == expected


def test_columns_of_text_can_be_named_or_switched_off():
    frame = pd.DataFrame({"job": JOBS, "report": LONG})
    assert plan(frame)[0] == ("report",)
    assert plan(frame, text={"columns": ["job"]})[0] == ("job",)
    assert plan(frame, text={"columns": "none"})[0] == ()
    with pytest.raises(ConfigError, match=r"text.columns names column 'jop'.*Did you mean 'job'"):
        plan(frame, text={"columns": ["jop"]})


def pictures(n=3, size=8):
    cells = np.empty(n, dtype=object)
    for i in range(n):
        cells[i] = np.full((size, size), i, dtype=np.uint8)
    return cells


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (pictures(), "array"),
        ([[[0, 1], [2, 3]]] * 3, "array"),
        ([b"\x89PNG\r\n\x1a\n"] * 3, "bytes"),
        (["iVBORw0KGgoAAA"] * 3, "base64"),
        (["cats/1.JPG", "cats/2.png", "dogs/3.webp"], "path"),
        (["cats/1.png", None, "dogs/3.png"], "path"),
    ],
)
def test_columns_that_count_as_images(cells, kind):
    frame = pd.DataFrame({"age": [1, 2, 3], "photo": pd.Series(list(cells), dtype=object)})
    texts, (image,) = plan(frame)
    assert texts == ()
    assert (image.name, image.columns, image.form.kind) == ("photo", ("photo",), kind)
    assert plan(frame, image={"columns": "none"})[1] == ()


def test_pixels_in_columns_need_a_shape_that_fits():
    frame = pd.DataFrame(np.zeros((3, 12)))
    assert plan(frame)[1] == ()
    (image,) = plan(frame, image={"shape": [2, 2, 3]})[1]
    assert (image.form.kind, image.form.shape, len(image.columns)) == ("flat", (2, 2, 3), 12)
    with pytest.raises(ConfigError, match=r"image.shape \[5, 5\] has 25 pixels, but there are 12"):
        plan(frame, image={"shape": [5, 5]})


def test_what_is_named_an_image_must_be_one():
    frame = pd.DataFrame({"photo": ["a", "b"], "age": [1, 2]})
    with pytest.raises(DataError, match=r"'photo', which holds no images"):
        plan(frame, image={"columns": ["photo"]})
    with pytest.raises(ConfigError, match=r"'foto'.*Did you mean 'photo'"):
        plan(frame, image={"columns": ["foto"]})
    both = pd.DataFrame({"photo": pictures()})
    with pytest.raises(ConfigError, match="which holds images; name it in one place only"):
        plan(both, text={"columns": ["photo"]})


def test_a_table_stays_a_table():
    frame = pd.DataFrame({"age": [1, 2, 3], "job": ["a", "b", "a"]})
    domain = domain_from_config(Config(), Layout.of_table(Background.from_frame(frame)))
    assert isinstance(domain, MaskedTable)


def test_texts_beside_numbers_make_a_joint_domain():
    frame = pd.DataFrame({"age": range(20), "report": LONG})
    layout = Layout(("age", "report"), Background.from_frame(frame[["age"]]), texts=("report",))
    config = parse_config({"text": {"parts": "positions", "mask": "?"}})
    domain = domain_from_config(config, layout)
    assert isinstance(domain, JointDomain)
    recipe = domain.recipe()["kinds"]
    assert recipe["report"] == {"domain": "text", "parts": "positions", "mask": "?"}
    assert recipe["table"]["domain"] == "tabular"
    bins = parse_config({"tabular": {"representation": "bins"}})
    with pytest.raises(ConfigError, match="needs 'mask'"):
        domain_from_config(bins, layout)


def test_pinned_parts_are_used_instead_of_a_new_cut():
    frame = pd.DataFrame({"photo": pictures(1, 12)})
    frame.at[0, "photo"] = data.camera()[::16, ::16]
    layout = Layout(("photo",), images=plan(frame)[1])
    coarse = domain_from_config(parse_config({"image": {"segments": "grid", "count": 4}}), layout)
    (subject,) = coarse.subjects(frame)
    pins = coarse.pins(subject)["photo"]
    fine = parse_config({"image": {"segments": "grid", "count": 100}})
    free = domain_from_config(fine, layout).subjects(frame)[0]
    held = domain_from_config(fine, layout, pins={"photo": {pins["digest"]: pins["parts"]}})
    assert len(free.parts) > len(subject.parts)
    assert held.subjects(frame)[0].parts == subject.parts


def test_the_code_that_a_configuration_refers_to():
    config = parse_config(
        {"text": {"parts": "my:tokens"}, "image": {"segments": "my:cut"}, "seed": 1}
    )
    found = {"text.parts": "my:tokens", "image.segments": "my:cut"}
    assert code_references(config) == found
    assert code_references(Config()) == {}


# Sequences


def sequences(frame, **keys):
    return plan_sequences(frame, parse_config({"sequence": keys}))


def lags(n=4):
    names = [f"{name}_lag{i}" for name in ("temp", "load") for i in (1, 2, 3)]
    return pd.DataFrame(np.arange(6.0 * n).reshape(n, 6), columns=names)


def test_nothing_is_a_sequence_unless_somebody_says_so():
    frame = lags().assign(photo=list(pictures(4)))
    assert sequences(frame) == ()
    assert sequences(frame, columns="none") == ()
    assert plan(frame)[1][0].name == "photo"


def test_a_shape_or_an_order_describes_the_columns_of_a_sequence():
    (found,) = sequences(lags(), shape=[3, 2])
    assert (found.name, len(found.columns)) == ("series", 6)
    assert found.form.features == ("temp", "load")
    pattern = r"(?P<feature>\w+)_lag(?P<lag>\d+)"
    mixed = lags().assign(age=1.0)
    (same,) = sequences(mixed, order=pattern)
    assert same.form == found.form
    assert "age" not in same.columns
    (named,) = sequences(mixed, columns=list(lags().columns))
    assert named == same


def test_columns_that_were_listed_in_their_order_are_given_back_in_the_tables_order():
    frame = pd.DataFrame([[1.0, 2.0, 3.0, 4.0]], columns=list("abcd"))
    (found,) = sequences(frame, columns=["d", "a", "c", "b"], shape=[2, 2], order="time")
    assert found.columns == ("a", "b", "c", "d")
    domain = domain_from_config(Config(), Layout(tuple("abcd"), sequences=(found,)))
    (subject,) = domain.subjects(frame)
    assert subject.content[0].content.series.values.tolist() == [[4, 1], [3, 2]]
    pd.testing.assert_frame_equal(domain.originals([subject]), frame)


def test_a_column_of_arrays_can_be_a_sequence():
    frame = pd.DataFrame({"signal": list(pictures(3)), "age": [1, 2, 3]})
    (found,) = sequences(frame, columns=["signal"], features=list("abcdefgh"))
    assert (found.name, found.columns, found.form.kind) == ("signal", ("signal",), "array")
    (shaped,) = sequences(frame[["signal"]], shape=[8, 8], axes="features_first")
    assert (shaped.name, shaped.form.shape, shaped.form.axes) == (
        "series",
        (8, 8),
        "features_first",
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"sequence": {"columns": ["temp_lag9"]}},
            r"sequence\.columns names column 'temp_lag9'.*mean",
        ),
        ({"sequence": {"shape": [4, 2]}}, r"tell|has 8 values, but there are 6 columns"),
        ({"sequence": {"columns": ["temp_lag1", "load_lag2"]}}, "no whole sequence"),
        ({"sequence": {"order": r"x(?P<step>\d+)"}}, "matches no column"),
        (
            {
                "sequence": {"order": r"(?P<feature>\w+)_lag(?P<lag>\d+)"},
                "image": {"columns": ["temp_lag1"]},
            },
            r"image\.columns names column 'temp_lag1', which holds a sequence",
        ),
    ],
)
def test_columns_that_are_no_sequence_are_an_error_of_the_configuration(keys, message):
    with pytest.raises(ConfigError, match=message):
        plan_sequences(lags(), parse_config(keys))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"order": "(?P<lag>"}, r"sequence\.order: expected auto, time, features or a regular"),
        ({"order": "(?P<feature>a)"}, r"with a group \(\?P<lag>"),
        ({"order": "time"}, r"expected sequence\.shape beside 'time'"),
        ({"shape": [3]}, r"sequence\.shape"),
        ({"shape": [0, 3]}, r"sequence\.shape"),
        ({"columns": "none", "shape": [3, 2]}, r"expected nothing because columns is 'none'"),
        ({"features": ["a"], "shape": [3, 2]}, "expected 2 names, as shape says, got 1"),
        ({"parts": "window"}, "Did you mean 'windows'"),
        ({"absent": "zero"}, r"sequence\.absent"),
        ({"count": 0}, r"sequence\.count"),
    ],
)
def test_keys_of_sequences_are_checked(keys, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({"sequence": keys})


def test_sequences_beside_numbers_make_a_joint_domain():
    frame = lags().assign(age=[1.0, 2.0, 3.0, 4.0])
    config = parse_config({"sequence": {"columns": list(lags().columns), "absent": "interpolate"}})
    layout = Layout(
        tuple(frame.columns),
        Background.from_frame(frame[["age"]]),
        sequences=plan_sequences(frame, config),
    )
    domain = domain_from_config(config, layout)
    assert isinstance(domain, JointDomain)
    assert isinstance(domain.children[1].domain, MaskedSequence)
    (subject, *_) = domain.subjects(frame)
    assert subject.parts[:2] == ("age = 1", "lag 3")
    rows = domain.originals(domain.subjects(frame))
    pd.testing.assert_frame_equal(rows, frame)
    whole = parse_config({"sequence": {"columns": list(lags().columns), "parts": "features"}})
    (subject, *_) = domain_from_config(whole, layout).subjects(frame)
    assert subject.names == ("age", "series: temp", "series: load")


def test_sequences_change_the_digest_of_a_configuration_only_where_there_are_some():
    assert Config().digest() == "0723c7519b5d"
    assert parse_config({"sequence": {"count": 5}}).digest() != Config().digest()
