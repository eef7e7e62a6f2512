"""DeepLIFT and relevance propagation of a review: after LIME, on its parts, never its failure."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlflow_lime.config import Config
from mlflow_lime.core.blocks import MaskBlock
from mlflow_lime.core.domain import Domain, Subject
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.joint import JointDomain
from mlflow_lime.core.masks import mask_block
from mlflow_lime.core.seeds import instance_seed
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.deep.network import Network
from mlflow_lime.errors import DataError, MlflowLimeError, shorten
from mlflow_lime.metrics.attributions import METHOD_NAMES, Attribution, Attributions
from mlflow_lime.tracking.networks import NotApplicableError, find_network
from mlflow_lime.tracking.questions import Questions

if TYPE_CHECKING:
    from torch import Tensor

    from mlflow_lime.deep.inside import Attributed, Encoded, Inside

__all__ = ["look_inside", "tell_inside"]

BACKGROUND_ROWS: Final = 256
"""Rows of the background whose mean is a baseline."""

ABSENT_ROWS: Final = 32
"""Rows over which an instance with every part absent is averaged, where absence is random."""

PROVEN_ROWS: Final = 32
"""Rows of the background at which the network must lead to the model's scores."""

PROVEN_PARTS: Final = 4
"""Parts that are taken away, to see what of an encoded instance is theirs."""

HERE: Final = 0.5
"""Least share of such a change that must lie in what was taken to be the part's; a picture that is
made smaller blurs its edges."""

_USUAL: Final = {"table": "mean", "text": "zero"}
"""Baselines by what the instances are; what LIME puts in the place of all parts otherwise."""

_logger = logging.getLogger(__name__)


def look_inside(questions: Questions, explanations: Sequence[Explanation]) -> Attributions | None:
    """Return what methods that look inside the network make of instances.

    Parameters
    ----------
    questions : Questions
        What was asked; only instances that it holds cut into parts are looked at.
    explanations : sequence of Explanation
        Those of LIME.

    Returns
    -------
    Attributions or None
        None where the methods are switched off, or the model is no neural network. What cannot be
        done is said in it, and never raised.
    """
    config = questions.config
    if config.deep.methods == "none" or not explanations:
        return None
    by_key = {subject.key: subject for subject in questions.subjects}
    pairs = [(item, by_key[item.key]) for item in explanations if item.key in by_key]
    if not pairs:
        return None
    asked = config.deep.methods != "auto"
    try:
        return _Look(questions, pairs).attributions()
    except NotApplicableError as error:
        return Attributions(why_not=str(error)) if asked or error.network else None
    except MlflowLimeError as error:
        return _failed(shorten(str(error), 400), config)
    except Exception as error:  # a network may do anything; its text may hold values of the data
        _logger.debug("looking inside the network failed", exc_info=True)
        return _failed(f"looking inside the network raised {type(error).__name__}", config)


def tell_inside(questions: Questions) -> str:
    """Return which methods can look inside the model, or why none can, without any explanation.

    Returns
    -------
    str
        Empty where the model is no network, and nobody asked for the methods.
    """
    config = questions.config
    if config.deep.methods == "none" or not questions.subjects:
        return ""
    subjects = questions.subjects[:2]
    try:
        look = _Look(questions, [(None, subject) for subject in subjects])
        inputs = look.inputs(look.domain.originals(subjects))
        network = look.network(inputs, look.background())
        with _undisturbed():
            inside = look.opened(network, inputs)
    except NotApplicableError as error:
        asked = config.deep.methods != "auto" or error.network
        return f"not applicable: {error}" if asked else ""
    except MlflowLimeError as error:
        return f"no: {error}"
    except Exception as error:  # a network may do anything
        return f"no: looking inside the network raised {type(error).__name__}"
    refused = inside.traced.refused
    usable = [METHOD_NAMES[name] for name in _wanted(config) if name not in refused]
    if not usable:
        return f"no: {_refusals(refused)}"
    return f"{' and '.join(usable)} on {inside.network.name or type(inside.module).__name__}"


def _failed(why: str, config: Config) -> Attributions:
    return Attributions(refused=dict.fromkeys(_wanted(config), (why,)), why_not=why)


def _wanted(config: Config) -> tuple[str, ...]:
    chosen = config.deep.methods
    return tuple(METHOD_NAMES) if isinstance(chosen, str) else tuple(chosen)


@dataclass(slots=True, eq=False)
class _Look:
    """Instances of one version, and the network that is looked into."""

    questions: Questions
    pairs: Sequence[tuple[Any, Subject]]

    @property
    def config(self) -> Config:
        return self.questions.config

    @property
    def domain(self) -> Domain:
        return self.questions.explainer.domain

    @property
    def subjects(self) -> list[Subject]:
        return [subject for _, subject in self.pairs]

    def attributions(self) -> Attributions:
        inputs = self.inputs(self.domain.originals(self.subjects))
        background = self.background()
        network = self.network(inputs, background)  # before torch, which may not be installed
        wanted = _wanted(self.config)
        with _undisturbed():
            inside = self.opened(network, inputs)
            refused = {name: inside.traced.refused.get(name, ()) for name in wanted}
            refused = {name: layers for name, layers in refused.items() if layers}
            usable = [name for name in METHOD_NAMES if name in wanted and name not in refused]
            if not usable:
                return Attributions(refused=refused, why_not=_refusals(refused))
            encoded = inside.encode(inputs)
            outputs = inside.outputs(encoded)
            unit = self._unit(inside, outputs, background)
            starts, told = self._baselines(inside, encoded, background)
            contrasts = self._contrasts(inside, int(outputs.shape[1]), unit)
            found = self._by_method(inside, encoded, usable, starts, contrasts)
        owners = self._owners(inside, inputs, tuple(found[usable[0]].values.shape[1:]))
        if network.spans is None:
            self._prove(inside, encoded, owners)
        return Attributions(
            instances={
                item.key: {name: _of(item, found[name], i, owners[i]) for name in usable}
                for i, (item, _) in enumerate(self.pairs)
            },
            settings=self._settings(usable, told),
            unit=unit,
            refused=refused,
        )

    # What the network is given

    def network(self, inputs: Any, background: Any) -> Network:
        """Return the model's network."""
        rows = _joined(inputs, background)
        return find_network(self.questions.scorer.model, self.config, rows)

    def opened(self, network: Network, inputs: Any) -> "Inside":
        """Return a network, traced."""
        from mlflow_lime.deep.inside import Inside

        return Inside(network, inputs, device=self.config.deep.device)

    def inputs(self, rows: Any) -> Any:
        """Return rows as the model reads them."""
        return self.questions.scorer.caster(rows)

    def background(self) -> Any:
        """Return rows of the background; where there are none, an instance without its parts."""
        return self.inputs(self._absent_rows(self.subjects[0], BACKGROUND_ROWS))

    def _absent_rows(self, subject: Subject, n_rows: int) -> Any:
        """Return an instance with every part absent, as often as absence is random."""
        domain, subject = self._masked(subject)
        n_rows = n_rows if subject.n_draws else 1
        masks = np.zeros((n_rows, subject.n_active), dtype=np.uint8)
        levels = np.empty((n_rows, 0), dtype=np.uint16)
        if subject.n_draws:
            levels = mask_block(
                "stratified",
                law="uniform_count",
                n_parts=0,
                n_draws=subject.n_draws,
                n_rows=n_rows,
                seed=instance_seed(self.config.seed, subject.digest),
            ).levels
        return domain.perturb([(subject, MaskBlock(masks, levels, np.ones(n_rows)))])

    def _masked(self, subject: Subject) -> tuple[Domain, Subject]:
        """Return an instance whose parts can be absent, whatever rows LIME draws around it."""
        domain: Any = self.domain
        if domain.masked:
            return domain, subject
        masked = MaskedTable(domain.table.background, as_array=domain.table.as_array)
        return masked, masked.subjects(domain.originals([subject]))[0]

    def _unit(self, inside: "Inside", outputs: "Tensor", background: Any) -> str:
        """Return the unit of the outputs, which lead to the model's scores far from it as well."""
        mode = self.questions.explainer.mode
        scores = np.stack([item.scores for item, _ in self.pairs])
        unit = inside.unit(outputs, scores, mode=mode)
        few = background[:PROVEN_ROWS]
        try:
            elsewhere, there = self.questions.scorer(few), inside.encode(few)
        except MlflowLimeError:
            return unit  # an instance without any of its parts may be none to the model
        inside.unit(inside.outputs(there), elsewhere, mode=mode)
        return unit

    def _baselines(
        self, inside: "Inside", encoded: "Encoded", background: Any
    ) -> "tuple[list[Tensor], str]":
        """Return what instances are compared with, and that in words."""
        from mlflow_lime.deep.baselines import baselines_of

        kind: str = self.config.deep.baseline
        if kind == "auto":
            kind = _USUAL.get(self._kind(), "absent")
        drawn = bool(self._masked(self.subjects[0])[1].n_draws)
        rows = None
        if kind in ("mean", "samples") and not drawn and len(encoded) < 2:
            msg = (
                f"deep.baseline is {kind}, but one instance is no reference set to compare it "
                "with; set it to absent or zero"
            )
            raise DataError(msg)
        if kind in ("mean", "samples"):
            rows = (inside.encode(background) if drawn else encoded).values
        absent = self._absent(inside) if kind == "absent" else None
        found = baselines_of(
            kind,
            encoded.values,
            background=rows,
            absent=absent,
            samples=self.config.deep.samples,
        )
        whose = "background" if drawn else "reference set"
        words = {
            "mean": f"mean of the {whose}",
            "samples": f"{len(found)} rows of the {whose}, averaged",
            "absent": "every part absent, as for LIME",
        }
        return found, words.get(kind, kind)

    def _absent(self, inside: "Inside") -> "Tensor":
        """Return each instance with every part absent, as the network reads it."""
        import torch

        rows = [
            inside.encode(self.inputs(self._absent_rows(subject, ABSENT_ROWS))).values
            for subject in self.subjects
        ]
        return torch.stack([one.double().mean(dim=0).to(one) for one in rows])

    def _kind(self) -> str:
        domain = self.domain
        known = domain.only if isinstance(domain, JointDomain) else domain
        recipe = known.recipe() if known is not None else {"domain": "table"}
        kind = str(recipe.get("domain", "table"))
        return kind if kind in ("text", "image", "sequence") else "table"

    # What the methods make of it

    def _contrasts(self, inside: "Inside", n_outputs: int, unit: str) -> NDArray[np.float64]:
        """Return what is explained of each instance's outputs, shape (n_instances, n_outputs)."""
        from mlflow_lime.deep.target import contrast

        mode = self.questions.explainer.mode
        # A sigmoid outside the network: each class has odds of its own.
        head = "sigmoid" if unit == "log-odds" else inside.traced.head
        labels = [item.labels[0].index for item, _ in self.pairs]
        return np.stack([contrast(n_outputs, label, mode=mode, head=head) for label in labels])

    def _by_method(
        self,
        inside: "Inside",
        encoded: "Encoded",
        usable: Sequence[str],
        starts: "Sequence[Tensor]",
        contrasts: NDArray[np.float64],
    ) -> "Mapping[str, Attributed]":
        import torch

        found = {}
        if "deeplift" in usable:
            found["deeplift"] = inside.deeplift(encoded, starts, contrasts)
        if "lrp" in usable:
            start = None
            if self.config.deep.start == "baseline":
                start = torch.stack(list(starts)).mean(dim=0)
            found["lrp"] = inside.relevance(
                encoded, contrasts, rule=self.config.deep.rule, start=start
            )
        return found

    def _settings(self, usable: Sequence[str], baseline: str) -> dict[str, str]:
        chosen = self.config.deep
        start = baseline if chosen.start == "baseline" else "zero"
        told = {
            "deeplift": f"rescale rule; baseline: {baseline}",
            "lrp": f"rule: {chosen.rule}; departures from: {start}",
        }
        return {name: told[name] for name in usable}

    def _owners(
        self, inside: "Inside", inputs: Any, shape: tuple[int, ...]
    ) -> list[NDArray[np.integer]]:
        """Return, for each instance, the part of each element that the network reads."""
        from mlflow_lime.deep.parts import aligned, token_parts

        network = inside.network
        if network.spans is None and self._kind() == "text":
            msg = "let the Network of deep.network have `spans`, the place of each token in a text"
            raise DataError(msg)
        if network.spans is not None:
            texts = [_text_of(subject) for subject in self.subjects]
            spans = network.spans(texts)
            return [
                token_parts(self.domain.element_parts(subject), list(own), shape[0])
                for subject, own in zip(self.subjects, spans, strict=True)
            ]
        order = self._order(inputs)
        found: list[NDArray[np.integer]] = []
        for subject in self.subjects:
            parts = self.domain.element_parts(subject)
            if order is not None and parts.shape == order.shape:
                parts = parts[order]
            if network.columns is not None and parts.ndim == 1:
                parts = np.append(parts, -1)[network.columns]
            found.append(aligned(parts, shape))
        return found

    def _prove(
        self, inside: "Inside", encoded: "Encoded", owners: Sequence[NDArray[np.integer]]
    ) -> None:
        """Refuse an encoding that does not leave parts where they are.

        Some parts of an instance are taken away one by one, and what changes of the encoded
        instance must be what was taken to be theirs.
        """
        place = int(np.argmax([subject.n_active for subject in self.subjects]))
        subject = self.subjects[place]
        if not self.domain.masked or subject.n_active < 2:
            return
        few = np.unique(np.linspace(0, subject.n_active - 1, PROVEN_PARTS).astype(int))
        masks = np.ones((len(few), subject.n_active), dtype=np.uint8)
        masks[np.arange(len(few)), few] = 0
        levels = np.zeros((len(few), subject.n_draws), dtype=np.uint16)
        rows = self.domain.perturb([(subject, MaskBlock(masks, levels, np.ones(len(few))))])
        before = encoded.rows(slice(place, place + 1)).values
        moved = (inside.encode(self.inputs(rows)).values - before).abs().double().cpu().numpy()
        for j, change in zip(subject.active[few].tolist(), moved, strict=True):
            total = float(change.sum())
            if total > 0 and float(change[owners[place] == j].sum()) < HERE * total:
                msg = (
                    f"the encoding moves part {shorten(subject.names[j])} elsewhere, or spreads it "
                    "over others, so attributions cannot be told apart by parts; let `encode` of "
                    "the network keep rows and columns, or time and features, where they are"
                )
                raise DataError(msg)

    def _order(self, inputs: Any) -> NDArray[np.intp] | None:
        """Return the place of each column that the model reads among those of the domain."""
        rows = self.domain.originals(self.subjects[:1])
        names = list(inputs.columns) if isinstance(inputs, pd.DataFrame) else None
        names = names or (list(self.questions.scorer.columns or ()) or None)
        if not isinstance(rows, pd.DataFrame) or names is None:
            return None
        places = {column: i for i, column in enumerate(rows.columns)}
        if any(name not in places for name in names) or len(names) != len(places):
            return None
        return np.array([places[name] for name in names], dtype=np.intp)


def _of(
    item: Explanation, found: "Attributed", place: int, owners: NDArray[np.integer]
) -> Attribution:
    """Return what a method makes of an instance, summed over the parts of its explanation."""
    from mlflow_lime.deep.parts import summed

    values, rest = summed(found.values[place], owners, len(item.parts))
    return Attribution(
        label=item.labels[0].label,
        values=values,
        rest=rest,
        output=float(found.outputs[place]),
        missing=float(found.missing[place]),
        biases=float(found.biases[place]),
    )


def _text_of(subject: Subject) -> str:
    content = subject.content[0] if isinstance(subject.content, tuple) else subject.content
    return str(content.content.text if isinstance(content, Subject) else content.text)


def _refusals(refused: Mapping[str, Sequence[str]]) -> str:
    """Return why no method can be applied, in words."""
    layers = list(dict.fromkeys(layer for found in refused.values() for layer in found))
    more = f", and {len(layers) - 3} more" if len(layers) > 3 else ""
    return f"the network has layers that cannot be looked through: {'; '.join(layers[:3])}{more}"


def _joined(first: Any, second: Any) -> Any:
    """Return the rows of two frames or arrays, one after the other; else the first ones."""
    if isinstance(first, pd.DataFrame) and isinstance(second, pd.DataFrame):
        return pd.concat([first, second], ignore_index=True)
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        same = first.shape[1:] == second.shape[1:]
        return np.concatenate([first, second]) if same else first
    return first


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Leave the user's random numbers of torch as they are."""
    import torch

    with torch.random.fork_rng(devices=[]):
        yield
