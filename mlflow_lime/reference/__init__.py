"""Which instances a registered model is explained on, the same for every version.

Data in, a pinned set out. Must not import mlflow.
"""
