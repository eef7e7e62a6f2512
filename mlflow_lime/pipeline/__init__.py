"""Steps of a YAML file on one model version, one after the other.

A steps file and a model version come in; one record for each step goes out. ``registry`` lists the
steps: to add one, write a module with its keys and its function, and one line there. ``pipeline``
runs them. mlflow is reached through `mlflow_lime.tracking` alone.
"""
