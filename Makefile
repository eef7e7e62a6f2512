# Two commands do everything on a machine that has Python 3.11 or newer, and make.
#   make demo    two versions of a real model, registered, explained, compared, and stopped by a gate;
#                then a neural network, for which it installs torch
#   make test    the tests
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
VENV ?= .venv
BIN := $(VENV)/bin
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: demo test lint clean

demo: $(VENV)/installed
	$(BIN)/python examples/register_and_explain/main.py
	$(BIN)/python examples/texts/main.py
	$(BIN)/python examples/images/main.py
	$(BIN)/python examples/gate/main.py
	$(BIN)/python -m pip install --quiet --editable '.[deep]'
	$(BIN)/python examples/networks/main.py

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "mlflow-lime needs Python 3.11 or newer; none was found"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) demo dist build
