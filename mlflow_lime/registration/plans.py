"""Which configuration explains which registered model."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlflow_lime.config import Config, load_config, parse_config
from mlflow_lime.errors import ConfigError

__all__ = ["Plan", "Plans", "read_plans"]


@dataclass(frozen=True, eq=False)
class Plan:
    """A configuration, ready to be written into a queue many times.

    Attributes
    ----------
    config : Config
    origin : str
        Where it is from, for messages.

    Examples
    --------
    >>> plan = Plan(Config())
    >>> Plan.read(plan.text, plan.folder).digest == plan.digest
    True
    """

    config: Config
    origin: str = "the configuration"

    @cached_property
    def digest(self) -> str:
        """Return the digest of the configuration."""
        return self.config.digest()

    @cached_property
    def text(self) -> str:
        """Return the whole configuration as JSON."""
        return json.dumps(self.config.model_dump(mode="json"), sort_keys=True)

    @cached_property
    def folder(self) -> str:
        """Return the folder that relative paths are counted from."""
        return str(self.config.folder or Path.cwd())

    @classmethod
    def read(cls, text: str, folder: str) -> "Plan":
        """Return the plan that `text` and `folder` were written from.

        Raises
        ------
        ConfigError
            If another version of mlflow-lime wrote it, with keys that this one does not know.
        """
        config = parse_config(json.loads(text), where="the configuration in the queue")
        return cls(config.in_folder(Path(folder)))


class Plans:
    """Plans in order: the first one whose `models` names a model explains it.

    Parameters
    ----------
    plans : iterable of Plan

    Examples
    --------
    >>> plans = Plans([Plan(Config(models="credit-*")), Plan(Config(models="fraud", seed=1))])
    >>> plans.of("fraud").config.seed, plans.of("prices")
    (1, None)
    """

    def __init__(self, plans: Iterable[Plan]) -> None:
        self.plans = tuple(plans)

    def of(self, name: str) -> Plan | None:
        """Return the plan for a registered model; None where no pattern names it."""
        return next((plan for plan in self.plans if plan.config.matches(name)), None)

    @property
    def patterns(self) -> tuple[str, ...]:
        """Return the names and shell patterns of all plans."""
        found: list[str] = []
        for plan in self.plans:
            models = plan.config.models
            found.extend((models,) if isinstance(models, str) else models)
        return tuple(dict.fromkeys(found))


def read_plans(
    configs: Sequence[str | os.PathLike[str] | Mapping[str, Any] | Config],
    models: Sequence[str] = (),
) -> Plans:
    """Read the configurations of a process that explains what others register.

    Parameters
    ----------
    configs : sequence of path, mapping, or Config
        YAML files, dictionaries, or configurations; the first that names a model explains it.
    models : sequence of str, optional
        Names or shell patterns that take the place of `models` in a single configuration.

    Raises
    ------
    ConfigError
        If a configuration is wrong, or does not say which models it is for: loading a model runs
        its code, so that nothing is loaded that nobody named.

    Examples
    --------
    >>> read_plans([{"instances": 5}], ["credit-*"]).patterns
    ('credit-*',)
    >>> read_plans([{"instances": 5}])
    Traceback (most recent call last):
    mlflow_lime.errors.ConfigError: the configuration does not say which models to explain; ...
    """
    plans = [_plan(config) for config in configs] or [Plan(Config(), "the default configuration")]
    if models:
        if len(plans) > 1:
            msg = (
                f"expected one configuration where models are named beside it, got {len(plans)};"
                " write `models` into each file"
            )
            raise ConfigError(msg)
        (plan,) = plans
        named = {**plan.config.model_dump(mode="json"), "models": list(models)}
        config = parse_config(named, where=plan.origin).in_folder(plan.config.folder)
        return Plans([Plan(config, plan.origin)])
    for plan in plans:
        if "models" not in plan.config.model_fields_set:
            msg = (
                f"{plan.origin} does not say which models to explain; loading a model runs its"
                " code, so name those that you trust: models: [credit-*], or models: '*' for all"
            )
            raise ConfigError(msg)
    return Plans(plans)


def _plan(config: str | os.PathLike[str] | Mapping[str, Any] | Config) -> Plan:
    if isinstance(config, Config):
        return Plan(config)
    if isinstance(config, Mapping):
        return Plan(parse_config(config, where="config"), "the configuration")
    return Plan(load_config(config), str(config))
