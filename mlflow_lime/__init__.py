"""Explain every registered MLflow model version with LIME, and compare versions by their reasons.

Names are loaded when they are first used, so that importing this package is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_lime.config import Config, load_config, parse_config
    from mlflow_lime.core.explanation import Explanation, FailedExplanation, LabelExplanation
    from mlflow_lime.core.kernel import Kernel
    from mlflow_lime.core.options import Budget, Fitting, Pooling, Sampling
    from mlflow_lime.core.tabular.background import Background
    from mlflow_lime.deep.network import Network
    from mlflow_lime.errors import MlflowLimeError
    from mlflow_lime.explainers import (
        ImageExplainer,
        SequenceExplainer,
        TabularExplainer,
        TextExplainer,
    )
    from mlflow_lime.registration.autolog import autolog
    from mlflow_lime.tracking.background_log import log_background
    from mlflow_lime.tracking.checking import Checked, check_version
    from mlflow_lime.tracking.comparison import Comparison, compare_versions
    from mlflow_lime.tracking.gating import Gated, gate_version
    from mlflow_lime.tracking.logged_explanations import load_explanations
    from mlflow_lime.tracking.review import Review, review_version
    from mlflow_lime.tracking.thresholds import metric_thresholds

__all__ = [
    "Background",
    "Budget",
    "Checked",
    "Comparison",
    "Config",
    "Explanation",
    "FailedExplanation",
    "Fitting",
    "Gated",
    "ImageExplainer",
    "Kernel",
    "LabelExplanation",
    "MlflowLimeError",
    "Network",
    "Pooling",
    "Review",
    "Sampling",
    "SequenceExplainer",
    "TabularExplainer",
    "TextExplainer",
    "__version__",
    "autolog",
    "check_version",
    "compare_versions",
    "gate_version",
    "load_config",
    "load_explanations",
    "log_background",
    "metric_thresholds",
    "parse_config",
    "review_version",
]

_HOMES = {
    "Background": "mlflow_lime.core.tabular.background",
    "Budget": "mlflow_lime.core.options",
    "Checked": "mlflow_lime.tracking.checking",
    "Comparison": "mlflow_lime.tracking.comparison",
    "Config": "mlflow_lime.config",
    "Explanation": "mlflow_lime.core.explanation",
    "FailedExplanation": "mlflow_lime.core.explanation",
    "Fitting": "mlflow_lime.core.options",
    "Gated": "mlflow_lime.tracking.gating",
    "ImageExplainer": "mlflow_lime.explainers",
    "Kernel": "mlflow_lime.core.kernel",
    "LabelExplanation": "mlflow_lime.core.explanation",
    "MlflowLimeError": "mlflow_lime.errors",
    "Network": "mlflow_lime.deep.network",
    "Pooling": "mlflow_lime.core.options",
    "Review": "mlflow_lime.tracking.review",
    "Sampling": "mlflow_lime.core.options",
    "SequenceExplainer": "mlflow_lime.explainers",
    "TabularExplainer": "mlflow_lime.explainers",
    "TextExplainer": "mlflow_lime.explainers",
    "autolog": "mlflow_lime.registration.autolog",
    "check_version": "mlflow_lime.tracking.checking",
    "compare_versions": "mlflow_lime.tracking.comparison",
    "gate_version": "mlflow_lime.tracking.gating",
    "load_config": "mlflow_lime.config",
    "load_explanations": "mlflow_lime.tracking.logged_explanations",
    "log_background": "mlflow_lime.tracking.background_log",
    "metric_thresholds": "mlflow_lime.tracking.thresholds",
    "parse_config": "mlflow_lime.config",
    "review_version": "mlflow_lime.tracking.review",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("mlflow-lime")
        except PackageNotFoundError:
            return "unknown"
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
