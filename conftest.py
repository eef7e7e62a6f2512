"""Which doctests need packages that are not installed."""

from importlib.util import find_spec

collect_ignore = []
if not all(map(find_spec, ("torch", "captum", "zennit"))):
    collect_ignore.append("mlflow_lime/deep")
