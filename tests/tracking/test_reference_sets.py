"""Sets to look at: the pinned one, an earlier one by run or digest, and what would be picked."""

import pytest

from mlflow_lime.errors import DigestMismatchError, ReferenceSetError
from mlflow_lime.reference.listing import compare_listings
from mlflow_lime.tracking.pin_step import ensure_reference
from mlflow_lime.tracking.pinned import read_listing
from mlflow_lime.tracking.reference_sets import (
    earlier_listing,
    explained_versions,
    pinned_listing,
    would_be_picked,
)
from mlflow_lime.tracking.versions import resolve_model


def ensure(desk, uri, config=None, **options):
    return ensure_reference(resolve_model(uri), config or desk.config(), desk.client, **options)


def test_the_pinned_set_is_listed_without_its_data(desk):
    ref = resolve_model(desk.register())
    with pytest.raises(ReferenceSetError, match=r"pins no instances.*reference create"):
        pinned_listing(ref, desk.client)
    config = desk.config(reference={"store_inputs": "none"})
    done = ensure(desk, ref.uri, config)
    desk.data.unlink()
    pin, listing = pinned_listing(ref, desk.client)
    assert pin == (done.digest, done.run_id)
    assert listing.digest == done.digest
    assert len(listing.instances) == 5


def test_a_model_that_is_not_registered_pins_none(desk):
    ref = resolve_model(desk.register(registered_model_name=None))
    with pytest.raises(ReferenceSetError, match="is not registered"):
        pinned_listing(ref, desk.client)


def test_earlier_sets_are_found_by_run_and_digest_whoever_pinned_them(desk):
    uri = desk.register()
    ref = resolve_model(uri)
    by_step = ensure(desk, uri)
    by_review = desk.explain(uri, desk.config(reference={"count": 7}), new_set=True)
    now = ensure(desk, uri, desk.config(reference={"count": 3}), new_set=True)
    for digest, run in (
        (by_step.digest, by_step.run_id),
        (by_review.reference_digest, by_review.run_id),
        (now.digest, now.run_id),
    ):
        assert earlier_listing(ref, run, desk.client)[0] == (digest, run)
        # Another test's model may pin the same rows of the same data.
        assert earlier_listing(ref, digest, desk.client)[1].digest == digest
    heir = desk.explain(desk.register())
    assert earlier_listing(ref, heir.run_id, desk.client)[1].digest == now.digest


def test_what_holds_no_set_is_refused(desk):
    ref = resolve_model(desk.register())
    with pytest.raises(
        ReferenceSetError, match=r"no run in the experiments .* holds reference set"
    ):
        earlier_listing(ref, "0123456789abcdef", desk.client)
    with pytest.raises(ReferenceSetError, match="there is no run 'nonsense'"):
        earlier_listing(ref, "nonsense", desk.client)
    with pytest.raises(ReferenceSetError, match="holds no reference set"):
        earlier_listing(ref, str(ref.run_id), desk.client)
    done = ensure(desk, ref.uri)
    with pytest.raises(DigestMismatchError, match="but 0123 was asked for"):
        read_listing(desk.client, ("0123", done.run_id))


def test_what_would_be_picked_is_not_pinned(desk):
    uri = desk.register()
    ref = resolve_model(uri)
    done = ensure(desk, uri)
    same, _ = would_be_picked(ref, desk.config(), desk.client)
    assert same.digest == done.digest
    mixed = desk.config(reference={"pick": {"errors": 4, "boundary": 4}, "count": 20})
    other, _ = would_be_picked(ref, mixed, desk.client)
    assert compare_listings(same, other)
    assert pinned_listing(ref, desk.client)[0][0] == done.digest


def test_only_explained_versions_are_named_newest_first(desk):
    one, two, three = (desk.register() for _ in range(3))
    desk.explain(one)
    desk.explain(three)
    assert explained_versions(resolve_model(two), desk.client) == [three, one]
