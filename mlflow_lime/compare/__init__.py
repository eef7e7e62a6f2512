"""Explanations of two versions in, what changed between them out, beyond sampling noise.

Knows `mlflow_lime.core` and `mlflow_lime.errors`. Must not import mlflow, nor the packages that
draw, log or read the configuration.
"""
