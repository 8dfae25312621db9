r"""What can be measured on a task's results, by name: numbers and statements.

A ``Quantity`` is a function of a task's results, a seed of the learned optimizer and a place ``at`` (an
iteration, a gradient, a loss; NaN where there is none). NaN as a value says that it does not exist in
these results: the run was shorter, the gradients don't reach so far, the curves don't cross.

A ``Criterion`` is a statement of the paper as a yes/no question: one measured number per optimizer, and where
yes begins. Thresholds were set before any optimizer was looked at; they and the measured
numbers stand in the table, so that a reader can set others. NaN answers "unknown".

Both are given the name of a quantity and the place where to take it, never the published answer. The
modules of single figures enter theirs with the decorators ``quantity`` and ``criterion``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lopt.claims.evidence import TaskResults
from lopt.records.evaluation import LEARNED

__all__ = [
    "ABOVE",
    "AT_LEAST",
    "AT_MOST",
    "BASELINE_NAMES",
    "BELOW",
    "CRITERIA",
    "EARLY",
    "QUANTITIES",
    "Criterion",
    "Measurement",
    "Quantity",
    "criterion",
    "quantity",
]

BASELINE_NAMES = {"momentum": "momentum", "rmsprop": "RMSProp", "adam": "Adam"}
EARLY = "early"
"""What a quantity needs that is about the optimizer whose training ended early."""

AT_LEAST, AT_MOST, ABOVE, BELOW = "at least", "at most", "above", "below"
HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    AT_LEAST: lambda measured, threshold: measured >= threshold,
    AT_MOST: lambda measured, threshold: measured <= threshold,
    ABOVE: lambda measured, threshold: measured > threshold,
    BELOW: lambda measured, threshold: measured < threshold,
}


class Measurement(NamedTuple):
    """A number and how well its problems determine it.

    ``standard_error`` is a robust one over problems (0 where no problem is drawn), and ``center`` the
    robust mean that it belongs to: ``lopt.claims.sampling``.
    """

    value: float
    standard_error: float = 0.0
    center: float = np.nan


@dataclass(frozen=True)
class Quantity:
    """A named number: what it is called, which optimizers it needs, how it is measured.

    ``text`` is a template of ``at``; ``needs`` lists "learned", "early" and the tuned optimizers by name.
    """

    text: str
    needs: tuple[str, ...]
    measure: Callable[[TaskResults, int, float], Measurement]


@dataclass(frozen=True)
class Criterion:
    """A question, the number that answers it, and where yes begins.

    ``number`` says in words what ``measure(results, seed)`` returns; ``needs`` is as in ``Quantity``.
    """

    text: str
    number: str
    sense: str
    threshold: float
    needs: tuple[str, ...]
    measure: Callable[[TaskResults, int], float]

    @property
    def of_all_seeds(self) -> bool:
        """Whether the answer is one for the task as a whole: no plotted optimizer takes part."""
        return LEARNED not in self.needs or EARLY in self.needs

    @property
    def stated(self) -> str:
        """The criterion in words."""
        return f"yes if {self.number} is {self.sense} {self.threshold:g}"

    def answer(self, measured: float) -> str:
        """Return "yes", "no", or "unknown" for NaN."""
        if np.isnan(measured):
            return "unknown"
        return "yes" if HOLDS[self.sense](measured, self.threshold) else "no"


_QUANTITIES: dict[str, Quantity] = {}
QUANTITIES: Mapping[str, Quantity] = _QUANTITIES
"""Every number that can be asked for, by name; complete once ``lopt.claims.measure`` is imported."""
_CRITERIA: dict[str, Criterion] = {}
CRITERIA: Mapping[str, Criterion] = _CRITERIA
"""Every question that can be asked, by name; complete once ``lopt.claims.measure`` is imported."""


def quantity(name: str, text: str, needs: tuple[str, ...] = (LEARNED,)) -> Callable:
    """Return a decorator that enters a function into ``QUANTITIES``; a bare float gets no error."""

    def enter(measure: Callable[[TaskResults, int, float], Measurement | float]) -> Callable:
        def measured(results: TaskResults, seed: int, at: float) -> Measurement:
            value = measure(results, seed, at)
            return value if isinstance(value, Measurement) else Measurement(float(value))

        _QUANTITIES[name] = Quantity(text, needs, measured)
        return measure

    return enter


def criterion(
    name: str,
    text: str,
    number: str,
    sense: str,
    threshold: float,
    needs: tuple[str, ...] = (LEARNED,),
) -> Callable:
    """Return a decorator that enters a measuring function into ``CRITERIA``."""

    def enter(measure: Callable[[TaskResults, int], float]) -> Callable:
        _CRITERIA[name] = Criterion(text, number, sense, threshold, needs, measure)
        return measure

    return enter
