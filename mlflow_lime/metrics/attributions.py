"""What methods that look inside a network make of the instances, part by part beside LIME."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.written import reading

__all__ = ["METHOD_NAMES", "Attribution", "Attributions"]

FORMAT: Final = 1

METHOD_NAMES: Final = {"deeplift": "DeepLIFT", "lrp": "LRP"}
"""Methods, and what a person calls them."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """What a method makes of an instance, for the first label that LIME explains.

    Attributes
    ----------
    label : str
        The class, or ``"value"`` for a regression.
    values : ndarray of float64, shape (n_parts,)
        Attributions, summed over what belongs to each part, in the order of the explanation's
        parts. Positive where the part speaks for the label.
    rest : float
        What belongs to no part, such as padding.
    output : float
        What is attributed: the label's log-odds, its logit less the mean of the others, or the
        value.
    missing : float
        What the attributions do not account for, as a share of their total size.
    biases : float
        Share that the biases of the network took.
    """

    label: str
    values: NDArray[np.float64]
    rest: float
    output: float
    missing: float
    biases: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "label": self.label,
            "values": [_plain(value) for value in self.values.tolist()],
            "rest": _plain(self.rest),
            "output": _plain(self.output),
            "missing": _plain(self.missing),
            "biases": _plain(self.biases),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(
            label=str(data["label"]),
            values=np.array([_number(value) for value in data["values"]], dtype=np.float64),
            rest=_number(data["rest"]),
            output=_number(data["output"]),
            missing=_number(data["missing"]),
            biases=_number(data["biases"]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Attributions:
    """What methods that look inside a network make of the instances of a review.

    Attributes
    ----------
    instances : dict of str to dict of str to Attribution
        By key of the instance and name of the method, see `METHOD_NAMES`.
    settings : dict of str to str
        By method, how it was applied, in words.
    unit : str
        Of the attributions: ``"log-odds"``, ``"logits"``, ``"probability"`` or ``"target"``.
    refused : dict of str to tuple of str
        By method, the layers that it cannot look through, each with the reason.
    why_not : str
        Why there are no attributions at all; empty where there are.
    notes : tuple of str
        What a reader must know.
    """

    instances: dict[str, dict[str, Attribution]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    unit: str = ""
    refused: dict[str, tuple[str, ...]] = field(default_factory=dict)
    why_not: str = ""
    notes: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that gave attributions, in their usual order."""
        found = {name for methods in self.instances.values() for name in methods}
        return tuple(name for name in METHOD_NAMES if name in found)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What could not be done, in sentences."""
        if self.why_not:
            return (f"DeepLIFT and LRP give no attributions: {self.why_not}",)
        return tuple(
            f"{METHOD_NAMES[method]} gives no attributions: {'; '.join(layers[:3])}"
            for method, layers in self.refused.items()
        )

    def of(self, explanation: Explanation) -> dict[str, Attribution]:
        """Return the attributions of an instance that fit its explanation, by method."""
        label = explanation.labels[0].label
        return {
            name: found
            for name, found in self.instances.get(explanation.key, {}).items()
            if found.label == label and len(found.values) == len(explanation.parts)
        }

    def to_json(self) -> str:
        """Return everything as JSON; `from_json` reads it back."""
        data = {
            "format": FORMAT,
            "unit": self.unit,
            "settings": self.settings,
            "refused": self.refused,
            "why_not": self.why_not,
            "notes": self.notes,
            "instances": {
                key: {name: found.to_dict() for name, found in methods.items()}
                for key, methods in self.instances.items()
            },
        }
        return json.dumps(data, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        DataError
            If the text is something else, or was written in a newer format.
        """
        with reading(text, "attributions", expected=FORMAT) as data:
            return cls(
                instances={
                    str(key): {
                        str(name): Attribution.from_dict(found)
                        for name, found in methods.items()
                        if name in METHOD_NAMES
                    }
                    for key, methods in data["instances"].items()
                },
                settings={str(name): str(text) for name, text in data["settings"].items()},
                unit=str(data["unit"]),
                refused={
                    str(name): tuple(map(str, layers)) for name, layers in data["refused"].items()
                },
                why_not=str(data["why_not"]),
                notes=tuple(map(str, data["notes"])),
            )


def _plain(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
