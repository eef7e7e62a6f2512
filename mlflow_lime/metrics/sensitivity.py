"""Sensitivity: how far the weights move when the instance hardly does."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from mlflow_lime.core.contents import TextContent
from mlflow_lime.core.domain import Domain, Subject
from mlflow_lime.core.explain import Explainer
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.image.masked import MaskedImage, Picture
from mlflow_lime.core.joint import JointDomain
from mlflow_lime.core.seeds import SENSITIVITY, instance_seed
from mlflow_lime.core.sequence.masked import MaskedSequence, Windowed
from mlflow_lime.core.tabular.background import BackgroundPart
from mlflow_lime.core.tabular.columns import as_numbers, as_series
from mlflow_lime.core.tabular.table import Table
from mlflow_lime.errors import MlflowLimeError

__all__ = ["JITTER", "NOISE", "sensitivity"]

JITTER: Final = 0.1
"""Standard deviation of the change of a number, as a share of that of the background."""
NOISE: Final = 0.01
"""Standard deviation of the change of a pixel, as a share of the range of pixels."""

Pair = tuple[Explanation, Subject]


def sensitivity(
    explainer: Explainer, pairs: Sequence[Pair], *, copies: int
) -> dict[str, dict[str, float]]:
    """Return the largest relative change of the weights over slightly changed copies.

    Numbers move by a tenth of the background's standard deviation, to the nearest value that the
    background holds; categories stay. A text loses one of its lightest parts, another one in each
    copy. The pixels of an image move by a hundredth of their range, its segments stay. Copies of
    tables and images meet the same masks and background values as the instance itself, so that
    sampling noise does not count; a text of fewer words needs masks of its own, whose noise does.

    Each copy is explained like the instance, and costs as many rows.

    Parameters
    ----------
    explainer : Explainer
        What explained the instances.
    pairs : sequence of (Explanation, Subject)
    copies : int
        Copies of each instance.

    Returns
    -------
    dict of str to dict of str to float
        ``sensitivity`` by key: the maximum of ``|w(x') - w(x)| / |w(x)|`` in the Euclidean norm
        over the parts that both have, for the first explained label. Flat instances, and those of
        which no copy could be made and explained, are left out.

    References
    ----------
    Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (in)fidelity and sensitivity of explanations",
    NeurIPS 2019, definition 3.
    """
    found: dict[str, float] = {}
    pairs = [pair for pair in pairs if not pair[0].labels[0].flat]
    for number in range(copies):
        changed = [(pair, _copy(explainer, pair, number)) for pair in pairs]
        made = [(pair[0], copy) for pair, copy in changed if copy is not None]
        if not made:
            continue
        before = {item.key: item for item, _ in made}
        rules = [[item.labels[0].label] for item, _ in made]
        # One copy of an instance at a time: rows are told apart by its digest.
        for subject, outcome in explainer.stream([copy for _, copy in made], labels=rules):
            if isinstance(outcome, Explanation):
                change = _change(before[subject.key], outcome)
                found[subject.key] = max(found.get(subject.key, 0.0), change)
    return {key: {"sensitivity": value} for key, value in found.items() if np.isfinite(value)}


def _change(before: Explanation, after: Explanation) -> float:
    """Return the relative change of the weights of the parts that both have."""
    own, other = before.as_dict(), after.as_dict()
    both = [(own[name], other[name]) for name in own if name in other]
    weights, changed = np.array(both).reshape(-1, 2).T
    size = float(np.linalg.norm(weights))
    return float(np.linalg.norm(changed - weights)) / size if size > 0 else float("nan")


def _copy(explainer: Explainer, pair: Pair, number: int) -> Subject | None:
    """Return a slightly changed instance; None where there is none."""
    explanation, subject = pair
    seed = instance_seed(explanation.seed, subject.digest, SENSITIVITY, number)
    rng = np.random.Generator(np.random.PCG64(seed))
    domain = explainer.domain
    image = domain.only if isinstance(domain, JointDomain) else domain
    if isinstance(image, MaskedImage):
        return _noisy(subject, rng)
    if isinstance(image, MaskedSequence):
        return _shaken(subject, rng)
    try:
        inputs = _changed(domain, pair, number, rng)
        if inputs is None:
            return None
        (copy,) = domain.subjects(inputs, [subject.key])
    except MlflowLimeError:
        return None
    if copy.n_active == 0:
        return None
    copy = _shaken(copy, rng)
    return replace(copy, digest=subject.digest) if copy.names == subject.names else copy


def _changed(domain: Domain, pair: Pair, number: int, rng: np.random.Generator) -> Any:
    """Return the inputs of a copy: numbers moved, and a light part of a text left out."""
    originals = domain.originals([pair[1]])
    table = getattr(domain, "table", None)
    if isinstance(table, Table):
        frame = originals
        if not isinstance(frame, pd.DataFrame):
            frame = pd.DataFrame(originals, columns=pd.Index(table.columns)).infer_objects()
        return _jittered(frame, table.parts, rng)
    if isinstance(originals, list):
        text = _shortened(pair, "", number)
        return None if text is None else [text]
    if not isinstance(domain, JointDomain) or any(
        isinstance(child.domain, MaskedImage) for child in domain.children
    ):
        return None
    frame = originals
    for child in domain.children:
        table = getattr(child.domain, "table", None)
        if isinstance(table, Table):
            frame = _jittered(frame, table.parts, rng)
        else:
            text = _shortened(pair, child.name, number)
            if text is not None:
                column = child.columns[0]
                frame = frame.copy()
                frame[column] = pd.Series([text], index=frame.index, dtype=frame[column].dtype)
    return frame


def _jittered(
    frame: pd.DataFrame, parts: Sequence[BackgroundPart], rng: np.random.Generator
) -> pd.DataFrame:
    """Return a row whose numbers moved to near values of the background, in its own types."""
    moved: dict[Any, Any] = {}
    for part in parts:
        steps = rng.normal(0.0, JITTER)  # one for every part, whatever the others are
        own = as_numbers(frame[part.columns[0]])[0] if part.kind == "numeric" else np.nan
        if np.isfinite(own) and part.std > 0:
            known = as_numbers(as_series(part.values[0]))
            distances = np.abs(known - (own + steps * part.std))
            nearest = int(np.nanargmin(np.where(np.isfinite(distances), distances, np.inf)))
            moved[part.columns[0]] = as_series(part.values[0].take([nearest]))
    columns = {name: moved.get(name, frame[name].reset_index(drop=True)) for name in frame.columns}
    return pd.DataFrame(columns, columns=frame.columns)


def _shortened(pair: Pair, column: str, number: int) -> str | None:
    """Return the text of a column without one of its lightest parts; None where it has one."""
    explanation, subject = pair
    texts = [item for item in subject.shown if isinstance(item, TextContent)]
    own = next((item for item in texts if item.column == column), None)
    if own is None or len(own.parts) < 2:
        return None
    order = np.argsort(np.abs(explanation.labels[0].weights[own.parts]), kind="stable")
    left_out = own.parts[order[number % (len(order) - 1)]]
    pieces, start = [], 0
    for low, high, part in own.spans.tolist():
        if part == left_out:
            pieces.append(own.text[start:low])
            start = high
    return "".join([*pieces, own.text[start:]])


def _shaken(subject: Subject, rng: np.random.Generator) -> Subject:
    """Return an instance whose sequences moved a little, in the same windows."""
    content = subject.content
    if isinstance(content, tuple):
        return replace(subject, content=tuple(_shaken(own, rng) for own in content))
    if not isinstance(content, Windowed):
        return subject
    values = content.series.values
    known = np.isfinite(values)
    low = np.min(values, axis=0, initial=np.inf, where=known)
    high = np.max(values, axis=0, initial=-np.inf, where=known)
    noise = rng.normal(0.0, 1.0, values.shape) * np.where(high > low, NOISE * (high - low), 0.0)
    series = replace(content.series, values=(values + noise).astype(values.dtype))
    return replace(subject, content=replace(content, series=series))


def _noisy(subject: Subject, rng: np.random.Generator) -> Subject:
    """Return an image whose pixels moved a little, in the same segments."""
    joint = isinstance(subject.content, tuple)
    picture: Picture = subject.content[0].content if joint else subject.content
    pixels = picture.cell.pixels
    low, high = float(pixels.min()), float(pixels.max())
    if pixels.dtype == np.uint8:
        low, high = 0.0, 255.0
    noise = rng.normal(0.0, NOISE * (high - low), pixels.shape)
    noisy = np.clip(pixels + noise, low, high)
    if pixels.dtype.kind in "iu":
        noisy = np.rint(noisy)
    cell = replace(picture.cell, pixels=np.ascontiguousarray(noisy.astype(pixels.dtype)))
    changed = replace(picture, cell=cell)
    if not joint:
        return replace(subject, content=changed)
    return replace(subject, content=(replace(subject.content[0], content=changed),))
