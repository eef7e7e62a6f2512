"""Composed images are those of `np.where`, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_lime.core.image import compose as module
from mlflow_lime.core.image.compose import Layers, compose

DTYPES = ("?", "u1", "i1", "u2", ">u2", "i4", "u8", "f2", "f4", ">f4", "f8")


def random_bits(rng, shape, dtype):
    """Return values of every bit pattern that is a number, negative zeros among them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    raw = rng.integers(0, 256, (*shape, dtype.itemsize), dtype=np.uint8)
    values = raw.view(dtype)[..., 0].copy()
    if dtype.kind == "f":
        values[~np.isfinite(values)] = -0.0
        values[rng.random(shape) < 0.1] = -0.0
    return values


def oracle(image, fill, places, masks):
    """Return where(kept, image, fill), one image and one pixel after the other."""
    found = []
    for mask in masks:
        kept = np.array([place < 0 or mask[place] == 1 for place in places], dtype=bool)
        found.append(np.where(kept[None, :, None], image, fill))
    return np.stack(found).astype(image.dtype)


@settings(max_examples=150, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    n_outer=st.sampled_from([1, 1, 2, 3, 7]),
    n_inner=st.sampled_from([1, 2, 3, 4, 5]),
    n_pixels=st.integers(1, 90),
    n_parts=st.integers(1, 12),
    n_rows=st.integers(1, 70),
    block_bytes=st.sampled_from([16, 64, 1 << 18]),
    seed=st.integers(0, 2**32 - 1),
)
def test_composed_images_have_the_bits_of_the_oracle(
    dtype, n_outer, n_inner, n_pixels, n_parts, n_rows, block_bytes, seed
):
    rng = np.random.default_rng(seed)
    image = random_bits(rng, (n_outer, n_pixels, n_inner), dtype)
    fill = random_bits(rng, (n_outer, n_pixels, n_inner), dtype)
    places = rng.integers(-1, n_parts, n_pixels).astype(np.int32)
    masks = rng.integers(0, 2, (n_rows, n_parts), dtype=np.uint8)
    out = random_bits(rng, (n_rows, n_outer, n_pixels, n_inner), dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block_bytes)
        compose(out, image=image, fill=fill, places=places, masks=masks)
    wanted = oracle(image, fill, places, masks)
    assert out.dtype == wanted.dtype == np.dtype(dtype)
    assert out.tobytes() == wanted.tobytes()


def test_a_fill_of_one_colour_needs_no_memory_of_its_own():
    rng = np.random.default_rng(0)
    image = rng.random((1, 40, 3)).astype(np.float32)
    fill = np.broadcast_to(np.array([0.1, 0.2, 0.3], dtype=np.float32), image.shape)
    places, masks = np.arange(40) % 5, rng.integers(0, 2, (9, 5), dtype=np.uint8)
    out = np.empty((9, 1, 40, 3), dtype=np.float32)
    compose(out, image=image, fill=fill, places=places, masks=masks)
    assert out.tobytes() == oracle(image, fill, places, masks).tobytes()
    assert fill.strides == (0, 0, 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_layers_laid_out_once_serve_every_batch(dtype):
    rng = np.random.default_rng(0)
    image, fill = (rng.integers(0, 255, (1, 60, 3)).astype(dtype) for _ in range(2))
    places = rng.integers(-1, 4, 60).astype(np.int32)
    layers = Layers.of(image, fill, places)
    for n_rows in (1, 9, 70):
        masks = rng.integers(0, 2, (n_rows, 4)).astype(np.uint8)
        out = np.empty((n_rows, 1, 60, 3), dtype=dtype)
        layers.write(out, masks)
        kept = np.hstack([masks, np.ones((n_rows, 1), np.uint8)])[:, places] == 1
        assert np.array_equal(out, np.where(kept[:, None, :, None], image, fill))
