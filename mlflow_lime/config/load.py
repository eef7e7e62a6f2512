"""Where a configuration comes in: a YAML file, or a dictionary from Python."""

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, NoReturn

from pydantic import ValidationError

from mlflow_lime.config.model import Config
from mlflow_lime.config.problems import Problem, describe, dotted, sections
from mlflow_lime.config.values import is_path
from mlflow_lime.config.yaml_lines import MAX_DEPTH, KeyPath, read_yaml
from mlflow_lime.errors import ConfigError, shorten

__all__ = ["KNOWN_KEYS", "OWN_KEYS", "SHORTHANDS", "claims", "load_config", "parse_config"]

Tree = dict[str, Any]
Settings = dict[tuple[str, str], Any]

SHORTHANDS: Mapping[str, str] = {
    "config": "a YAML file that is read first; the other keys override it",
    "instances": "reference.count",
    "num_samples": "sampling.rows",
    "rows": "sampling.rows",
}
"""Keys that `parse_config` takes besides those of `Config`, and what they stand for.

A list of `instances` stands for ``reference.pick: ids`` and ``reference.ids``.
"""

KNOWN_KEYS = frozenset(Config.model_fields) | frozenset(SHORTHANDS)
"""Every key that `parse_config` takes at its top level."""

OWN_KEYS = frozenset(
    {
        "background",
        "config",
        "instances",
        "kernel",
        "num_samples",
        "reference",
        "sampling",
        "surrogate",
        "tabular",
    }
)
"""The keys that can make a flat ``evaluator_config`` ours; see `claims`.

Left out are the keys that any other evaluator may use for itself: models, on_error, seed, task,
predict, labels, data, rows, prediction and outputs.
"""

_IN_FILES = {key: meant for key, meant in SHORTHANDS.items() if key != "config"}


def load_config(path: str | os.PathLike[str]) -> Config:
    """Read and check a YAML file.

    Parameters
    ----------
    path : path
        The file. Relative paths inside it are counted from its folder (`Config.locate`).

    Returns
    -------
    Config
        The configuration, with defaults for all keys that the file leaves out.

    Raises
    ------
    ConfigError
        With one line ``FILE:LINE: key: expected ..., got ...`` for each problem.
    """
    _, config = _load(path)
    return config


def _load(path: str | os.PathLike[str]) -> tuple[Tree, Config]:
    """Return what the file says, and the configuration that this makes."""
    document = read_yaml(path)
    value = {} if document.value is None else document.value
    if not isinstance(value, dict):
        raise ConfigError(
            f"{document.place(())}: expected a mapping (key: value), got {shorten(value)}."
            " `mlflow-lime init` writes a file to start from."
        )
    tree = _without_empty_sections(value)
    config, problems = _validate(tree, _IN_FILES)
    if config is None:
        problems.sort(key=lambda problem: document.line(problem.path))
        _refuse(problems, lambda problem: document.place(problem.path))
    return tree, config.in_folder(Path(path).resolve().parent)


def parse_config(mapping: Mapping[str, Any], *, where: str = "evaluator_config['lime']") -> Config:
    """Check a dictionary with the keys of the YAML file, or the shorthands of `SHORTHANDS`.

    Parameters
    ----------
    mapping : mapping
        Sections as dictionaries. NumPy scalars and arrays, tuples and paths are taken as plain
        values.
    where : str, optional
        What error messages name as the place.

    Returns
    -------
    Config
        The configuration. With a ``config`` file, its folder; paths in the dictionary itself are
        counted from the working directory.

    Raises
    ------
    ConfigError
        With one line ``WHERE: key: expected ..., got ...`` for each problem.

    Examples
    --------
    >>> parse_config({"instances": 8, "num_samples": 512}).reference.count
    8
    >>> parse_config({"instances": ["C-17", "C-20"]}).reference.pick
    'ids'
    >>> parse_config({"instances": "all"}, where="lime")
    Traceback (most recent call last):
    mlflow_lime.errors.ConfigError: lime: instances: expected how many, or a list of ids, got 'all'.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigError(
            f"{where}: expected a dictionary, got {shorten(mapping)}."
            " For a YAML file write {'config': 'lime.yaml'}."
        )
    given = _without_empty_sections(_plain(mapping, where))
    base, folder = _read_base(given, where)
    tree = _merge(base, {key: value for key, value in given.items() if key not in SHORTHANDS})
    if folder is not None:
        _anchor_paths(tree, given)
    origins = _expand(tree, given, where)
    config, problems = _validate(tree, {name: name for name in SHORTHANDS})
    if config is None:
        problems = [_as_written(problem, origins) for problem in problems]
        _refuse(problems, lambda _: where)
    return config.in_folder(folder)


def _validate(tree: Tree, shorthands: Mapping[str, str]) -> tuple[Config | None, list[Problem]]:
    try:
        return Config.model_validate(tree), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, describe(details, tree, shorthands)


def _refuse(problems: Sequence[Problem], place: Callable[[Problem], str]) -> NoReturn:
    raise ConfigError(
        "\n".join(
            f"{place(problem)}: {dotted(problem.path)}: {problem.text}" for problem in problems
        )
    )


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """Return mappings as dicts, sequences as lists, NumPy scalars and paths as plain values."""
    if depth > MAX_DEPTH:
        raise ConfigError(f"{where}: expected at most {MAX_DEPTH} levels of nesting, got more.")
    if isinstance(value, Mapping):
        return {key: _plain(inner, where, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, where, depth + 1) for inner in value]
    if isinstance(value, PurePath):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _without_empty_sections(tree: Tree) -> Tree:
    """Leave out sections whose keys are all commented out, which YAML reads as null."""
    return {key: value for key, value in tree.items() if not (value is None and key in sections())}


def _read_base(given: Tree, where: str) -> tuple[Tree, Path | None]:
    if "config" not in given:
        return {}, None
    path = given["config"]
    if not isinstance(path, str) or not path:
        raise ConfigError(
            f"{where}: config: expected the path of a YAML file, got {shorten(path)}."
        )
    tree, config = _load(path)
    return tree, config.folder


def _merge(base: Tree, over: Tree) -> Tree:
    """Return `base` with the keys of `over`; sections are merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = {**base[key], **value} if both else value
    return merged


def _anchor_paths(tree: Tree, given: Tree) -> None:
    """Make paths from the dictionary absolute, lest they be counted from the file's folder."""
    for name in ("data", "background"):
        section = given.get(name)
        source = section.get("source") if isinstance(section, dict) else None
        if isinstance(source, str) and is_path(source):
            tree[name] = {**tree[name], "source": str(Path.cwd() / Path(source).expanduser())}


def _expand(tree: Tree, given: Tree, where: str) -> dict[KeyPath, str]:
    """Put what shorthands stand for into `tree`; return which key came from which shorthand."""
    origins: dict[KeyPath, str] = {}
    for name, expansion in _EXPANSIONS.items():
        if name not in given:
            continue
        for path, value in expansion(given[name], tree, where).items():
            section, key = path
            written = given.get(section)
            other = dotted(path) if isinstance(written, dict) and key in written else None
            if other := origins.get(path, other):
                raise ConfigError(
                    f"{where}: {name}: expected either {name} or {other}, got both. Remove one."
                )
            if isinstance(tree.setdefault(section, {}), dict):
                tree[section] = {**tree[section], key: value}
                origins[path] = name
    return origins


def _expand_instances(value: object, tree: Tree, where: str) -> Settings:
    if isinstance(value, list) and value:
        return {("reference", "pick"): "ids", ("reference", "ids"): value}
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(
            f"{where}: instances: expected how many, or a list of ids, got {shorten(value)}."
        )
    settings: Settings = {("reference", "count"): value}
    pick = _setting(tree, "reference", "pick")
    if pick in ("ids", "rows"):  # of the file; a number of instances replaces the list
        settings |= {("reference", "pick"): "stratified", ("reference", pick): []}
    return settings


def _expand_rows(value: object, tree: Tree, where: str) -> Settings:
    settings: Settings = {("sampling", "rows"): value}
    limit = _setting(tree, "sampling", "max_rows")
    if isinstance(value, int) and isinstance(limit, int) and value > limit:
        settings["sampling", "max_rows"] = value
    return settings


def _setting(tree: Tree, section: str, key: str) -> Any:
    written = tree.get(section)
    default = getattr(getattr(_DEFAULT, section), key)
    return written.get(key, default) if isinstance(written, dict) else default


def _as_written(problem: Problem, origins: Mapping[KeyPath, str]) -> Problem:
    """Point to the shorthand that a person wrote, not to the key that it stands for."""
    origin = origins.get(problem.path[:2])
    return problem if origin is None else Problem((origin, *problem.path[2:]), problem.text)


def claims(mapping: Mapping[str, Any] | None) -> bool:
    """Whether a flat ``evaluator_config`` is meant for us.

    MLflow hands the same flat dictionary to every installed evaluator, so only keys that nobody
    else is likely to use count (`OWN_KEYS`), and only with a value of our shape: a section must be
    a dictionary, ``config`` must name a ``.yaml`` or ``.yml`` file. A key that is nearly one of
    them counts too, as does ``on_error``: a mistyped key is then an error and not silence.

    Examples
    --------
    >>> claims({"instances": 8}), claims({"pos_label": 1, "seed": 0}), claims(None)
    (True, False, False)
    >>> claims({"instance": 8})
    True
    """
    return any(
        _has_our_shape(key, item) if key in OWN_KEYS else _is_nearly_ours(key)
        for key, item in (mapping or {}).items()
    )


def _is_nearly_ours(key: object) -> bool:
    if key in KNOWN_KEYS:
        return key == "on_error"
    return bool(difflib.get_close_matches(str(key), OWN_KEYS, n=1, cutoff=0.8))


def _has_our_shape(key: str, value: object) -> bool:
    if key == "config":
        return isinstance(value, str | os.PathLike) and str(value).endswith((".yaml", ".yml"))
    return isinstance(value, Mapping) if key in sections() else True


_EXPANSIONS: Mapping[str, Callable[[Any, Tree, str], Settings]] = {
    "instances": _expand_instances,
    "num_samples": _expand_rows,
    "rows": _expand_rows,
}

_DEFAULT = Config()
