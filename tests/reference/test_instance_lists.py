"""Long lists of a reference set lie in a Parquet file, and come back the same."""

import io
import json
from dataclasses import fields

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from mlflow_lime.core.layout import Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import DigestMismatchError, ReferenceSetError
from mlflow_lime.reference.instance_lists import INSTANCES_FILE
from mlflow_lime.reference.listing import Listing
from mlflow_lime.reference.reference_set import REFERENCE_FILE, ReferenceSet


def pinned(count, **options):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"age": random.random(count), "job": random.choice(["a", "é🧬"], count)})
    found = ReferenceSet.pin(
        frame,
        Layout.of_table(Background.from_frame(frame.head(50))),
        positions=range(count),
        reasons=["chosen at random" if i % 2 else "rare; errors" for i in range(count)],
        true_labels=[None if i % 7 == 0 else i % 3 for i in range(count)],
        **options,
    )
    found = found.with_labels([("1",) if i % 5 else ("0", "2") for i in range(count)])
    return found.with_facts(slices={"job": frame["job"].tolist()}, associations=None)


@pytest.fixture(scope="module")
def large():
    return pinned(1200)


@pytest.fixture(scope="module")
def files(large):
    return large.files()


def test_a_long_set_comes_back_as_it_was(large, files):
    read = ReferenceSet.read(files)
    assert read.digest == large.digest
    for field in fields(large):
        if field.name not in ("layout", "inputs"):
            assert getattr(read, field.name) == getattr(large, field.name), field.name
    assert len(files[REFERENCE_FILE]) < 10_000


def test_a_short_set_stays_in_one_file_that_a_person_can_read():
    files = pinned(1000).files()
    assert INSTANCES_FILE not in files
    assert len(json.loads(files[REFERENCE_FILE])["keys"]) == 1000


def test_the_digest_does_not_depend_on_how_a_set_is_stored(large, files):
    lists = pq.read_table(io.BytesIO(files[INSTANCES_FILE])).to_pydict()
    content = json.loads(files[REFERENCE_FILE])
    del content["instances"]
    content |= {name: lists[name] for name in lists if not name.startswith("slice")}
    old = {**files, REFERENCE_FILE: json.dumps(content).encode()}
    assert ReferenceSet.read(old).digest == large.digest


def test_listings_read_long_sets(large, files):
    listing = Listing.of(files)
    assert [item.key for item in listing.instances] == list(large.keys)
    assert listing.instances[5].labels == ("0", "2")
    assert listing.instances[0].true_label is None


def test_a_redacted_set_lists_neither_true_labels_nor_slices(large):
    files = large.restricted("redacted").files()
    table = pq.read_table(io.BytesIO(files[INSTANCES_FILE]))
    assert set(table["true_labels"].to_pylist()) == {None}
    assert not [name for name in table.column_names if name.startswith("slice")]


def test_a_list_that_was_changed_is_refused(files):
    table = pq.read_table(io.BytesIO(files[INSTANCES_FILE]))
    digests = table["labels"].to_pylist()
    digests[3] = ["9"]
    place = table.column_names.index("labels")
    buffer = io.BytesIO()
    pq.write_table(table.set_column(place, "labels", [digests]), buffer)
    with pytest.raises(DigestMismatchError, match="damaged"):
        ReferenceSet.read({**files, INSTANCES_FILE: buffer.getvalue()})


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no"])
def test_a_lost_or_damaged_list_is_refused_with_the_cure(files, content):
    others = {name: own for name, own in files.items() if name != INSTANCES_FILE}
    if content is not None:
        others[INSTANCES_FILE] = content
    for read in (ReferenceSet.read, Listing.of):
        with pytest.raises(ReferenceSetError, match="replace"):
            read(others)
