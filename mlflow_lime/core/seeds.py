"""Random numbers of an instance: from the configured seed and its content, for each purpose."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.hashes import mix_bits

__all__ = [
    "FAITHFULNESS",
    "REALISM",
    "SENSITIVITY",
    "SHUFFLE",
    "design_seed",
    "instance_order",
    "instance_seed",
]

_DESIGN: Final = 1000
SHUFFLE: Final = 1001
"""Key of the numbers that shuffle scores; the keys of masks are the numbers of replicates."""
FAITHFULNESS: Final = 1002
REALISM: Final = 1003
SENSITIVITY: Final = 1004


def design_seed(seed: int, number: int) -> np.random.SeedSequence:
    """Return the seed of one of the designs that instances share.

    Parameters
    ----------
    seed : int
        As configured.
    number : int
        Which of them.
    """
    return np.random.SeedSequence([seed, number], spawn_key=(_DESIGN,))


def instance_seed(seed: int, digest: str, *purpose: int) -> np.random.SeedSequence:
    """Return the seed of an instance, a function of the arguments alone.

    Parameters
    ----------
    seed : int
        As configured.
    digest : str
        Hash of the instance's content, in hexadecimal digits.
    *purpose : int
        What it is for; other purposes get independent numbers.

    Examples
    --------
    >>> a, b = (instance_seed(0, "00ff00ff" * 4, key) for key in (FAITHFULNESS, REALISM))
    >>> bool((a.generate_state(4) == b.generate_state(4)).any())
    False
    """
    words = [int(digest[i : i + 8], 16) for i in range(0, len(digest), 8)]
    return np.random.SeedSequence([seed, *words], spawn_key=purpose)


def instance_order(seed: int, digest: str, n_parts: int) -> NDArray[np.intp]:
    """Return the order of an instance's parts in the design that it takes.

    Parameters
    ----------
    seed : int
        As configured.
    digest : str
        Hash of the instance's content, in hexadecimal digits.
    n_parts : int

    Returns
    -------
    ndarray of intp, shape (n_parts,)
        Every order is as likely as any other.
    """
    start = mix_bits(np.array([seed % 2**64, int(digest[-16:], 16)], dtype=np.uint64)).sum()
    return np.argsort(mix_bits(start + np.arange(n_parts, dtype=np.uint64)))
