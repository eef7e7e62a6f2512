"""What is known of the instances of a review beside their explanations; it is logged with them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.written import reading
from mlflow_lime.report.wording import predicted_label

__all__ = ["InstanceFacts"]

FORMAT: Final = 1
Fact = TypeVar("Fact")


@dataclass(frozen=True, slots=True, eq=False)
class InstanceFacts:
    """Facts about the instances of a reference set, by key.

    Attributes
    ----------
    reasons : mapping of str to str
        Why each instance was chosen.
    true_labels : mapping of str to str or None
        True label or value, where it is known.
    slices : mapping of str to mapping of str to str
        Values of instances by column and key, such as ``{"region": {"00 #9d2bb3": "north"}}``.
    """

    reasons: Mapping[str, str] = field(default_factory=dict)
    true_labels: Mapping[str, str | None] = field(default_factory=dict)
    slices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def groups(self, explanations: Sequence[Explanation]) -> dict[str, Mapping[str, str | None]]:
        """Return the groups that instances are in, by what they are (``"class"``, a column).

        The class is the true one, else the one that the model predicts; regressions have none.
        """
        classes: dict[str, str | None] = {}
        for item in explanations:
            predicted = predicted_label(item)
            if predicted is not None:
                classes[item.key] = self.true_labels.get(item.key) or item.class_names[predicted]
        return {"class": classes, **{name: dict(own) for name, own in self.slices.items()}}

    def only(self, keys: Iterable[str]) -> "InstanceFacts":
        """Return the facts about some instances."""
        wanted = frozenset(keys)

        def of(values: Mapping[str, Fact]) -> dict[str, Fact]:
            return {key: value for key, value in values.items() if key in wanted}

        slices = {name: of(values) for name, values in self.slices.items()}
        return InstanceFacts(of(self.reasons), of(self.true_labels), slices)

    def to_json(self) -> str:
        """Return the facts as JSON; `from_json` reads them back."""
        data = {
            "format": FORMAT,
            "reasons": dict(self.reasons),
            "true_labels": dict(self.true_labels),
            "slices": {name: dict(values) for name, values in self.slices.items()},
        }
        return json.dumps(data, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        DataError
            If the text is something else, or was written in a newer format.
        """
        with reading(text, "facts of instances", expected=FORMAT) as data:
            return cls(
                reasons=_texts(data["reasons"]),
                true_labels={
                    str(key): None if value is None else str(value)
                    for key, value in data["true_labels"].items()
                },
                slices={str(name): _texts(values) for name, values in data["slices"].items()},
            )


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in values.items()}
