"""Random numbers of an instance: from the configured seed and its content, for each purpose."""

from typing import Final

import numpy as np

__all__ = ["FAITHFULNESS", "REALISM", "SENSITIVITY", "SHUFFLE", "instance_seed"]

SHUFFLE: Final = 1001
"""Key of the numbers that shuffle scores; the keys of masks are the numbers of replicates."""
FAITHFULNESS: Final = 1002
REALISM: Final = 1003
SENSITIVITY: Final = 1004


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
