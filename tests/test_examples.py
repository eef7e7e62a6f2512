"""Every example runs to its end, in a folder of its own."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
EXPECTED = {
    "register_and_explain": "weights that differ beyond noise",
    "evaluate_in_a_script": "passed.",
    "regression": "a month, because",
    "own_predict": "heaviest part 'petal",
    "texts": "nightdesk",
    "images": "weight on the mark: 4",
    "gate": "champion is still version 1",
    "networks": "lrp       the strip comes first in 100% of the instances",
    "without_mlflow": "P(malignant) = ",
}


def test_every_folder_is_tested():
    assert {path.parent.name for path in EXAMPLES.glob("*/main.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_example(name, tmp_path):
    if name == "networks" and not all(map(find_spec, ("torch", "captum"))):
        pytest.skip("needs the extra `deep`")
    # Other tests leave their store in the environment.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment = {
        **inherited,
        "DEMO_FOLDER": str(tmp_path / "demo"),
        "MLFLOW_LIME_HOME": str(tmp_path / "home"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name / "main.py")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert EXPECTED[name] in done.stdout
