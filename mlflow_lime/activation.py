"""What MLflow loads while it is imported, so that an environment variable turns `autolog` on.

Nothing is imported here unless ``MLFLOW_LIME_AUTOLOG`` asks for it, and nothing that goes wrong
gets out: `import mlflow` never fails through us.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow_lime.tracking.registration_hook import Registration

__all__ = ["RunContext", "default_source", "is_disabled"]

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def is_disabled() -> bool:
    """Return whether ``MLFLOW_LIME_DISABLE`` switches `autolog` off.

    Examples
    --------
    >>> is_disabled()
    False
    """
    return os.environ.get("MLFLOW_LIME_DISABLE", "").strip().lower() in _TRUE


def default_source() -> str | None:
    """Return the configuration that is used where none is named; None for the defaults."""
    named = os.environ.get("MLFLOW_LIME_CONFIG")
    if named:
        return os.path.abspath(named)
    return os.path.abspath("lime.yaml") if os.path.isfile("lime.yaml") else None


class RunContext:
    """A provider of tags for runs, as MLflow wants it, which never has any.

    Examples
    --------
    >>> RunContext().in_context(), RunContext().tags()
    (False, {})
    """

    def in_context(self) -> bool:
        """Return that there is nothing to say about a run."""
        return False

    def tags(self) -> dict[str, str]:
        """Return no tags."""
        return {}


def _activate() -> None:
    """See the registrations of this process, where the environment asks for it."""
    asked = os.environ.get("MLFLOW_LIME_AUTOLOG", "").strip()
    if asked.lower() in _FALSE or is_disabled():
        return
    try:
        source = default_source() if asked.lower() in _TRUE else os.path.abspath(asked)
        from mlflow_lime.tracking.registration_hook import install_hook

        def first(registration: "Registration") -> Exception | None:
            # Later, because importing the rest takes longer than `import mlflow` may.
            from mlflow_lime.registration.autolog import take_over

            return take_over(source, registration)

        install_hook(first)
    except Exception as error:
        import logging

        logging.getLogger("mlflow_lime").warning(
            "mlflow-lime: MLFLOW_LIME_AUTOLOG has no effect: %s: %s",
            type(error).__name__,
            str(error)[:500],
        )


_activate()
