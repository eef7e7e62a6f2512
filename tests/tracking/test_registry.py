"""What a registry lists: page by page, awkward names, prompts, stores that list less."""

import contextlib

import mlflow
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from mlflow_lime import names
from mlflow_lime.errors import TrackingServerError
from mlflow_lime.tracking.registry import (
    ListedVersion,
    SearchRefusedError,
    all_versions,
    is_literal,
    list_models,
    newest_versions,
    read_model,
    read_version,
    versions_named,
)

SOURCE = "s3://nowhere/model"


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('registry') / 'registry.db'}"


@pytest.fixture
def client(uri, tracking):
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient()
    for model in client.search_registered_models(max_results=1000):
        client.delete_registered_model(model.name)
    return client


def register(client, name, count=1):
    with contextlib.suppress(MlflowException):
        client.create_registered_model(name)
    return [client.create_model_version(name, SOURCE) for _ in range(count)]


def labels(pages):
    return [f"{v.name}/{v.version}" for page in pages for v in page]


class OneModelAtATime(MlflowClient):
    """A registry that refuses what Unity Catalog refuses."""

    def search_model_versions(self, filter_string=None, **options):
        if not filter_string or options.get("order_by"):
            raise MlflowException("not supported here", error_code=INVALID_PARAMETER_VALUE)
        return super().search_model_versions(filter_string, **options)


def test_the_newest_versions_come_first_over_several_pages(client):
    register(client, "b", 3)
    register(client, "a", 2)
    pages = list(newest_versions(client, page=2))
    assert [len(page) for page in pages] == [2, 2, 1]
    assert set(labels(pages)) == {"a/1", "a/2", "b/1", "b/2", "b/3"}
    created = [v.created for page in pages for v in page]
    assert created == sorted(created, reverse=True)


def test_all_versions_come_oldest_first(client):
    register(client, "a", 3)
    created = [v.created for page in all_versions(client, page=2) for v in page]
    assert created == sorted(created)
    assert len(created) == 3


def test_a_version_is_listed_with_a_number_a_time_and_its_state(client):
    (version,) = register(client, "a")
    (page,) = newest_versions(client)
    assert page == [ListedVersion("a", "1", version.creation_timestamp, ready=True)]
    assert page[0].key == ("a", "1", version.creation_timestamp)
    assert read_version(client, "a", "1") == page[0]


def test_the_versions_of_one_model_come_in_the_order_of_their_numbers(client):
    register(client, "a", 12)
    register(client, "ab", 1)
    assert labels(versions_named(client, "a", page=5)) == [f"a/{n}" for n in range(1, 13)]


def test_nothing_is_listed_where_there_is_nothing(client):
    assert labels(newest_versions(client)) == []
    assert labels(versions_named(client, "missing")) == []
    assert read_model(client, "missing") is None
    assert read_version(client, "missing", "1") is None


def test_prompts_are_left_out(client):
    client.register_prompt("greeting", "Hello {{name}}")
    register(client, "a")
    assert labels(newest_versions(client)) == ["a/1"]
    assert labels(versions_named(client, "greeting")) == []
    assert [m.name for page in list_models(client) for m in page] == ["a"]
    assert read_model(client, "greeting") is None
    assert read_version(client, "greeting", "1") is None
    client.delete_prompt("greeting") if hasattr(client, "delete_prompt") else None


def test_a_model_is_listed_with_its_pin_and_its_aliases(client):
    register(client, "a", 2)
    client.set_registered_model_tag("a", names.TAG_REFERENCE, "a1b2c3@run")
    client.set_registered_model_alias("a", "champion", "2")
    (page,) = list_models(client)
    assert page == [read_model(client, "a")]
    assert page[0].reference_digest == "a1b2c3"
    assert page[0].aliases == {"champion": "2"}


def test_models_come_page_by_page(client):
    for name in "abcde":
        register(client, name)
    pages = [[model.name for model in page] for page in list_models(client, page=2)]
    assert pages == [["a", "b"], ["c", "d"], ["e"]]


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="/:"),
    min_size=1,
    max_size=30,
).filter(lambda name: name.strip() and name not in (".", ".."))


@given(name=NAMES)
@example(name="it's")
@example(name='"quoted"')
@example(name="both ' and \"")
@example(name="back\\slash")
@example(name="ends with \\")
@example(name="x' OR name LIKE '%")
@example(name="50 % -- of; it")
@example(name="Größe 模型 🙂")
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_model_of_any_name_is_found_and_no_other(client, name):
    register(client, name)
    register(client, "x")
    found = {v.name for page in versions_named(client, name) for v in page}
    assert found == {name}
    assert read_model(client, name).name == name


def test_names_that_differ_in_one_quotation_mark_are_told_apart(client):
    for name in ("it's", 'it"s', "it_s", "itxs"):
        register(client, name)
    for name in ("it's", 'it"s', "it_s", "itxs"):
        assert labels(versions_named(client, name)) == [f"{name}/1"]


def test_a_store_that_lists_one_model_at_a_time_says_so_and_lists_it(client):
    register(client, "a", 2)
    narrow = OneModelAtATime()
    with pytest.raises(SearchRefusedError, match="does not list the model versions in this way"):
        next(newest_versions(narrow))
    assert sorted(labels(versions_named(narrow, "a"))) == ["a/1", "a/2"]


@pytest.mark.parametrize("read", [newest_versions, list_models])
def test_a_server_that_is_down_is_noticed_soon(client, read):
    gone = MlflowClient("http://127.0.0.1:9", "http://127.0.0.1:9")
    with pytest.raises(TrackingServerError, match="no server answers there"):
        next(read(gone))


@pytest.mark.parametrize(("pattern", "literal"), [("a", True), ("a[b]", False), ("?", False)])
def test_a_name_is_told_from_a_pattern(pattern, literal):
    assert is_literal(pattern) is literal
