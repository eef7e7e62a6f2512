"""Spark: everything once, whatever dies, and clear words where it cannot work."""

import os
import subprocess
import sys
import textwrap
import time

import pytest
from deeds import Numbers, Squares, done, squares

from mlflow_lime.engine.spark.engine import Spark
from mlflow_lime.engine.spark.look import check_workers
from mlflow_lime.errors import ModelError


def test_every_unit_is_done_once(local):
    assert local.workers == 2
    assert done(local, Squares()) == squares(range(23))


def test_the_work_is_opened_once_in_each_worker_process(local, tmp_path):
    done(local, Squares(str(tmp_path), seconds=0.02), n=40)
    opened = [path.name.split("-")[1] for path in tmp_path.iterdir()]
    assert len(opened) == len(set(opened)) <= 4


def test_a_killed_python_worker_is_replaced_and_nothing_is_lost(local, tmp_path):
    assert done(local, Squares(str(tmp_path), once=(5, 17))) == squares(range(23))


def test_a_unit_that_kills_every_worker_is_given_up_alone(local, tmp_path):
    found = done(local, Squares(str(tmp_path), deadly=(6,)), n=12, fixed=3)
    assert [line for line in found if b"lost" not in line] == squares(set(range(12)) - {6})
    assert [line for line in found if b"lost" in line] == [
        b"6 lost: the Spark worker that explained it died as often as Spark allows"
    ]


def test_an_error_of_the_work_ends_the_job_in_its_own_words(local):
    with pytest.raises(ModelError, match=r"^a worker failed with ValueError: 13 is refused$"):
        done(local, Squares(refused=(13,)))
    with pytest.raises(ModelError, match="the shop is shut"):
        done(local, Squares(unopenable=True))


def test_results_come_as_they_are_finished_and_closing_stops_the_rest(local):
    taken = []

    def tasks():
        for value in range(200):
            taken.append(value)
            yield Numbers((value,))

    results = local.run(Squares(seconds=0.2), tasks())
    next(results)
    results.close()
    assert len(taken) < 20
    started = time.monotonic()
    assert done(local, Squares(), n=4) == squares(range(4))
    assert time.monotonic() - started < 20


def test_the_active_session_is_taken_and_left_open(local):
    another = Spark({"spark.master": "local[7]"})
    assert another.workers == 2
    another.close()
    assert done(local, Squares(), n=3) == squares(range(3))


SCRIPT = """
import sys
from mlflow_lime.engine.spark.engine import Spark
from mlflow_lime.errors import ConfigError
from deeds import Numbers, Squares
engine = Spark({settings!r})
try:
    results = list(engine.run(Squares(), iter([Numbers((3,))])))
    print("results", results)
except ConfigError as error:
    print("refused:", error)
"""


def tried(tmp_path, settings=None, **environment):
    settings = {"spark.master": "local[1,4]", "spark.log.level": "OFF", **(settings or {})}
    path = tmp_path / "tried.py"
    path.write_text(SCRIPT.format(settings=settings))
    env = {**os.environ, **environment}
    found = subprocess.run(
        [sys.executable, path], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    return found.stdout + found.stderr[-2000:] if "refused" not in found.stdout else found.stdout


def without(tmp_path, package):
    """Return an interpreter that does not find a package, nor that it is installed."""
    folder = tmp_path / "lacking"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        textwrap.dedent(f"""
            import importlib.metadata, sys

            class Refusing:
                def find_spec(self, name, path=None, target=None):
                    if name.split(".")[0] == {package.replace("-", "_")!r}:
                        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

            sys.meta_path.insert(0, Refusing())
            known = importlib.metadata.version

            def version(name):
                if name == {package!r}:
                    raise importlib.metadata.PackageNotFoundError(name)
                return known(name)

            importlib.metadata.version = version
        """)
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}:$PYTHONPATH" exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return str(python)


def test_workers_that_lack_a_package_are_refused_by_its_name(tmp_path):
    said = tried(tmp_path, PYSPARK_PYTHON=without(tmp_path, "mlflow-lime"))
    assert "refused: Spark's workers lack mlflow-lime (seen on " in said
    assert "pip install 'mlflow-lime==" in said


def test_workers_that_lack_what_spark_itself_needs_are_refused_by_its_name(tmp_path):
    said = tried(tmp_path, PYSPARK_PYTHON=without(tmp_path, "pyarrow"))
    assert "refused: Spark's workers lack pyarrow" in said


def test_another_interpreter_of_the_workers_is_refused(tmp_path):
    other = tmp_path / "python"
    other.write_text(
        "#!/bin/sh\n# An interpreter that says that it is of another version.\n"
        f'PYTHONPATH="{tmp_path}/older:$PYTHONPATH" exec {sys.executable} "$@"\n'
    )
    other.chmod(0o755)
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "sitecustomize.py").write_text(
        "import sys\nsys.version_info = type('V', (tuple,), {'major': 3, 'minor': 8})((3, 8, 1))\n"
    )
    said = tried(tmp_path, PYSPARK_PYTHON=str(other))
    assert "refused: Spark's workers run another version of Python than this process" in said


def test_an_interpreter_that_does_not_exist_is_refused(tmp_path):
    said = tried(tmp_path, PYSPARK_PYTHON="/no/such/python")
    assert "refused: Spark's workers cannot start Python; set PYSPARK_PYTHON" in said


def test_a_machine_without_java_is_refused(tmp_path):
    said = tried(tmp_path, JAVA_HOME=str(tmp_path / "nowhere"))
    assert "refused: Spark could not be started" in said
    assert "Java 17" in said


def test_a_session_of_ours_listens_on_this_machine_alone(tmp_path, local):
    host = local.session.conf.get("spark.driver.host")
    assert host == "127.0.0.1"
    check_workers(local.session)
