"""Moving an alias of a registered model to a version that passed, with a record of who had it.

MLflow has no way to move an alias only if nobody else did so, so there is a moment of milliseconds
between the last look at the alias and its move. Everything else is ordered so that a kill leaves
the alias where it was, or moved with its previous holder on record.
"""

import re
from dataclasses import dataclass

from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.errors import ConfigError, shorten
from mlflow_lime.tracking.connection import impatient, translate_errors
from mlflow_lime.tracking.versions import ModelVersionRef

__all__ = ["Promotion", "plan_promotion", "previous_holders"]

_ALIAS = re.compile(r"(?!(?i:latest|v\d+)$)[A-Za-z0-9_-]{1,231}")
_NOBODY = "no version"
_RECORD = f"{names.TAG_GATE_PREVIOUS}."


@dataclass(frozen=True, slots=True, eq=False)
class Promotion:
    """An alias that is to be moved to a version.

    Attributes
    ----------
    ref : ModelVersionRef
    alias : str
    holder : str or None
        Number of the version that had the alias when the promotion was planned.
    client : MlflowClient
    """

    ref: ModelVersionRef
    alias: str
    holder: str | None
    client: MlflowClient

    @property
    def previous(self) -> str:
        """Return who had the alias, in words."""
        return f"{self.ref.name}/{self.holder}" if self.holder else _NOBODY

    @property
    def is_done(self) -> bool:
        """Whether the version had the alias already."""
        return self.holder == self.ref.version

    def moved_meanwhile(self) -> str:
        """Return who has the alias now, in words, where it is another version; else nothing."""
        now = holder_of(self.ref, self.alias, self.client)
        if now == self.holder:
            return ""
        return f"{self.ref.name}/{now}" if now else _NOBODY

    def record(self) -> None:
        """Write down on the registered model who had the alias before this version.

        Every alias has a tag of its own there, so that nothing else that is written at the same
        time can take the record away.
        """
        said = f"{self.previous}{_before(self.ref)}"
        self.client.set_registered_model_tag(str(self.ref.name), f"{_RECORD}{self.alias}", said)

    def move(self) -> str:
        """Move the alias, and return who has it then, in words, if it is another version."""
        self.client.set_registered_model_alias(
            str(self.ref.name), self.alias, str(self.ref.version)
        )
        return self.other_holder()

    def other_holder(self) -> str:
        """Return who has the alias now, in words, if it is another version."""
        now = holder_of(self.ref, self.alias, self.client)
        return "" if now == self.ref.version else f"{self.ref.name}/{now}" if now else _NOBODY


def previous_holders(ref: ModelVersionRef, client: MlflowClient) -> dict[str, str]:
    """Return who had each alias before it was moved to a version, as `Promotion.record` wrote it.

    Returns
    -------
    dict of str to str
        By alias, such as ``{"champion": "credit/1", "staging": "no version"}``.
    """
    if ref.name is None:
        return {}
    with impatient(), translate_errors(f"the tags of {ref.name!r}"):
        tags = client.get_registered_model(ref.name).tags
    return {
        key.removeprefix(_RECORD): said.removesuffix(_before(ref))
        for key, said in tags.items()
        if key.startswith(_RECORD) and said.endswith(_before(ref))
    }


def _before(ref: ModelVersionRef) -> str:
    return f" before {ref.label}"


def plan_promotion(ref: ModelVersionRef, alias: str, client: MlflowClient) -> Promotion:
    """Return the promotion of a version to an alias; nothing is moved yet.

    Raises
    ------
    ConfigError
        If the version is not registered, or the alias cannot be one.
    """
    name = alias.removeprefix("@")
    if not _ALIAS.fullmatch(name):
        msg = (
            f"expected an alias of letters, digits, - and _, other than latest and v1, got "
            f"{shorten(alias)}"
        )
        raise ConfigError(msg)
    if ref.name is None:
        msg = f"{ref.label} is not a version of a registered model, so no alias can point to it"
        raise ConfigError(msg)
    return Promotion(ref, name, holder_of(ref, name, client), client)


def holder_of(ref: ModelVersionRef, alias: str, client: MlflowClient) -> str | None:
    """Return the number of the version that an alias points to; None where it points nowhere."""
    with impatient(), translate_errors(f"the aliases of {ref.name!r}"):
        holder = client.get_registered_model(str(ref.name)).aliases.get(alias)
    return None if holder is None else str(holder)
