"""The edge to MLflow: models, versions, and data come in here, and log items go out.

The only package that imports mlflow. It may import `mlflow_lime.core` and `mlflow_lime.errors`;
nothing in the core may import it.
"""
