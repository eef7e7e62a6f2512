"""Hashes of rows, by which equal ones are told."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["mix_bits"]


def mix_bits(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return well-mixed 64-bit hashes (the finaliser of SplitMix64; Steele et al., 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
