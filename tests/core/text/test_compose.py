"""Strings from masks, against joining the pieces one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.text.compose import Composer
from mlflow_lime.core.text.split import KINDS, split


def plainly(text, spans, active, mask, row):
    """Return one perturbed text, built span by span."""
    kept = dict(zip(active.tolist(), row.tolist(), strict=True))
    pieces, place = [], 0
    for start, end, part in spans.tolist():
        pieces += [text[place:start], text[start:end] if kept.get(part, 1) else mask or ""]
        place = end
    return "".join(pieces) + text[place:]


@given(
    st.text("ab é中😀.\n '", max_size=60),
    st.sampled_from(KINDS),
    st.sampled_from([None, "X", "[MASK]"]),
    st.sampled_from([1, 40, 300]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_texts_are_those_of_joining_the_pieces_one_by_one(text, kind, mask, n_rows, seed):
    rng = np.random.default_rng(seed)
    cut = split(text, kind)
    active = np.flatnonzero(rng.random(len(cut.texts)) < 0.8)
    masks = rng.integers(0, 2, (n_rows, len(active)), dtype=np.uint8)
    found = Composer.of(text, cut.spans, active, mask).strings(masks)
    assert found == [plainly(text, cut.spans, active, mask, row) for row in masks]


@pytest.mark.parametrize("n_rows", [3, 300])
@pytest.mark.parametrize("length", [4, 400])
def test_long_and_short_texts_and_blocks_agree(n_rows, length):
    text = ", ".join(f"{'w' * length}{i}" for i in range(203))
    cut = split(text)
    active = np.arange(203)
    masks = np.random.default_rng(0).integers(0, 2, (n_rows, 203), dtype=np.uint8)
    found = Composer.of(text, cut.spans, active, None).strings(masks)
    assert found == [plainly(text, cut.spans, active, None, row) for row in masks]
    assert Composer.of(text, cut.spans, active, None).strings(masks[:0]) == []
