"""What instances are compared with: means, zeros, blurs, or several rows of the background."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from mlflow_lime.errors import DataError

__all__ = ["BASELINES", "baselines_of", "blurred"]

BASELINES: Final = ("mean", "zero", "blurred", "absent", "samples")
"""What an instance may be compared with."""

BLUR: Final = 0.1
"""Standard deviation of a blur, as a share of the longest side of an image, or of a series."""

_CHANNELS: Final = (1, 3, 4)


def baselines_of(
    kind: str,
    values: Tensor,
    *,
    background: Tensor | None = None,
    absent: Tensor | None = None,
    samples: int = 8,
) -> list[Tensor]:
    """Return what instances are compared with, each of the shape of `values`.

    Parameters
    ----------
    kind : {"mean", "zero", "blurred", "absent", "samples"}
    values : Tensor, shape (n_rows, ...)
        The instances as the network reads them, or the vectors of their tokens.
    background : Tensor, shape (n_background, ...), optional
        Rows of the background.
    absent : Tensor, shape of `values`, optional
        The instances with every part absent.
    samples : int
        Rows of the background that ``samples`` compares with, evenly spread over it.

    Raises
    ------
    DataError
        If there is no background, or nothing to blur.

    Examples
    --------
    >>> values = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> baselines_of("mean", values, background=torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
    [tensor([[1., 1.],
            [1., 1.]])]
    """
    if kind == "zero":
        return [torch.zeros_like(values)]
    if kind == "blurred":
        return [blurred(values)]
    if kind == "absent":
        return [_require(absent, kind)]
    known = _require(background, kind)
    if kind == "mean":
        mean = known.to(torch.float64).mean(dim=0, keepdim=True).to(values)
        return [mean.expand_as(values).clone()]
    places = np.unique(np.linspace(0, len(known) - 1, samples).round().astype(int))
    return [known[place : place + 1].to(values).expand_as(values).clone() for place in places]


def blurred(values: Tensor) -> Tensor:
    """Return images without their details, or series without their changes.

    Parameters
    ----------
    values : Tensor, shape (n_rows, channels, height, width), (n_rows, height, width, channels), \
(n_rows, height, width), or (n_rows, time, features)
        Three axes are an image of one channel where the last two are of similar size, else series.

    Raises
    ------
    DataError
        If they have no axes along which to blur.
    """
    axes = _axes(tuple(values.shape[1:]))
    sigma = [0.0] * values.ndim
    longest = max(values.shape[axis] for axis in axes)
    for axis in axes:
        sigma[axis] = max(1.0, BLUR * longest)
    found = gaussian_filter(values.detach().cpu().double().numpy(), sigma, mode="nearest")
    return torch.from_numpy(found).to(values)


def _axes(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the axes, counted with that of the instances, along which to blur."""
    if len(shape) == 3:
        return (2, 3) if shape[0] in _CHANNELS and shape[-1] not in _CHANNELS else (1, 2)
    if len(shape) == 2:
        return (1, 2) if max(shape) <= 4 * min(shape) and min(shape) > 4 else (1,)
    msg = (
        "deep.baseline is blurred, but the network reads neither images nor series; set it to "
        "mean, zero, absent or samples"
    )
    raise DataError(msg)


def _require(rows: Tensor | None, kind: str) -> Tensor:
    if rows is None or len(rows) == 0:
        msg = f"deep.baseline is {kind}, for which there are no rows; set it to zero"
        raise DataError(msg)
    return rows
