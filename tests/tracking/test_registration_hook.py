"""The wrapper round MLflow's client: what it sees, what it hides, and that it can be undone."""

import functools
import inspect
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.tracking._model_registry.client import ModelRegistryClient
from sklearn.linear_model import LinearRegression, LogisticRegression

from mlflow_lime.errors import ConfigError, TrackingServerError
from mlflow_lime.tracking.registration_hook import Registration, install_hook, remove_hook

METHODS = ("create_model_version", "copy_model_version")


@pytest.fixture
def seen() -> Iterator[list[Registration]]:
    """Every version that was seen."""
    found: list[Registration] = []
    install_hook(found.append)
    yield found
    remove_hook()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"seen-{abs(hash(request.node.nodeid)) % 10**12}"


@pytest.fixture
def info(log: Any) -> Any:
    """A model that was logged, but not registered."""
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    return log(mlflow.sklearn, model, serialization_format="cloudpickle")


@pytest.fixture
def pristine() -> Iterator[dict[str, Any]]:
    """MLflow's own methods, which stand there again after the test."""
    remove_hook()
    methods = {method: ModelRegistryClient.__dict__[method] for method in METHODS}
    yield methods
    remove_hook()
    for method, function in methods.items():
        setattr(ModelRegistryClient, method, function)


def labels(seen: list[Registration]) -> list[str]:
    return [registration.label for registration in seen]


def register(name: str, client: MlflowClient | None = None) -> Any:
    client = client or MlflowClient()
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    return client.create_model_version(name, "file:///nowhere")


def test_a_model_of_a_run_is_seen(seen, name, info):
    mlflow.register_model(f"runs:/{info.run_id}/model", name)
    assert labels(seen) == [f"{name}/1"]


def test_a_logged_model_is_seen(seen, name, info):
    mlflow.register_model(info.model_uri, name)
    assert labels(seen) == [f"{name}/1"]


def test_a_model_that_is_logged_and_registered_at_once_is_seen(seen, name, log):
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    log(mlflow.sklearn, model, registered_model_name=name, serialization_format="cloudpickle")
    assert labels(seen) == [f"{name}/1"]


def test_a_registration_by_autologging_is_seen(seen, name):
    mlflow.sklearn.autolog(registered_model_name=name, log_input_examples=False)
    try:
        LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    finally:
        mlflow.sklearn.autolog(disable=True)
    assert labels(seen) == [f"{name}/1"]


def test_a_copy_is_seen_with_the_name_that_it_gets(seen, name):
    register(name)
    MlflowClient().copy_model_version(f"models:/{name}/1", f"{name}-copy")
    assert labels(seen) == [f"{name}/1", f"{name}-copy/1"]


def test_a_client_with_a_store_of_its_own_is_seen_with_that_store(seen, name, tmp_path):
    tracking, registry = (f"sqlite:///{tmp_path / file}" for file in ("runs.db", "models.db"))
    created = register(name, MlflowClient(tracking, registry)).creation_timestamp
    assert seen == [Registration(name, "1", created, tracking, registry)]
    assert seen[0].store == f"{tracking} and {registry}"


def test_eight_threads_are_seen_once_each(seen, name):
    MlflowClient().create_registered_model(name)

    def again():
        for attempts_left in reversed(range(20)):
            try:
                return register(name)
            except MlflowException:  # older stores give up where two threads take one number
                if not attempts_left:
                    raise

    threads = [threading.Thread(target=again) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(labels(seen)) == [f"{name}/{i}" for i in range(1, 9)]


def test_a_prompt_is_not_seen(seen, name):
    mlflow.genai.register_prompt(name, "Say {{something}}")
    assert labels(seen) == []


def test_a_registration_that_fails_is_not_seen(seen, name):
    with pytest.raises(MlflowException):
        MlflowClient().create_model_version(f"{name}-which-is-not-there", "file:///nowhere")
    assert seen == []


def test_what_the_listener_raises_is_logged_and_the_registration_succeeds(name, caplog):
    def listener(registration):
        raise ZeroDivisionError("by zero")

    install_hook(listener)
    try:
        with caplog.at_level(logging.WARNING, "mlflow_lime"):
            assert int(register(name).version) == 1
    finally:
        remove_hook()
    assert [record.getMessage() for record in caplog.records] == [
        "mlflow-lime: a version was registered, but will not be explained: "
        "ZeroDivisionError: 'by zero'"
    ]


def test_an_error_that_the_listener_returns_is_raised_after_the_registration(name):
    install_hook(lambda registration: ConfigError("on purpose"))
    try:
        with pytest.raises(ConfigError, match="on purpose"):
            register(name)
    finally:
        remove_hook()
    assert int(MlflowClient().get_model_version(name, "1").version) == 1


def test_the_later_listener_takes_the_place_of_the_earlier_one(seen, name):
    later: list[Registration] = []
    install_hook(later.append)
    register(name)
    assert (labels(seen), labels(later)) == ([], [f"{name}/1"])


def test_removing_puts_the_very_same_methods_back(pristine):
    for _ in range(3):
        install_hook(lambda registration: None)
        install_hook(lambda registration: None)
        assert ModelRegistryClient.__dict__["create_model_version"] not in pristine.values()
        remove_hook()
        assert {m: ModelRegistryClient.__dict__[m] for m in METHODS} == pristine


def test_removing_twice_or_what_was_never_there_does_nothing(pristine):
    remove_hook()
    remove_hook()
    assert {m: ModelRegistryClient.__dict__[m] for m in METHODS} == pristine


def test_the_methods_keep_their_signatures_and_documentation(pristine):
    before = {m: (inspect.signature(f), f.__doc__, f.__name__) for m, f in pristine.items()}
    install_hook(lambda registration: None)
    now = {m: ModelRegistryClient.__dict__[m] for m in METHODS}
    assert {m: (inspect.signature(f), f.__doc__, f.__name__) for m, f in now.items()} == before


def wrapping(original: Any, calls: list[str], *, politely: bool) -> Any:
    """Return the wrapper of another library."""

    def theirs(*args: Any, **kwargs: Any) -> Any:
        calls.append("theirs")
        return original(*args, **kwargs)

    return functools.wraps(original)(theirs) if politely else theirs


@pytest.mark.parametrize("politely", [True, False])
def test_the_wrapper_of_another_library_survives_and_a_version_is_seen_once(
    pristine, name, politely
):
    calls: list[str] = []
    seen: list[Registration] = []
    install_hook(seen.append)
    ours = ModelRegistryClient.create_model_version
    theirs = wrapping(ours, calls, politely=politely)
    ModelRegistryClient.create_model_version = theirs
    install_hook(seen.append)
    register(name)
    assert (labels(seen), calls) == ([f"{name}/1"], ["theirs"])
    remove_hook()
    assert ModelRegistryClient.create_model_version is theirs
    register(name)
    assert (labels(seen), calls) == ([f"{name}/1"], ["theirs", "theirs"])
    install_hook(seen.append)
    register(name)
    assert labels(seen) == [f"{name}/1", f"{name}/3"]


def test_another_library_that_puts_its_own_original_back_does_not_blind_us_for_ever(pristine, name):
    seen: list[Registration] = []
    install_hook(seen.append)
    ModelRegistryClient.create_model_version = pristine["create_model_version"]
    install_hook(seen.append)
    register(name)
    assert labels(seen) == [f"{name}/1"]


def test_a_version_of_mlflow_without_the_client_is_named_in_the_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow.tracking._model_registry.client", None)
    with pytest.raises(TrackingServerError, match="run `mlflow-lime watch` beside the store"):
        install_hook(lambda registration: None)
    remove_hook()


def test_the_uris_are_those_that_are_right_in_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = Registration("m", "1", None, "sqlite:///a.db", "http://me:secret@host:5000/")
    assert relative.located() == (f"sqlite:///{tmp_path}/a.db", "http://me:secret@host:5000/")
    assert relative.store == f"sqlite:///{tmp_path}/a.db and http://host:5000"
