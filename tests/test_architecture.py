"""One direction of imports, light imports, and what no module may do."""

import ast
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

import mlflow_lime

ROOT = Path(mlflow_lime.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
)

ALLOWED = {
    "errors": set(),
    "core": {"core", "errors"},
    "config": {"config", "errors"},
    "metrics": {"metrics", "core", "errors"},
    "compare": {"compare", "core", "errors"},
    "checks": {"checks", "compare", "core", "metrics", "reference", "errors"},
    "gate": {"gate", "compare", "checks", "errors"},
    "names": {"compare", "metrics"},
    "reference": {"reference", "core", "errors"},
    "report": {"report", "core", "metrics", "compare", "checks", "gate", "names", "errors"},
    "engine": {"engine", "errors"},
    "deep": {"deep", "errors"},
    "home": set(),
    "journal": {"core", "errors"},
    "explainers": {"core", "errors"},
    "configured": {"config", "core", "errors", "explainers"},
}
"""What each part of the package may import; the parts that are not here may import everything."""

DRIVERS = {"tracking", "registration", "pipeline", "activation", "cli", "__main__", ""}
LAZY = ("mlflow_lime.core.explanation", "report")
"""The one way back: an explanation draws itself, inside its methods."""


def path_of(module):
    path = ROOT.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def tree_of(module):
    return ast.parse(path_of(module).read_text())


def part_of(module):
    """Return the folder or file right below the package."""
    return module.partition(".")[2].partition(".")[0]


def names_in(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "mlflow_lime":
        return [f"mlflow_lime.{alias.name}" for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [str(node.module)]
    return []


def typing_only(tree):
    """Return the nodes below ``if TYPE_CHECKING``."""
    return {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }


def imports(module, *, lazy=True):
    """Yield the names of imported modules; those within functions only if `lazy`."""
    tree = tree_of(module)
    hidden = typing_only(tree)
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if id(node) not in hidden and (lazy or id(node) not in inner):
            yield from names_in(node)


def test_every_part_of_the_package_has_its_place():
    assert {part_of(module) for module in MODULES} <= set(ALLOWED) | DRIVERS


@pytest.mark.parametrize("module", [m for m in MODULES if part_of(m) in ALLOWED])
def test_a_module_imports_only_from_its_left(module):
    allowed = ALLOWED[part_of(module)]
    if module == LAZY[0]:
        assert LAZY[1] not in {part_of(name) for name in imports(module, lazy=False)}
        allowed = allowed | {LAZY[1]}
    inside = [name for name in imports(module) if name.split(".")[0] == "mlflow_lime"]
    assert [name for name in inside if part_of(name) not in allowed] == []


@pytest.mark.parametrize("module", [m for m in MODULES if part_of(m) not in {"tracking", "cli"}])
def test_only_the_edge_imports_mlflow(module):
    assert [name for name in imports(module) if name.split(".")[0] == "mlflow"] == []


def test_tracking_does_not_import_the_command_line():
    for module in MODULES:
        if part_of(module) not in {"cli", "__main__"}:
            assert "cli" not in {part_of(n) for n in imports(module) if n.startswith("mlflow_lime")}


@pytest.mark.parametrize("module", MODULES)
def test_no_relative_imports_asserts_or_bare_excepts(module):
    for node in ast.walk(tree_of(module)):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"line {node.lineno}"
        assert not isinstance(node, ast.Assert), f"line {node.lineno}"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), node.lineno


@pytest.mark.parametrize(
    "module", [m for m in MODULES if path_of(m).name not in {"__init__.py", "__main__.py"}]
)
def test_a_module_declares_its_public_names(module):
    body = tree_of(module).body
    (declared,) = [
        ast.literal_eval(node.value)
        for node in body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    known = {n.name for n in body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    for node in body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            known |= {ast.unparse(target) for target in targets}
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            known |= {alias.asname or alias.name for alias in node.names}
    assert set(declared) <= known
    assert len(declared) == len(set(declared))
    classes = [n.name for n in body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    assert declared, f"{module} has no public name among {classes}"


def test_a_package_that_gives_names_declares_them():
    for module in MODULES:
        body = tree_of(module).body
        gives = any(isinstance(node, ast.ImportFrom) for node in body)
        if path_of(module).name == "__init__.py" and gives:
            assert any("__all__" in ast.unparse(node) for node in body), module


def loaded_by(statement):
    code = (
        f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_the_core_is_imported_without_mlflow():
    core = [m for m in MODULES if part_of(m) not in DRIVERS]
    if not all(map(find_spec, ("torch", "captum"))):
        core = [m for m in core if part_of(m) != "deep"]
    assert "mlflow" not in loaded_by("\n".join(f"import {module}" for module in core))


def test_the_package_is_imported_with_nothing_heavy():
    heavy = {"mlflow", "numpy", "pandas", "sklearn", "scipy", "matplotlib", "pydantic", "yaml"}
    assert loaded_by("import mlflow_lime") & heavy == set()


def test_a_name_of_the_package_is_loaded_when_it_is_used():
    assert "mlflow" not in loaded_by("from mlflow_lime import TabularExplainer, Config")
    assert set(mlflow_lime.__all__) <= set(dir(mlflow_lime))
