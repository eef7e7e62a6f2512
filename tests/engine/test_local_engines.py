"""Threads and processes: everything once, whatever dies."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from deeds import Numbers, Squares, done, processes_with, squares

from mlflow_lime.engine.choose import choose_engine, local_workers
from mlflow_lime.engine.cutting import Cutter
from mlflow_lime.engine.limits import usable_cores
from mlflow_lime.engine.processes import Processes
from mlflow_lime.engine.threads import Threads
from mlflow_lime.errors import ModelError

ENGINES = (Threads(1), Threads(3), Processes(2))


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
def test_every_unit_is_done_once(engine):
    assert done(engine, Squares()) == squares(range(23))


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
def test_no_tasks_are_no_work(engine, tmp_path):
    assert done(engine, Squares(str(tmp_path)), n=0) == []
    assert list(tmp_path.iterdir()) == [] or engine.workers == 1


@pytest.mark.parametrize("engine", [Threads(2), Processes(2)], ids=repr)
def test_the_work_is_opened_once_in_each_worker(engine, tmp_path):
    done(engine, Squares(str(tmp_path), seconds=0.02))
    assert 1 <= len(list(tmp_path.iterdir())) <= 2


def test_a_killed_worker_is_replaced_and_nothing_is_lost(tmp_path):
    found = done(Processes(2), Squares(str(tmp_path), once=(5, 17)))
    assert found == squares(range(23))


def test_a_unit_that_kills_every_worker_is_given_up_alone(tmp_path):
    found = done(Processes(2), Squares(str(tmp_path), deadly=(6,)))
    lost = [line for line in found if b"lost" in line]
    assert [line for line in found if b"lost" not in line] == squares(set(range(23)) - {6})
    assert len(lost) == 1
    assert lost[0].startswith(
        b"6 lost: the worker process that explained it died: it was killed by"
    )


@pytest.mark.parametrize("engine", [Threads(2), Processes(2)], ids=repr)
def test_an_error_of_the_work_ends_the_job(engine):
    with pytest.raises((ModelError, ValueError), match="13 is refused"):
        done(engine, Squares(refused=(13,)))
    with pytest.raises((ModelError, OSError), match="the shop is shut"):
        done(engine, Squares(unopenable=True))


def test_a_child_that_a_dead_worker_leaves_behind_holds_nothing_up(tmp_path):
    started = time.monotonic()
    assert done(Processes(1), Squares(str(tmp_path), orphan=True)) == squares(range(23))
    assert time.monotonic() - started < 25


def test_what_is_no_message_is_a_worker_lost(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('this is no message of ours')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ModelError, match="3 worker processes died before"):
        done(Processes(1), Squares())


def test_workers_do_not_import_from_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise SystemExit('the file of the user was run')")
    monkeypatch.chdir(tmp_path)
    assert done(Processes(1), Squares()) == squares(range(23))


def test_workers_that_die_before_they_begin_end_the_job():
    with pytest.raises(ModelError, match=r"3 worker processes died before .* signal 9"):
        done(Processes(1), Squares(stillborn=True))


def test_results_come_as_they_are_finished_and_tasks_are_taken_as_they_are_needed():
    taken = []

    def tasks():
        for value in range(100):
            taken.append(value)
            yield Numbers((value,))

    engine = Processes(2)
    results = engine.run(Squares(seconds=0.01), tasks())
    next(results)
    assert len(taken) < 10
    results.close()
    assert len(taken) < 12


def test_closing_ends_the_processes():
    results = Processes(2).run(Squares(seconds=0.05), iter([Numbers((i,)) for i in range(50)]))
    next(results)
    children = processes_with("mlflow_lime.engine.worker")
    assert children
    results.close()
    assert not any(child.is_running() for child in children)


SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from deeds import Numbers, Squares
from mlflow_lime.engine.processes import Processes
print("begun", flush=True)
tasks = iter([Numbers((i,)) for i in range(1000)])
for result in Processes(2).run(Squares(seconds=0.05), tasks):
    print(result.lines[0].decode(), flush=True)
"""


@pytest.fixture
def script(tmp_path):
    """A script without a guard, which starts processes."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(paths=[str(Path(__file__).parent)]))
    child = subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, text=True)
    yield child
    with contextlib.suppress(OSError):
        child.kill()
    child.wait()
    child.stdout.close()


def test_workers_do_not_run_the_script_again_and_end_with_it(script):
    lines = [script.stdout.readline().strip() for _ in range(4)]
    assert lines[0] == "begun"
    assert sorted(lines[1:]) != ["begun"] * 3
    workers = processes_with("mlflow_lime.engine.worker", script.pid)
    assert len(workers) == 2
    os.kill(script.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


def test_what_a_model_prints_does_not_reach_the_pipe(capfd):
    assert done(Processes(1), Squares(talkative=True)) == squares(range(23))
    assert "a model says hello" in capfd.readouterr().err


def test_a_chosen_number_of_workers_is_kept_within_the_units():
    assert local_workers(8, 3) == 3
    assert local_workers(1, 3) == 1
    assert local_workers(None, 1000) in (usable_cores(), usable_cores() - 1)


def test_processes_are_started_for_large_jobs_or_where_they_are_wanted():
    few = choose_engine("local", "auto", workers=2, n_units=50, large=False)
    many = choose_engine("local", "auto", workers=2, n_units=5000, large=True)
    wanted = choose_engine("local", "processes", workers=2, n_units=50, large=False)
    waiting = choose_engine("local", "threads", workers=4, n_units=50, large=False)
    alone = choose_engine("local", "auto", workers=1, n_units=5000, large=True)
    assert (few, many, wanted) == (Threads(1), Processes(2), Processes(2))
    assert (waiting, alone) == (Threads(4), Threads(1))


def test_tasks_grow_with_the_pace_and_shrink_towards_the_end():
    cutter = Cutter(range(20_000), tuple, workers=2)
    sizes = []
    for task in cutter:
        sizes.append(len(task))
        cutter.record(len(task), len(task) * 0.001)
    assert sizes[0] == 25
    assert max(sizes) == 2000
    assert sizes[-1] < 500
    assert sum(sizes) == 20_000


def test_slow_units_are_sent_one_by_one():
    cutter = Cutter(range(30), tuple, workers=2)
    sizes = []
    for task in cutter:
        sizes.append(len(task))
        cutter.record(len(task), len(task) * 60.0)
    assert sizes[1:] == [1] * (30 - sizes[0])


def test_the_thread_that_asks_can_stop_a_job_of_threads():
    started = time.monotonic()
    results = Threads(2).run(Squares(seconds=0.05), iter([Numbers((i,)) for i in range(400)]))
    next(results)
    results.close()
    assert time.monotonic() - started < 5
