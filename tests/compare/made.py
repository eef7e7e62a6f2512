"""Pairs of explanations with known weights and noise, made without a model."""

import numpy as np

from tests.strategies import make_explanation, make_label

REPLICATES = 4


def leave_one_out(random, weights, noise):
    """Return the mean of noisy replicates, and their means without each."""
    blocks = weights + noise * np.sqrt(REPLICATES) * random.normal(size=(REPLICATES, len(weights)))
    return blocks.mean(axis=0), (blocks.sum(axis=0) - blocks) / (REPLICATES - 1)


def explained(weights, replicates, *, key="00 #aaaaaa", **changes):
    """Return an explanation of these weights, with these leave-one-out fits."""
    label = changes.pop("label", {})
    scores = changes.pop("scores", np.array([0.7, 0.3]))
    made = make_label(
        np.asarray(weights, dtype=float),
        replicate_weights=np.asarray(replicates, dtype=float),
        prediction=float(scores[0]),
        **label,
    )
    return make_explanation([made], key=key, scores=scores, digest=key, **changes)


def versions(seed, before, after, *, noise=0.01, own=0.001, count=10, **changes):
    """Return two versions of `count` instances whose noise is shared but for a little of its own.

    `before` and `after` are true weights, shape (n_parts,) or (count, n_parts).
    """
    random = np.random.default_rng(seed)
    found = ([], [])
    shape = (count, np.shape(before)[-1])
    for i, pair in enumerate(
        zip(np.broadcast_to(before, shape), np.broadcast_to(after, shape), strict=True)
    ):
        shared = noise * np.sqrt(REPLICATES) * random.normal(size=(REPLICATES, shape[1]))
        for version, truth in zip(found, pair, strict=True):
            blocks = truth + shared + own * 2 * random.normal(size=shared.shape)
            rest = (blocks.sum(axis=0) - blocks) / (REPLICATES - 1)
            version.append(explained(blocks.mean(axis=0), rest, key=f"{i:02d} #aaaaaa", **changes))
    return found
