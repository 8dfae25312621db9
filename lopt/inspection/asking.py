"""What a question is: one measured number, a criterion with two thresholds, and the evidence for it.

    @question("drift", "Does ...?", "the size of ...", yes=0.1, no=0.01)
    def _drift(evidence: Evidence) -> Found:            measures, and says in words what was found

    QUESTIONS["drift"].answer(0.5)                      yes, no, or can't tell

What is asked, and how it is measured: ``lopt.inspection.questions``.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lopt.claims.evidence import AbsentError, OptimizerResults, TaskResults, absent
from lopt.claims.measure import CRITERIA

__all__ = [
    "CANNOT_TELL",
    "NO",
    "QUESTIONS",
    "YES",
    "Answer",
    "Evidence",
    "Found",
    "Question",
    "question",
]

YES, NO, CANNOT_TELL = "yes", "no", "can't tell"


class Evidence(NamedTuple):
    """What questions are answered from; stages that are missing raise ``AbsentError`` when they are asked."""

    results: OptimizerResults
    impulses: Float[np.ndarray, "2 steps"] | None
    """Responses to a typical gradient of either sign at the convergence point, as learning rates; None
    where there are no responses."""
    run_rates: Float[np.ndarray, " steps"] | None
    """Effective learning rate along the run without gradients, iterations being real."""
    reads_parameter: bool | None
    """Whether the update depends on the parameter (None: not known)."""
    lost: int = 0
    """How many runs there were, if all of them became non-finite."""
    trained_on: Mapping[str, float] | None = None
    """The smallest and the largest |g| of its training; None if nothing says, or there was none."""

    def responses_to_impulses(self) -> Float[np.ndarray, "2 steps"]:
        """Return ``impulses``; raise ``AbsentError`` where there are none."""
        if self.impulses is None:
            raise AbsentError("there are no responses")
        return self.impulses

    def measured(self, criterion: str) -> float:
        """Return the number that one of the study's criteria is about."""
        task = TaskResults(absent("evaluation"), {}, {0: self.results}, 0)
        return CRITERIA[criterion].measure(task, 0)


class Answer(NamedTuple):
    """One question and what was found."""

    name: str
    question: str
    answer: str
    """yes, no, or can't tell."""
    sentence: str
    """What was found, with numbers; of "can't tell", why."""
    criterion: str
    measured: float
    """NaN where the number does not exist."""


class Found(NamedTuple):
    """A measured number, what it says, and, if it says nothing, why."""

    measured: float
    sentence: str
    doubt: str = ""


class Question(NamedTuple):
    """A question; ``yes`` and ``no`` are the numbers at which these answers begin, going outward."""

    text: str
    number: str
    yes: float
    no: float
    measure: Callable[[Evidence], Found]

    @property
    def criterion(self) -> str:
        """The criterion in words."""
        more = self.yes > self.no
        first, second = ("at least", "at most") if more else ("at most", "at least")
        return f"yes if {self.number} is {first} {self.yes:g}, no if {second} {self.no:g}"

    def answer(self, measured: float) -> str:
        """Return yes, no, or can't tell for a number.

        >>> asked = Question("Does it have momentum?", "the share", 0.5, 0.1, lambda evidence: Found(0.9, ""))
        >>> asked.answer(0.9), asked.answer(0.3)
        ('yes', "can't tell")
        """
        sign = 1.0 if self.yes > self.no else -1.0
        if sign * measured >= sign * self.yes:
            return YES
        return NO if sign * measured <= sign * self.no else CANNOT_TELL


_QUESTIONS: dict[str, Question] = {}
QUESTIONS: Mapping[str, Question] = _QUESTIONS
"""What is asked, by name, in order."""


def question(name: str, text: str, number: str, yes: float, no: float) -> Callable:
    """Enter what measures it as the question called ``name``; the other arguments are ``Question``'s."""

    def enter(measure: Callable[[Evidence], Found]) -> Callable:
        _QUESTIONS[name] = Question(text, number, yes, no, measure)
        return measure

    return enter
