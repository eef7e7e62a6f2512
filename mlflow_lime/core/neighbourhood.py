"""Which rows are drawn around an instance, round by round, and how they count."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlflow_lime.core.blocks import MaskBlock, joined
from mlflow_lime.core.count_columns import choose_count_order, count_columns
from mlflow_lime.core.domain import Domain, Subject
from mlflow_lime.core.drawn import N_DESIGNS, Drawn, DrawnBlock, Remembered
from mlflow_lime.core.kernel import Kernel
from mlflow_lime.core.level_columns import choose_order, level_columns
from mlflow_lime.core.masks import (
    LOCAL_WIDTH,
    choose_design,
    count_weights,
    enumerate_masks,
    mask_block,
)
from mlflow_lime.core.moments import Rows
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.seeds import design_seed, instance_order, instance_seed

__all__ = ["Neighbourhood"]


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """What the options leave open, decided for each instance.

    Attributes
    ----------
    domain : Domain
        What the instances are.
    sampling : Sampling
        What was asked for.
    remembered : Remembered
        Designs that several instances take.
    """

    domain: Domain
    sampling: Sampling
    remembered: Remembered = field(default_factory=Remembered)

    def law(self) -> tuple[str, float | None]:
        """Return the law of the masks, and the width that makes it local."""
        chosen = self.sampling
        if chosen.law == "local":
            return "uniform_count", LOCAL_WIDTH
        if chosen.law != "auto":
            return chosen.law, None
        if chosen.design == "orthogonal":
            return "bernoulli", None
        # A kernel of the user's own says what is local.
        return self.domain.default_law() if chosen.kernel is None else ("uniform_count", None)

    def design(self, subject: Subject) -> str:
        """Return how masks and background levels are drawn."""
        if self.sampling.design != "auto":
            return self.sampling.design
        return choose_design(
            self.law()[0],
            n_parts=self._n_masked(subject),
            n_draws=subject.n_draws,
            n_rows=self._block_rows(subject),
            n_replicates=self.sampling.replicates,
        )

    def is_exact(self, subject: Subject) -> bool:
        """Return whether every mask is evaluated and nothing else is random."""
        return self.design(subject) == "exact" and self.domain.masked and subject.n_draws == 0

    def kernel(self, subject: Subject) -> Kernel:
        """Return how rows count by their distance from the instance."""
        return self.sampling.kernel or self.domain.default_kernel(subject)

    # Rounds: each one doubles the rows, by blocks of the same size as the first.

    def first_rows(self, subject: Subject) -> int:
        """Return the rows of the first round, as they are asked for."""
        rows = self.sampling.rows or self.domain.default_rows(subject)
        return min(rows, self.sampling.max_rows or rows)

    def round_rows(self, subject: Subject, round_: int) -> int:
        """Return the rows that a round adds."""
        if self.is_exact(subject):
            return 1 << subject.n_active
        first = self._block_rows(subject) * self.sampling.replicates
        return first * len(_blocks_of(round_))

    def last_round(self, subject: Subject) -> int:
        """Return the number of the last round that the limit of rows allows."""
        if self.is_exact(subject):
            return 0
        rows = self._block_rows(subject) * self.sampling.replicates
        most = self.sampling.max_rows or 4 * self.first_rows(subject)
        return max(0, (most // rows).bit_length() - 1)

    def drawn(self, subject: Subject) -> Drawn:
        """Return the design that an instance takes: one of a few, or one of its own."""
        if not self._shares(subject):
            return Drawn(partial(self._draw, subject, self.seed(subject)), shared=False)
        number = int(subject.digest[:8], 16) % N_DESIGNS if self._orders(subject) else 0
        kernel, n_rows = self.kernel(subject), self.first_rows(subject)

        def make() -> Drawn:
            seed = design_seed(self.sampling.seed, number)
            # What a design is drawn from holds nothing of the instance that came first.
            around = Neighbourhood(self.domain, replace(self.sampling, rows=n_rows))
            bare = replace(subject, parts=(), names=(), content=None, notes=(), shown=(), facts={})
            return Drawn(partial(around._draw, bare, seed), shared=True)

        return self.remembered.get(
            (subject.n_active, subject.n_draws, n_rows, kernel, number), make
        )

    def order(self, subject: Subject) -> NDArray[np.intp] | None:
        """Return the place in the design of each part, shape (n_active,); None for its own."""
        if not self._orders(subject):
            return None
        return instance_order(self.sampling.seed, subject.digest, subject.n_active)

    def blocks(self, subject: Subject, round_: int) -> Iterator[tuple[int, MaskBlock]]:
        """Yield the number of each replicate, and what a round adds to it."""
        order = self.order(subject)
        for drawn in self.drawn(subject).round(round_):
            yield drawn.replicate, drawn.block.reordered(order)

    def _shares(self, subject: Subject) -> bool:
        """Return whether the parts of an instance can stand at any place of a design."""
        alike = subject.owners is None and subject.n_draws in (0, subject.n_active)
        return self.domain.masked and alike

    def _orders(self, subject: Subject) -> bool:
        """Return whether the parts of an instance stand in an order of its own."""
        return self._shares(subject) and not self.is_exact(subject)

    def _draw(
        self, subject: Subject, seed: np.random.SeedSequence, round_: int
    ) -> list[DrawnBlock]:
        """Draw what a round adds to each replicate."""
        law, width = self.law()
        if self.is_exact(subject):
            masks = enumerate_masks(subject.n_active)
            levels = np.zeros((len(masks), 0), dtype=np.uint16)
            weights = count_weights(law, subject.n_active, width)[masks.sum(axis=1, dtype=np.intp)]
            block = MaskBlock(masks, levels, weights, distinct=True)
            return [DrawnBlock(0, block, self._rows(subject, block))]
        design, found = self.design(subject), []
        for replicate in range(self.sampling.replicates):
            pieces = [
                mask_block(
                    design,
                    law=law,
                    width=width if self.domain.masked else None,
                    n_parts=self._n_masked(subject),
                    n_draws=subject.n_draws,
                    n_rows=self._block_rows(subject),
                    seed=seed,
                    replicate=replicate,
                    round_=number,
                )
                for number in _blocks_of(round_)
            ]
            block = joined(pieces)
            found.append(DrawnBlock(replicate, block, self._rows(subject, block)))
        return found

    def _rows(self, subject: Subject, block: MaskBlock) -> Rows | None:
        """Return a block as the surrogate sees it, where that is its masks."""
        if not self.domain.masked:
            return None
        weights = self.kernel(subject).weights(block.masks, np.ones(subject.n_active))
        nuisance = self._nuisance(subject, block)
        return Rows(block.masks, weights * block.weights, nuisance, kept=self._shares(subject))

    def _nuisance(self, subject: Subject, block: MaskBlock) -> NDArray[Any] | None:
        """Return columns that take out noise, where rows can bear them.

        It is that of the background values, or, where these are fixed, of the number of parts kept.
        """
        if subject.n_draws == 0:
            return self._count_columns(subject, block)
        if subject.owners is None and subject.n_draws != subject.n_active:
            return None
        order = choose_order(
            n_parts=subject.n_active, n_draws=subject.n_draws, n_rows=self.first_rows(subject)
        )
        if not order:
            return None
        return level_columns(block.masks, block.levels, order=order, owners=subject.owners)

    def _count_columns(self, subject: Subject, block: MaskBlock) -> NDArray[Any] | None:
        law, width = self.law()
        # Under a kernel the columns would no longer be orthogonal to the masks; and the arrays of
        # the other law leave nothing for them.
        if law != "uniform_count" or self.is_exact(subject) or not self.kernel(subject).uniform:
            return None
        order = choose_count_order(n_parts=subject.n_active, n_rows=self.first_rows(subject))
        return count_columns(block.masks, law=law, width=width, order=order) if order else None

    def recipe(self, subject: Subject) -> dict[str, Any]:
        """Return every choice that determines the rows and their weights, as JSON values."""
        law, width = self.law()
        kernel = self.kernel(subject)
        return {
            **self.domain.recipe(),
            **subject.facts,
            "design": self.design(subject),
            "law": law if self.domain.masked else "background",
            "width": width if self.domain.masked else None,
            "rows": self.first_rows(subject),
            "replicates": self.sampling.replicates,
            "designs": N_DESIGNS if self._orders(subject) else None,
            "precision": self.sampling.precision,
            "kernel": {
                "width": kernel.width,
                "distance": kernel.distance,
                "function": getattr(kernel.function, "__qualname__", None),
            },
        }

    def _n_masked(self, subject: Subject) -> int:
        return subject.n_active if self.domain.masked else 0

    def _block_rows(self, subject: Subject) -> int:
        return self.first_rows(subject) // self.sampling.replicates

    def seed(self, subject: Subject) -> np.random.SeedSequence:
        """Return the seed of an instance, from its content alone; one for all in a pool."""
        if self.domain.shared:
            return np.random.SeedSequence([self.sampling.seed])
        return instance_seed(self.sampling.seed, subject.digest)


def _blocks_of(round_: int) -> range:
    """Return the numbers of the blocks that a round adds to each replicate."""
    return range(2**round_ // 2, 2**round_)
