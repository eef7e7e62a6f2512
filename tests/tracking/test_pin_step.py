"""Pinning a reference set without explaining, on a real store."""

import pandas as pd
import pytest
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

from mlflow_lime import names
from mlflow_lime.errors import (
    DataError,
    DigestMismatchError,
    ModelError,
    ReferenceSetError,
    ReviewInProgressError,
)
from mlflow_lime.tracking import claims
from mlflow_lime.tracking.pin_step import ensure_reference
from mlflow_lime.tracking.pinned import read_pin
from mlflow_lime.tracking.versions import resolve_model


class Refuses(LogisticRegression):
    def predict_proba(self, rows: pd.DataFrame) -> object:
        raise ValueError("never")


def ensure(desk, uri, config=None, **options):
    return ensure_reference(resolve_model(uri), config or desk.config(), desk.client, **options)


def runs(desk):
    experiments = [e.experiment_id for e in desk.client.search_experiments()]
    return {run.info.run_id for run in desk.client.search_runs(experiments)}


def test_a_set_is_picked_once_and_explained_later_by_every_version(desk):
    first, second = desk.register(), desk.register(LogisticRegression(C=0.1, max_iter=9999))
    pinned = ensure(desk, first)
    assert pinned.fresh
    assert pinned.instances == 5
    assert read_pin(desk.client, resolve_model(first)) == (pinned.digest, pinned.run_id)
    run = desk.client.get_run(pinned.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == resolve_model(first).run_id
    assert run.data.metrics == {}
    again = ensure(desk, second)
    assert (again.digest, again.run_id, again.instances) == (pinned.digest, pinned.run_id, 5)
    assert not again.fresh
    for uri in (first, second):
        assert desk.explain(uri).reference_digest == pinned.digest


def test_what_an_explanation_pinned_is_found(desk):
    uri = desk.register()
    review = desk.explain(uri)
    before = runs(desk)
    pinned = ensure(desk, uri)
    assert (pinned.digest, pinned.run_id) == (review.reference_digest, review.run_id)
    assert not pinned.fresh
    assert runs(desk) == before


def test_a_set_is_picked_anew_only_where_that_is_asked_for(desk):
    uri = desk.register()
    first = ensure(desk, uri)
    more = desk.config(reference={"count": 8})
    assert ensure(desk, uri, more).digest == first.digest
    second = ensure(desk, uri, more, new_set=True)
    assert (second.fresh, second.instances) == (True, 8)
    assert read_pin(desk.client, resolve_model(uri)) == (second.digest, second.run_id)
    assert desk.explain(uri).reference_digest == second.digest


def test_picking_the_same_set_anew_changes_nothing(desk):
    uri = desk.register()
    first = ensure(desk, uri)
    before = runs(desk)
    again = ensure(desk, uri, new_set=True)
    assert (again.digest, again.run_id, again.fresh) == (first.digest, first.run_id, False)
    assert runs(desk) == before


def test_a_pin_that_cannot_be_read_is_an_error_and_a_new_set_mends_it(desk):
    uri = desk.register()
    desk.client.set_registered_model_tag(desk.name, names.TAG_REFERENCE, "nonsense")
    with pytest.raises(ReferenceSetError, match="nonsense"):
        ensure(desk, uri)
    assert ensure(desk, uri, new_set=True).fresh
    pinned = ensure(desk, uri)
    desk.client.delete_run(pinned.run_id)
    with pytest.raises(ReferenceSetError, match="deleted"):
        ensure(desk, uri)
    mended = ensure(desk, uri, new_set=True)
    assert (mended.digest, mended.fresh) == (pinned.digest, True)
    assert mended.run_id != pinned.run_id


def test_another_digest_than_the_expected_one_is_refused_and_nothing_is_pinned(desk):
    uri = desk.register()
    with pytest.raises(DigestMismatchError, match="expected 0123"):
        ensure(desk, uri, expected_digest="0123")
    assert read_pin(desk.client, resolve_model(uri)) is None
    pinned = ensure(desk, uri)
    assert ensure(desk, uri, expected_digest=pinned.digest).digest == pinned.digest
    with pytest.raises(DigestMismatchError, match=pinned.digest):
        ensure(desk, uri, expected_digest="0123")


def test_a_set_without_an_answer_is_not_pinned(desk):
    uri = desk.register(Refuses(max_iter=9999))
    before = runs(desk)
    with pytest.raises(ModelError, match=r"answers for none of the 5 picked instances.*ValueError"):
        ensure(desk, uri, desk.config(labels=["1"]))
    assert read_pin(desk.client, resolve_model(uri)) is None
    assert runs(desk) == before


def test_data_that_is_not_there_pins_nothing(desk):
    uri = desk.register()
    with pytest.raises(DataError):
        ensure(desk, uri, desk.config(data={"source": "missing.csv"}))
    assert read_pin(desk.client, resolve_model(uri)) is None


def test_a_model_that_is_not_registered_pins_nothing(desk):
    uri = desk.register(registered_model_name=None)
    with pytest.raises(ReferenceSetError, match="only a registered model pins instances"):
        ensure(desk, uri)


def test_rows_that_are_not_stored_are_read_again(desk):
    uri = desk.register()
    config = desk.config(reference={"store_inputs": "none"})
    pinned = ensure(desk, uri, config)
    assert ensure(desk, uri, config).digest == pinned.digest
    assert desk.explain(uri, config).reference_digest == pinned.digest


def test_the_run_that_we_were_started_in_holds_the_set_and_then_the_review(
    desk, store, monkeypatch
):
    uri = desk.register()
    desk.register(registered_model_name=f"{desk.name}-b")
    given = desk.client.create_run(store[1], run_name="project")
    monkeypatch.setenv("MLFLOW_RUN_ID", given.info.run_id)
    pinned = ensure(desk, uri)
    assert pinned.run_id == given.info.run_id
    assert desk.client.get_run(pinned.run_id).info.status == "RUNNING"
    beside = ensure(desk, f"models:/{desk.name}-b/1")
    assert beside.run_id != pinned.run_id, "the set of one model must not overwrite another's"
    below = desk.client.get_run(beside.run_id)
    assert below.data.tags["mlflow.parentRunId"] == given.info.run_id
    assert desk.explain(uri).run_id == given.info.run_id
    assert ensure(desk, uri).digest == pinned.digest


def test_only_one_process_picks_at_a_time(desk, monkeypatch):
    uri = desk.register()
    ref = resolve_model(uri)
    keywords = claims.claim_pinning.__wrapped__.__kwdefaults__
    monkeypatch.setitem(keywords, "patience", 0.3)
    with claims.claim_pinning(ref), pytest.raises(ReviewInProgressError):
        ensure(desk, uri)
    assert read_pin(MlflowClient(), ref) is None
    assert ensure(desk, uri).fresh
