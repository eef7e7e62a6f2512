"""The block in a version's description, on a real store: a person's text survives everything."""

import mlflow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from mlflow_lime.errors import VersionNotFoundError
from mlflow_lime.report.description import DESCRIPTION_LIMIT, with_block, without_block
from mlflow_lime.tracking.describing import describe_version, remove_description
from mlflow_lime.tracking.versions import ModelVersionRef

A, B = "LIME: a\n[report](#/a)\nnumbers", "LIME: b\n[report](#/b)\n\nother numbers"
OWN = "Trained by **Ada**.\r\n\r\n| a | b |\n\n\tAsk her. <!-- lime:end 1a2b3c4d -->\n\n"


@pytest.fixture
def ref(tracking, request):
    """A registered version, which needs no model for its description."""
    name = request.node.name[:60].replace("/", "-").replace(":", "-")
    tracking.create_registered_model(name)
    tracking.create_model_version(name, source="file:///nowhere", run_id=None)
    return ModelVersionRef(uri=f"models:/{name}/1", name=name, version="1")


def said(client, ref):
    return client.get_model_version(ref.name, ref.version).description


def write(client, ref, text):
    client.update_model_version(ref.name, ref.version, text)


@pytest.fixture
def writes(monkeypatch):
    """Every description that is written, in order."""
    texts = []
    ours = mlflow.MlflowClient.update_model_version

    def counted(self, name, version, description=None):
        texts.append(description)
        return ours(self, name, version, description)

    monkeypatch.setattr(mlflow.MlflowClient, "update_model_version", counted)
    return texts


def test_a_persons_text_survives_explaining_again_replacing_and_removal(tracking, ref, writes):
    write(tracking, ref, OWN)
    for block in (A, A, B):
        assert describe_version(tracking, ref, block) == ""
        assert said(tracking, ref) == with_block(OWN, block)
    assert len(writes) == 3, "what stands there already is not written again"
    assert remove_description(tracking, ref)
    assert said(tracking, ref) == OWN
    assert not remove_description(tracking, ref)
    assert len(writes) == 4


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=200))
def test_any_text_survives_the_store_byte_for_byte(tracking, ref, text):
    write(tracking, ref, text)
    assert describe_version(tracking, ref, A) == ""
    assert remove_description(tracking, ref)
    assert said(tracking, ref) == text


def test_a_version_without_a_description_gets_the_block_alone(tracking, ref):
    assert describe_version(tracking, ref, A) == ""
    assert said(tracking, ref) == with_block("", A)
    assert remove_description(tracking, ref)
    assert said(tracking, ref) == ""


def test_text_above_and_below_may_be_edited_between_two_reviews(tracking, ref):
    describe_version(tracking, ref, A)
    write(tracking, ref, f"Above.\n\n{said(tracking, ref)}\n\nBelow.")
    assert describe_version(tracking, ref, B) == ""
    text = said(tracking, ref)
    assert text.startswith("Above.")
    assert text.endswith("\n\nBelow.")
    assert "LIME: a" not in text
    assert remove_description(tracking, ref)
    assert said(tracking, ref).split() == ["Above.", "Below."]


def in_between(monkeypatch, text, times):
    """Let somebody else write, right after each of our first writes."""
    ours = mlflow.MlflowClient.update_model_version
    left = [times]

    def both(self, name, version, description=None):
        ours(self, name, version, description)
        if left[0]:
            left[0] -= 1
            ours(self, name, version, f"{text} {left[0]}")

    monkeypatch.setattr(mlflow.MlflowClient, "update_model_version", both)


def test_what_somebody_else_writes_meanwhile_is_kept(tracking, ref, monkeypatch):
    write(tracking, ref, "Mine.")
    in_between(monkeypatch, "Theirs.", times=1)
    assert describe_version(tracking, ref, A) == ""
    assert said(tracking, ref) == with_block("Theirs. 0", A)


def test_where_somebody_keeps_writing_their_text_is_left(tracking, ref, monkeypatch):
    in_between(monkeypatch, "Theirs.", times=9)
    assert "is being written by somebody else" in describe_version(tracking, ref, A)
    assert said(tracking, ref) == "Theirs. 7"


def test_a_store_that_refuses_costs_nobody_their_review(tracking, ref, monkeypatch):
    def refuse(*arguments, **options):
        raise MlflowException("only admins write\nmore")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "update_model_version", refuse)
        note = describe_version(tracking, ref, A)
    assert "could not be written" in note
    assert "only admins write" in note
    assert not said(tracking, ref)


def test_a_version_that_is_gone_is_a_note_and_an_error(tracking, ref):
    tracking.delete_model_version(ref.name, ref.version)
    assert "could not be written" in describe_version(tracking, ref, A)
    with pytest.raises(VersionNotFoundError, match="does not exist"):
        remove_description(tracking, ref)


def test_a_long_description_is_left_and_said_to_be_full(tracking, ref):
    text = "y" * DESCRIPTION_LIMIT
    write(tracking, ref, text)
    assert "no room" in describe_version(tracking, ref, A)
    assert said(tracking, ref) == text


def test_a_model_without_a_name_has_no_description(tracking):
    ref = ModelVersionRef(uri="models:/m-1")
    assert describe_version(tracking, ref, A) == ""
    assert not remove_description(tracking, ref)


def test_a_block_that_was_pasted_from_another_version_is_replaced(tracking, ref):
    write(tracking, ref, with_block("Like version 1.", B))
    assert describe_version(tracking, ref, A) == ""
    assert said(tracking, ref) == with_block("Like version 1.", A)
    assert without_block(said(tracking, ref)) == "Like version 1."
