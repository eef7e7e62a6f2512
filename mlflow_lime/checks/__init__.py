"""Explanations of a version in, findings out: one file each check, one line in ``registry``.

Must not import mlflow, nor the packages that log or read the configuration file.
"""
