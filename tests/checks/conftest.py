"""Evidence on healthy models, made once."""

import pytest

from tests.checks import cases


@pytest.fixture(scope="session")
def healthy():
    """Return evidence on a forest that reads a census."""
    return cases.on_table(*cases.people(), sensitive=["sex"])


@pytest.fixture(scope="session")
def texts():
    return cases.on_texts(*cases.letters())


@pytest.fixture(scope="session")
def images():
    return cases.on_images(*cases.digits(), n_segments=16)
