"""A Spark session on this machine, for the work of the tests of engines.

Run them with ``python -m pytest tests/spark`` where the extra ``spark`` and Java are installed.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "engine"))

from own_store import store  # noqa: F401

# Worker processes find the work beside it as well.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parents[1] / "engine"), *filter(None, [os.environ.get("PYTHONPATH")])]
)


def pytest_collection_modifyitems(items):
    try:
        import pyspark  # noqa: F401
    except ImportError:
        if "MLFLOW_LIME_SPARK" in os.environ:
            raise
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="pyspark is not installed"))


def opened(master, **settings):
    from mlflow_lime.engine.spark.engine import Spark

    return Spark({"spark.master": master, "spark.log.level": "ERROR", **settings})


@pytest.fixture(scope="module")
def local():
    """Two worker processes of one Java machine."""
    engine = opened("local[2,4]")
    engine.workers  # noqa: B018
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def cluster():
    """Two executors, each a Java machine with worker processes of its own."""
    engine = opened("local-cluster[2,1,1024]")
    engine.workers  # noqa: B018
    yield engine
    engine.close()
