"""The step ``explain``: explain the version, as ``mlflow-lime explain`` does."""

from mlflow_lime.config.sections import Section
from mlflow_lime.config.steps import StepKeys
from mlflow_lime.pipeline.step import Context, Result

__all__ = ["EXPLAIN_KEYS", "explain"]


class _Nothing(Section):
    """The step has no keys besides those of the configuration."""


EXPLAIN_KEYS = StepKeys(own=_Nothing, overrides="")


def explain(context: Context) -> Result:
    """Explain the version on its reference set, and log the result.

    Raises
    ------
    MlflowLimeError
        If the version, its data, or its model cannot be used.
    """
    from mlflow_lime.tracking.review import review_version, show_progress

    config = context.config
    review = review_version(
        context.ref.uri,
        config,
        client=context.client,
        progress=show_progress(config) if context.progress else False,
    )
    explained, failed = (int(review.metrics.get(f"lime/{k}", 0)) for k in ("instances", "failed"))
    lines = [f"{explained} of {explained + failed} instances explained"]
    if review.repeated:
        lines[0] += " already with this configuration"
    if "lime/fidelity_r2" in review.metrics:
        lines.append(f"fidelity R² {review.metrics['lime/fidelity_r2']:.2f} (median)")
    lines.append(f"reference set {review.reference_digest}")
    lines += [f"{item.key} failed: {item.reason}" for item in review.failed[:3]]
    lines += [f"note: {note}" for note in review.notes]
    fatal = failed > 0 and config.on_error == "raise"
    return Result(
        lines=tuple(lines),
        run_id=review.run_id,
        metrics=review.metrics,
        outcome="failed" if fatal else "unchanged" if review.repeated else "done",
    )
