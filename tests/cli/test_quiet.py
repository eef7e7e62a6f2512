"""Other libraries stay silent, and everything is as before afterwards."""

import logging
import os
import subprocess
import sys
import warnings

import pytest

from mlflow_lime.cli.quiet import quiet


def test_everything_is_as_before_afterwards():
    before = dict(os.environ), logging.root.manager.disable, logging.getLogger("mlflow").level
    with pytest.raises(ValueError, match="on purpose"), quiet():
        raise ValueError("on purpose")
    after = dict(os.environ), logging.root.manager.disable, logging.getLogger("mlflow").level
    assert after == before


def test_a_level_that_the_user_has_chosen_stays(monkeypatch):
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "WARNING")
    level = logging.getLogger("mlflow").level
    with quiet():
        assert os.environ["MLFLOW_LOGGING_LEVEL"] == "WARNING"
        assert logging.getLogger("mlflow").level == level


def test_warnings_and_infos_are_silent_but_a_models_own_warning_is_heard(caplog):
    own = logging.getLogger("somebodys.model")
    with quiet():
        warnings.warn("nobody hears this", stacklevel=1)
        own.info("nor this")
        own.warning("but this")
    assert [record.message for record in caplog.records] == ["but this"]


@pytest.mark.parametrize("name", ["mlflow.store.db.utils", "sqlalchemy.pool.impl.QueuePool"])
def test_errors_of_the_database_are_raised_and_not_logged_beside(name, monkeypatch):
    monkeypatch.delenv("MLFLOW_LOGGING_LEVEL", raising=False)
    heard, logger = [], logging.getLogger(name)
    # Beside the logger itself: MLflow changes what its loggers hand on.
    monkeypatch.setattr(logger, "propagate", False)
    listener = logging.Handler()
    monkeypatch.setattr(listener, "emit", heard.append)
    monkeypatch.setattr(logger, "handlers", [listener])
    with quiet():
        logger.error("database is locked")
    assert not heard
    logger.error("database is locked")
    assert len(heard) == 1


def test_a_fresh_store_is_made_without_a_word(environment, tmp_path):
    fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
    (tmp_path / "model").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "mlflow_lime", "validate", "model", "--tracking-uri", fresh],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: 'model' holds no MLmodel file")
    assert len(done.stderr.splitlines()) == 1


def test_a_whole_review_is_silent_on_stderr(model, environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mlflow_lime", "explain", model, "-n", "2"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    # The bar is for terminals.
    assert done.stderr == ""
