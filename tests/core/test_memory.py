"""Freed memory is kept for the next call of the model."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import sys
import numpy as np
from mlflow_lime.core.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [np.zeros(2**19) + 1.0 for _ in range(4)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "keep":
    keep_freed_memory()
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators do not learn")
def test_memory_is_not_asked_for_again_and_again():
    asked = [
        int(subprocess.check_output([sys.executable, "-c", FAULTS, choice], text=True))
        for choice in ("keep", "as usual")
    ]
    if asked[1] < 10_000:
        pytest.skip("this system's C library was told to keep memory anyway")
    assert asked[0] < asked[1] / 10, f"pages asked for: {asked}"
