"""Hashes of rows, by which equal ones are told."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["RARE_PARTS", "mask_words", "mix_bits"]

RARE_PARTS = 20
"""Masks of more parts repeat too seldom to look for repeats."""


def mix_bits(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return well-mixed 64-bit hashes (the finaliser of SplitMix64; Steele et al., 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def mask_words(digest: str, masks: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return sums of one random word for each part that is kept, apart by instance.

    Parameters
    ----------
    digest : str
        Hash of the instance, hexadecimal.
    masks : ndarray of uint8, shape (n_rows, n_parts)
    """
    rng = np.random.default_rng(int(digest, 16))
    words = rng.integers(0, 1 << 64, size=masks.shape[1] + 1, dtype=np.uint64)
    return np.asarray(masks @ words[:-1] + words[-1])
