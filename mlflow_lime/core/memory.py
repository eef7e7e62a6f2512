"""Memory that the allocator keeps, rather than giving it back after every call of the model."""

from functools import cache

import numpy as np

__all__ = ["keep_freed_memory"]

KEPT_BYTES = 2**25 - 2**16
"""Just below the 32 MiB (``DEFAULT_MMAP_THRESHOLD_MAX``) beyond which glibc does not learn."""


@cache
def keep_freed_memory() -> None:
    """Let the C library keep up to 64 MB of freed memory for what is allocated next.

    Perturbed rows, and copies that a model makes of them, are allocated and freed with every call.
    Where the C library gives such memory back to the system each time, touching it anew takes
    about a microsecond a page: a quarter of the time that a linear model takes. glibc stops giving
    blocks back up to twice the size of the largest one that was freed (mallopt(3),
    ``M_MMAP_THRESHOLD``), so that one block, freed untouched, teaches it; other C libraries learn
    nothing from it, and lose nothing.
    """
    np.empty(KEPT_BYTES, dtype=np.uint8)
