"""Rules and measured values in, a verdict out: pass, fail, or not judged, each with the reason.

Must not import mlflow, nor the packages that draw or log.
"""
