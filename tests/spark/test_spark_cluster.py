"""A Spark cluster of two executors, each a Java machine of its own."""

import threading
import time

import pytest
from asked import KINDS, Asked
from deeds import Squares, done, processes_with, squares


def executors():
    """Return the Java machines of a local cluster that do the work."""
    return processes_with("CoarseGrainedExecutorBackend")


def test_a_killed_executor_is_replaced_and_nothing_is_lost(cluster):
    def kill():
        time.sleep(4)
        killed.extend(executors()[:1])
        killed[0].kill()

    killed = []
    done(cluster, Squares(), n=4)
    assert len(executors()) == 2
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = done(cluster, Squares(seconds=0.1), n=100, fixed=2)
    finally:
        killer.join()
    assert len(killed) == 1
    assert found == squares(range(100))


@pytest.mark.parametrize("kind", KINDS)
def test_a_cluster_gives_the_same_bits(kind, cluster, tmp_path):
    asked = Asked(kind, tmp_path)
    expected = asked.explain("here", workers=1)
    assert asked.explain("cluster", kind="spark", task_instances=6) == expected
    assert sorted(asked.lines("cluster")) == sorted(expected)
