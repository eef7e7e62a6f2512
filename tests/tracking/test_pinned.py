"""The pin: found by its tag, read from its run, and every way to lose it named with a cure."""

import numpy as np
import pandas as pd
import pytest

from mlflow_lime import names
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.errors import DataError, DigestMismatchError, ReferenceSetError
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.report.items import File
from mlflow_lime.tracking.log import Destination, write_items
from mlflow_lime.tracking.pinned import read_pin, read_reference, write_pin
from mlflow_lime.tracking.versions import ModelVersionRef

FRAME = pd.DataFrame({"a": np.arange(9.0), "b": list("xyxyxyxyx")})


def pinned(rule="full"):
    reference = ReferenceSet.pin(
        FRAME.iloc[[2, 5]],
        Layout.of_table(Background.from_frame(FRAME)),
        positions=[2, 5],
        reasons=["", ""],
        store_inputs=rule,
    )
    return reference.with_labels([["1"], ["1"]])


@pytest.fixture
def ref(tracking, request):
    name = f"it's {abs(hash(request.node.nodeid)) % 10**12}"
    tracking.create_registered_model(name)
    return ModelVersionRef(uri=f"models:/{name}/1", name=name, version="1")


@pytest.fixture
def stored(tracking, store):
    """Store a set in a run, and return its pin."""

    def build(reference):
        run = tracking.create_run(store[1])
        files = [File(f"{names.REFERENCE_FOLDER}/{k}", v) for k, v in reference.files().items()]
        write_items(tracking, files, Destination(run.info.run_id, 0))
        return reference.digest, run.info.run_id

    return build


def test_a_pin_is_read_as_it_was_written(tracking, ref):
    assert read_pin(tracking, ref) is None
    write_pin(tracking, ref, ("d1", "r1"))
    write_pin(tracking, ref, ("d2", "r2"))
    assert read_pin(tracking, ref) == ("d2", "r2")


def test_a_model_without_a_name_pins_nothing(tracking):
    ref = ModelVersionRef(uri="models:/m-1", model_id="m-1")
    write_pin(tracking, ref, ("d", "r"))
    assert read_pin(tracking, ref) is None


@pytest.mark.parametrize("value", ["", "abc", "abc@", "@abc"])
def test_a_tag_that_is_no_pin(tracking, ref, value):
    tracking.set_registered_model_tag(ref.name, names.TAG_REFERENCE, value)
    with pytest.raises(ReferenceSetError, match=r"'<digest>@<run id>'.*--new-reference"):
        read_pin(tracking, ref)


def test_a_stored_set_is_read(tracking, stored):
    reference = pinned()
    found = read_reference(tracking, stored(reference))
    assert found.digest == reference.digest
    pd.testing.assert_frame_equal(found.inputs, reference.inputs)


def test_the_data_is_read_again_only_where_it_was_not_stored(tracking, stored):
    calls = []

    def again():
        calls.append(1)
        return FRAME, Layout.of_table(Background.from_frame(FRAME))

    read_reference(tracking, stored(pinned()), again=again)
    assert calls == []
    for rule in ("redacted", "none"):
        reference = pinned(rule)
        assert read_reference(tracking, stored(reference), again=again).digest == reference.digest
    assert calls == [1, 1]


def test_data_that_cannot_be_read_again(tracking, stored):
    def again():
        raise DataError("x.csv does not exist")

    with pytest.raises(ReferenceSetError, match=r"x\.csv does not exist.*--new-reference"):
        read_reference(tracking, stored(pinned("none")), again=again)


def test_another_set_than_the_pinned_one(tracking, stored):
    _, run_id = stored(pinned())
    with pytest.raises(DigestMismatchError, match="but 0123 is pinned"):
        read_reference(tracking, ("0123", run_id))


def test_a_run_without_a_set(tracking, store):
    run = tracking.create_run(store[1])
    with pytest.raises(ReferenceSetError, match="--new-reference"):
        read_reference(tracking, ("d", run.info.run_id))


def test_a_run_that_never_was(tracking):
    with pytest.raises(ReferenceSetError, match=r"is gone.*--new-reference"):
        read_reference(tracking, ("d", "0" * 32))


def test_a_run_that_was_deleted_can_be_restored(tracking, stored):
    pin = stored(pinned())
    tracking.delete_run(pin[1])
    with pytest.raises(ReferenceSetError, match=f"mlflow runs restore --run-id {pin[1]}"):
        read_reference(tracking, pin)
    tracking.restore_run(pin[1])
    assert read_reference(tracking, pin).digest == pin[0]
