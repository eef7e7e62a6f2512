"""Networks to look into; skipped without the extra ``deep``."""

import os

import pytest

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

for package in ("torch", "captum", "zennit"):
    pytest.importorskip(package)


@pytest.fixture(autouse=True)
def _seeded():
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
