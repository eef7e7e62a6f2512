"""One mechanism for every kind of data: instances in, explanations out.

Knows numpy, scipy, pandas, scikit-learn, and scikit-image. Must not import mlflow, nor any
other package of mlflow-lime than `mlflow_lime.errors`.
"""
