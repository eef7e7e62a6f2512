"""Which tests need packages that are not installed."""

import os
from importlib.util import find_spec

collect_ignore = []
if not all(map(find_spec, ("torch", "captum"))):
    if os.environ.get("MLFLOW_LIME_DEEP") == "required":
        msg = "the tests of neural networks need torch and captum: pip install '.[deep]'"
        raise ImportError(msg)
    collect_ignore += [
        "mlflow_lime/deep",
        "tests/deep",
        "tests/tracking/networks.py",
        "tests/tracking/test_networks.py",
        "tests/tracking/test_shortcuts.py",
    ]
