"""Runs the command line as ``python -m mlflow_lime``."""

from mlflow_lime.cli import main

main(prog_name="mlflow-lime")
