"""Options of a check, as a person types them: closed, typed, within bounds."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mlflow_lime.errors import ConfigError, did_you_mean, shorten

__all__ = ["Options", "read_options"]


class Options(BaseModel):
    """A closed, immutable set of options, checked strictly; every one has a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Chosen = TypeVar("Chosen", bound=Options)


def read_options(kind: type[Chosen], given: Mapping[str, Any], *, code: str) -> Chosen:
    """Return the options of a check.

    Parameters
    ----------
    kind : type of Options
        What there is, with types, bounds and defaults.
    given : mapping of str to object
        What a person typed.
    code : str
        Code of the check, for the message.

    Raises
    ------
    ConfigError
        If an option is unknown, of the wrong type, or out of bounds.

    Examples
    --------
    >>> class Least(Options):
    ...     min: float = 0.1
    >>> read_options(Least, {"min": 0.3}, code="ABC001")
    Least(min=0.3)
    """
    unknown = [name for name in given if name not in kind.model_fields]
    if unknown:
        hint = did_you_mean(unknown[0], kind.model_fields)
        known = ", ".join(kind.model_fields) or "none"
        msg = (
            f"check {code} has no option {shorten(unknown[0])} (checks.options.{code}); its "
            f"options are: {known}.{hint}"
        )
        raise ConfigError(msg)
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"])) or "the options"
        msg = (
            f"check {code}, option {name} (checks.options.{code}): "
            f"{first['msg'][:1].lower()}{first['msg'][1:]}, got {shorten(first['input'])}"
        )
        raise ConfigError(msg) from None
