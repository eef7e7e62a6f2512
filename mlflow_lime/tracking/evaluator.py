"""The evaluator that `mlflow.models.evaluate` finds under the name ``lime``.

MLflow makes one of every installed evaluator on each call, so this module imports next to
nothing, and `LimeEvaluator` runs only where it was asked for.
"""

import os
import warnings
from collections.abc import Mapping
from typing import Any

from mlflow.models.evaluation.base import EvaluationResult, ModelEvaluator

__all__ = ["CONFIG_VARIABLE", "LimeEvaluator"]

CONFIG_VARIABLE = "MLFLOW_LIME_CONFIG"
"""Environment variable that names a YAML file, and by that asks for explanations."""


class LimeEvaluator(ModelEvaluator):
    """Explains the evaluated model, and logs what it found to the evaluation's run.

    Examples
    --------
    The shortest form, beside MLflow's own evaluator::

        mlflow.models.evaluate(
            model_uri, data, targets="label", model_type="classifier",
            evaluator_config={"lime": {"instances": 8}, "default": {}},
        )
    """

    @classmethod
    def can_evaluate(
        cls, *, model_type: str, evaluator_config: Mapping[str, Any], **kwargs: Any
    ) -> bool:
        """Return whether we were asked for: by a key of ours, or by the environment."""
        if os.environ.get(CONFIG_VARIABLE):
            return True
        chosen = _own(evaluator_config)
        if not chosen:
            return False
        from mlflow_lime.config import claims

        return claims(chosen)

    def evaluate(
        self,
        *,
        model_type: str,
        dataset: Any,
        run_id: str,
        evaluator_config: Mapping[str, Any],
        model: Any = None,
        extra_metrics: Any = None,
        custom_artifacts: Any = None,
        predictions: Any = None,
        **kwargs: Any,
    ) -> EvaluationResult:
        """Explain instances of the evaluated data.

        Returns
        -------
        EvaluationResult
            The ``lime/*`` metrics; empty where explaining failed and ``on_error`` is ``record``.

        Raises
        ------
        MlflowLimeError
            If explaining fails and ``on_error`` is ``raise``.
        """
        from mlflow_lime.tracking.evaluation import evaluate_model, record_failure

        chosen = _own(evaluator_config)
        try:
            return evaluate_model(
                chosen,
                model=model,
                model_type=model_type,
                dataset=dataset,
                run_id=run_id,
                model_id=kwargs.get("model_id"),
            )
        except Exception as error:
            if _must_raise(chosen):
                raise
            record_failure(run_id, error)
            warnings.warn(
                f"LIME explanations were left out of this evaluation: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
            return EvaluationResult(metrics={}, artifacts={}, run_id=run_id)


def _own(evaluator_config: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return our section, whether or not MLflow has unwrapped it."""
    config = evaluator_config or {}
    inner = config.get("lime")
    return inner if isinstance(inner, Mapping) else config


def _must_raise(chosen: Mapping[str, Any]) -> bool:
    """Return whether the user asked for errors, even where the rest cannot be read."""
    from mlflow_lime.errors import MlflowLimeError
    from mlflow_lime.tracking.evaluation import evaluation_config

    try:
        return evaluation_config(chosen).on_error == "raise"
    except MlflowLimeError:
        return chosen.get("on_error") == "raise"
