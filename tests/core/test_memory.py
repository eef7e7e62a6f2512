"""Freed memory is kept for the next call of the model."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from mlflow_lime.core.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.empty(2**20).fill(1.0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

np.empty(2**19).fill(1.0)
keep_freed_memory()
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators do not learn")
def test_memory_is_not_asked_for_again_and_again():
    ran = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 500, "20 blocks of 8 MiB are 40,960 pages"
