"""How much to sample, when to stop, what to fit: the choices of an explainer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.masks import DESIGNS, LAWS
from mlflow_lime.core.surrogate import SELECTIONS
from mlflow_lime.errors import DataError, did_you_mean

__all__ = ["Budget", "Fitting", "Pooling", "Sampling"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The neighbourhood of an instance.

    Attributes
    ----------
    design : str, default "auto"
        How masks and background levels are drawn; one of `mlflow_lime.core.masks.DESIGNS`, or
        the one that measurement recommends.
    law : str, default "auto"
        What the masks follow: ``"uniform_count"``, ``"bernoulli"``, or ``"local"``, which is
        ``"uniform_count"`` with more weight on few absent parts.
    rows : int, optional
        Rows of the first round, for an instance, or for the pool that instances share. The
        default depends on the representation.
    replicates : int, default 4
        Independent blocks that the rows are drawn in; intervals come from their spread.
    max_rows : int, optional
        Rows at which later rounds stop; by default four times `rows`.
    precision : float, default 0.2
        Rounds stop when every interval's half width is at most this share of the largest weight.
    kernel : Kernel, optional
        Weights of the rows; by default the one that measurement recommends.
    seed : int, default 0
        Together with the content of an instance it determines every random choice.
    """

    design: str = "auto"
    law: str = "auto"
    rows: int | None = None
    replicates: int = 4
    max_rows: int | None = None
    precision: float = 0.2
    kernel: Kernel | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("design", self.design, ("auto", *DESIGNS))
        _one_of("law", self.law, ("auto", "local", *LAWS))
        _at_least("replicates", self.replicates, 2)
        _at_least("rows", self.rows, self.replicates)
        _at_least("max_rows", self.max_rows, self.rows or self.replicates)


@dataclass(frozen=True, slots=True)
class Fitting:
    """The surrogate.

    Attributes
    ----------
    select : {"none", "highest_weights", "forward", "lasso_path"}
        How parts are chosen before the final fit.
    parts : int, default 10
        How many parts are chosen.
    penalty : float, default 1e-10
        Ridge penalty per unit of total kernel weight.
    confidence : float, default 0.95
        Coverage of the intervals.
    regressor : callable, optional
        Makes a scikit-learn regressor whose ``fit`` takes ``sample_weight``; used in place of the
        linear surrogate. A part's weight is then the change of its prediction at the instance when
        the part is taken away.
    permuted : bool, default False
        Whether a surrogate is also fitted to shuffled scores, which it must not be able to predict.
    """

    select: str = "none"
    parts: int = 10
    penalty: float = 1e-10
    confidence: float = 0.95
    regressor: Callable[[], Any] | None = None
    permuted: bool = False

    def __post_init__(self) -> None:
        _one_of("select", self.select, ("none", *SELECTIONS))
        _at_least("parts", self.parts, 1)
        if not 0 < self.confidence < 1:
            msg = f"confidence must be between 0 and 1, got {self.confidence!r}"
            raise DataError(msg)
        if self.penalty < 0:
            msg = f"penalty must not be negative, got {self.penalty!r}"
            raise DataError(msg)

    def selects(self, n_parts: int) -> bool:
        """Return whether the surrogate of an instance has fewer parts than the instance."""
        return self.select != "none" and self.parts < n_parts


@dataclass(frozen=True, slots=True)
class Budget:
    """Where the whole job stops asking the model, whatever the precision.

    Every instance still gets its first round; what is saved is further rounds. `seconds` also
    ends the job: instances that it leaves untouched are recorded as failed.

    Attributes
    ----------
    rows, calls : int, optional
        Rows predicted, and calls of the model.
    seconds : float, optional
        Wall time.
    """

    rows: int | None = None
    calls: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Pooling:
    """How rows of many instances go to the model together.

    Attributes
    ----------
    block_rows : int, optional
        Rows of one call; by default found by timing the first calls.
    block_bytes : int, default 64 MiB
        Size of the inputs of one call.
    deduplicate : bool, default True
        Whether equal rows are predicted once.
    """

    block_rows: int | None = None
    block_bytes: int = 2**26
    deduplicate: bool = True

    def __post_init__(self) -> None:
        _at_least("block_rows", self.block_rows, 1)
        _at_least("block_bytes", self.block_bytes, 1)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        hint = did_you_mean(value, known)
        msg = f"{name} must be one of {', '.join(known)}; got {value!r}.{hint}"
        raise DataError(msg)


def _at_least(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        msg = f"{name} must be at least {least}, got {value!r}"
        raise DataError(msg)
