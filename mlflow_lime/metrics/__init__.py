"""Explanations in, numbers out: aggregates over instances, as metrics of a model version.

Knows `mlflow_lime.core.explanation` and `mlflow_lime.errors`. Must not import mlflow, nor the
packages that draw, log or read the configuration.
"""
