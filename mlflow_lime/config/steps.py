"""The steps file: which steps follow one another on a model version, and on which conditions."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from mlflow_lime.config.load import SHORTHANDS, load_config
from mlflow_lime.config.model import Config
from mlflow_lime.config.problems import describe, dotted, sections
from mlflow_lime.config.sections import CONTRADICTIONS, Section
from mlflow_lime.config.values import PROBLEM, Name, is_path, problem
from mlflow_lime.config.yaml_lines import Document, KeyPath, read_yaml
from mlflow_lime.errors import ConfigError, did_you_mean, shorten

__all__ = ["Conditions", "PlannedStep", "StepKeys", "StepsFile", "load_steps"]

Tree = dict[str, Any]
Checked = TypeVar("Checked", bound=Section)

_ABOUT_THE_STEP = ("name", "when", "on_error")
_SHORTHANDS = {key: meant for key, meant in SHORTHANDS.items() if key != "config"}


def _names(value: Any) -> object:
    names = [value] if isinstance(value, str) else value
    some = isinstance(names, list | tuple) and len(names) > 0
    if not some or not all(isinstance(name, str) and name for name in names):
        raise problem(f"expected a name or a list of names, got {shorten(value)}.")
    return tuple(names)


def _tags(value: object) -> object:
    if not isinstance(value, dict) or not value:
        raise problem(
            "expected a mapping from tags to values, such as {approved: 'yes'}, got"
            f" {shorten(value)}."
        )
    for key, wanted in value.items():
        if not isinstance(wanted, str):
            raise problem(
                f"expected text as the value of tag {shorten(key)}, got {shorten(wanted)}."
                " Put it in quotes."
            )
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Tags = Annotated[dict[str, str], BeforeValidator(_tags)]


class Conditions(Section):
    """When a step runs; all that is set must hold."""

    after: Literal["success", "failure", "always"] = Field(
        default="success",
        description=(
            "success (no earlier step failed), failure (one failed) or always; a failure with"
            " on_error: continue does not keep later steps from running."
        ),
    )
    models: Names = Field(default=(), description="Names or shell patterns of registered models.")
    alias: Names = Field(default=(), description="One of these aliases points to the version.")
    tag: Tags = Field(
        default_factory=dict, description="Tags of the version, and shell patterns of their values."
    )


class _Entry(Section):
    """What may stand beside the name of a step."""

    name: Name | None = None
    when: Literal["success", "failure", "always"] | Tree = "success"
    on_error: Literal["stop", "continue"] = "stop"


class _Head(Section):
    """What may stand at the top of a steps file."""

    model: Name | None = None
    config: Name | Tree | None = None
    steps: Annotated[list[Any], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class StepKeys:
    """What may stand below the name of a step.

    Attributes
    ----------
    own : type of Section
        The keys that the step itself reads.
    overrides : str or None
        The section of the base configuration that all other keys override; ``""`` for the whole
        configuration, None where there are no other keys.
    """

    own: type[Section]
    overrides: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as a file asks for it.

    Attributes
    ----------
    kind : str
        The step.
    name : str
        What this use of it is called; different for each step of a file.
    options : Section
        The step's own keys.
    config : Config
        The base configuration, with what the step overrides.
    when : Conditions
    stops : bool
        Whether later steps are left out where this one fails.
    place : str
        ``FILE:LINE``.
    """

    kind: str
    name: str
    options: Section
    config: Config
    when: Conditions
    stops: bool
    place: str


@dataclass(frozen=True, slots=True)
class StepsFile:
    """A steps file, read and checked.

    Attributes
    ----------
    path : str
    model : str or None
        The model that the file names.
    origin : str
        Where the base configuration is from.
    steps : tuple of PlannedStep
    """

    path: str
    model: str | None
    origin: str
    steps: tuple[PlannedStep, ...]

    def position(self, wanted: str) -> int:
        """Return the position of a step, from 0, by its number in the file or its name.

        Raises
        ------
        ConfigError
            If there is no such step.
        """
        names = [step.name for step in self.steps]
        if wanted in names:
            return names.index(wanted)
        if wanted.isdecimal() and len(wanted) < 9 and 1 <= int(wanted) <= len(names):
            return int(wanted) - 1
        listed = ", ".join(f"{i} {name}" for i, name in enumerate(names, start=1))
        msg = (
            f"{self.path} has no step {shorten(wanted)}.{did_you_mean(wanted, names)}"
            f" It has: {listed}."
        )
        raise ConfigError(msg)


def load_steps(
    path: str | os.PathLike[str],
    kinds: Mapping[str, StepKeys],
    *,
    config_path: str | None = None,
) -> StepsFile:
    """Read and check a steps file.

    Parameters
    ----------
    path : path
        The file. Relative paths inside it are counted from its folder.
    kinds : mapping of str to StepKeys
        The steps that there are.
    config_path : str, optional
        A configuration that takes the place of the one that the file names.

    Raises
    ------
    ConfigError
        With one line ``FILE:LINE: key: expected ..., got ...`` for each problem.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
    ...     written = file.write("steps: [explain, explain: {seed: 1}]"), file.flush()
    ...     steps = load_steps(file.name, {"explain": StepKeys(Section, overrides="")}).steps
    >>> [(step.name, step.config.seed) for step in steps]
    [('explain', 0), ('explain 2', 1)]
    """
    document = read_yaml(path)
    return _Reader(document, kinds, Path(path).resolve().parent).read(config_path)


class _Reader:
    """One steps file on its way from plain data to planned steps."""

    def __init__(self, document: Document, kinds: Mapping[str, StepKeys], folder: Path) -> None:
        self.document = document
        self.kinds = kinds
        self.folder = folder
        self.problems: list[tuple[KeyPath, str]] = []

    def read(self, config_path: str | None) -> StepsFile:
        value = self.document.value
        if not isinstance(value, dict):
            raise ConfigError(
                f"{self.document.place(())}: expected a mapping with the key steps, got"
                f" {shorten(value)}. Write steps: and below it, for example, - explain: {{}}"
            )
        head = self._checked(_Head, value, ())
        base, origin = self._base(head, config_path)
        self._raise_problems()
        if head is None or base is None:  # then there were problems
            raise ConfigError(f"{self.document.name}: expected a steps file.")
        planned = [self._step(entry, i, base) for i, entry in enumerate(head.steps)]
        self._raise_problems()
        named = self._named([step for step in planned if step is not None])
        self._raise_problems()
        return StepsFile(self.document.name, head.model, origin, tuple(named))

    def _raise_problems(self) -> None:
        if not self.problems:
            return
        self.problems.sort(key=lambda item: self.document.line(item[0]))
        raise ConfigError(
            "\n".join(
                f"{self.document.place(path)}: {dotted(path)}: {text}"
                for path, text in self.problems
            )
        )

    def _add(self, path: KeyPath, text: str) -> None:
        self.problems.append((path, text))

    # Configurations

    def _base(self, head: _Head | None, config_path: str | None) -> tuple[Config | None, str]:
        if config_path:
            return load_config(config_path), config_path
        given = head.config if head is not None else None
        if isinstance(given, str):
            path = self.folder / _expanded(given)
            if not _is_file(path):
                self._add(("config",), f"expected a YAML file, got {shorten(given)}: no such file.")
                return None, given
            return load_config(path), given
        origin = "all defaults" if given is None else self.document.name
        return self._config(given or {}, ("config",), "", self.folder), origin

    def _config(
        self, tree: Tree, path: KeyPath, overrides: str, folder: Path | None
    ) -> Config | None:
        """Check a whole configuration; `path` leads to what `overrides` names of it."""
        try:
            return Config.model_validate(tree).in_folder(folder)
        except ValidationError as error:
            found = describe(error.errors(include_url=False), tree, _SHORTHANDS)
        for item in found:
            inner = item.path[1:] if overrides and item.path[:1] == (overrides,) else item.path
            self._add((*path, *inner), item.text)
        return None

    def _overridden(self, base: Config, keys: Tree, path: KeyPath, overrides: str) -> Config | None:
        """Return the base configuration with the keys of a step."""
        tree: Tree = base.model_dump(mode="json", exclude_unset=True)
        over = {overrides: keys} if overrides else keys
        for key, given in self._anchored(over).items():
            if given is None and key in sections():
                continue  # a section whose keys are all commented out
            known: Any = tree.get(key)
            merges = isinstance(given, dict) and isinstance(known, dict)
            tree[key] = {**known, **given} if merges else given
        return self._config(tree, path, overrides, base.folder)

    def _anchored(self, tree: Tree) -> Tree:
        """Count relative paths from this file, wherever the base configuration lies."""
        found = dict(tree)
        for name in ("data", "background"):
            section = tree.get(name)
            source = section.get("source") if isinstance(section, dict) else None
            if isinstance(section, dict) and isinstance(source, str) and is_path(source):
                absolute = str(self.folder / _expanded(source))
                found[name] = {**section, "source": absolute}
        return found

    # Steps

    def _step(self, entry: object, index: int, base: Config) -> PlannedStep | None:
        path: KeyPath = ("steps", index)
        tree = {entry: None} if isinstance(entry, str) else entry
        if not isinstance(tree, dict):
            self._add(path, f"expected a step, such as explain: {{}}, got {shorten(entry)}.")
            return None
        kind = self._kind(tree, path)
        if kind is None:
            return None
        about = self._checked(_Entry, {k: v for k, v in tree.items() if k != kind}, path)
        when = self._conditions(about, (*path, "when"))
        options, config = self._options(tree[kind], kind, (*path, kind), base)
        if about is None or when is None or options is None or config is None:
            return None
        return PlannedStep(
            kind=kind,
            name=about.name or "",
            options=options,
            config=config,
            when=when,
            stops=about.on_error == "stop",
            place=self.document.place(path),
        )

    def _kind(self, tree: Tree, path: KeyPath) -> str | None:
        """Return which step an entry is; a key that is nearly one of ours is not a step."""
        known = [key for key in tree if key in self.kinds]
        if len(known) == 1:
            return known[0]
        steps = ", ".join(self.kinds)
        if known:
            several = " and ".join(known)
            self._add(path, f"expected one step, got {several}. Begin each one with a dash.")
            return None
        others = [key for key in tree if key not in _ABOUT_THE_STEP]
        if not others:
            self._add(path, f"expected the name of a step, got none. Steps: {steps}.")
        for key in others[:1]:
            hint = did_you_mean(key, (*self.kinds, *_ABOUT_THE_STEP))
            text = f"expected the name of a step, got {shorten(key)}.{hint} Steps: {steps}."
            self._add((*path, key), text)
        return None

    def _conditions(self, about: _Entry | None, path: KeyPath) -> Conditions | None:
        if about is None:
            return None
        given = {"after": about.when} if isinstance(about.when, str) else about.when
        return self._checked(Conditions, given, path)

    def _options(
        self, keys: object, kind: str, path: KeyPath, base: Config
    ) -> tuple[Section | None, Config | None]:
        given = {} if keys is None else keys
        if not isinstance(given, dict):
            self._add(path, f"expected a mapping, got {shorten(keys)}. For no keys write {{}}.")
            return None, None
        allowed = self.kinds[kind]
        if allowed.overrides is None:
            return self._checked(allowed.own, given, path), base
        own = {key: value for key, value in given.items() if key in allowed.own.model_fields}
        rest = {key: value for key, value in given.items() if key not in own}
        options = self._checked(allowed.own, own, path)
        return options, self._overridden(base, rest, path, allowed.overrides)

    def _named(self, steps: list[PlannedStep]) -> list[PlannedStep]:
        """Give each step a name of its own: the one that it has, else its kind."""
        taken: set[str] = set()
        for index, step in enumerate(steps):
            if step.name in taken:
                text = f"expected different names, got {shorten(step.name)} twice. Change one."
                self._add(("steps", index, "name"), text)
            taken |= {step.name} - {""}
        named: list[PlannedStep] = []
        for step in steps:
            usual = (step.kind, *(f"{step.kind} {number}" for number in range(2, len(steps) + 2)))
            name = step.name or next(name for name in usual if name not in taken)
            taken.add(name)
            named.append(replace(step, name=name))
        return named

    def _checked(self, kind: type[Checked], tree: Tree, path: KeyPath) -> Checked | None:
        """Return a section of our own, or note what is wrong with it."""
        try:
            return kind.model_validate(tree)
        except ValidationError as error:
            details = error.errors(include_url=False)
        seen: set[object] = set()
        for detail in details:
            loc = detail["loc"]
            if detail["type"] == CONTRADICTIONS:
                for key, text in detail["ctx"]["found"]:
                    self._add((*path, key), text)
            elif loc[0] not in seen:
                seen.add(loc[0])
                self._add((*path, loc[0]), _sentence(detail, kind, tree))
        return None


_EXPECTED = {
    "steps": "a list of steps that is not empty, such as - explain: {}",
    "when": "success, failure, always, or a mapping of conditions such as {alias: candidate}",
    "config": "the path of a YAML file, or a mapping",
    "missing": "a value",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "text that is not empty",
}
"""What is expected of a key, or by a kind of pydantic's errors."""


def _sentence(detail: ErrorDetails, kind: type[Section], tree: Tree) -> str:
    key = str(detail["loc"][0])
    if detail["type"] == PROBLEM:
        return str(detail["ctx"]["text"])
    known = tuple(kind.model_fields)
    if detail["type"] == "extra_forbidden":
        hint = did_you_mean(key, known) or f" Known keys: {', '.join(known) or 'none'}."
        return f"expected a known key, got {shorten(key)}.{hint}"
    said = detail["msg"].removeprefix("Input should be ")
    expected = _EXPECTED.get(key) or _EXPECTED.get(detail["type"]) or said
    if key not in tree:
        return f"expected {expected}, got nothing."
    return f"expected {expected}, got {shorten(tree[key])}.{_nearest(detail, tree[key])}"


def _nearest(detail: ErrorDetails, got: object) -> str:
    words = str(detail.get("ctx", {}).get("expected", "")).replace("' or '", "', '")
    options = [word.strip(" '") for word in words.split(",")]
    return did_you_mean(got, options) if isinstance(got, str) else ""


def _expanded(path: str) -> Path:
    """Return a path with ``~`` as a home folder, where there is such a user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False
