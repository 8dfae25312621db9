"""Whether a statement could have come out otherwise: its answers for optimizers of another kind.

Every statement about a learned optimizer is also asked of nulls: one that was not trained, one whose training
ended early, and each tuned baseline cast as a component optimizer. Some of them satisfy a statement for a
known reason (momentum shifts its update function), most should not. A statement with the published
answer *separates* from the nulls that do not give it:

    yes       no null gives the published answer
    partly    some do
    no        all do: that the learned optimizer does, too, says nothing about learning

"unknown" is not the published answer: of an optimizer whose update does not answer to gradients, most of
the statements can't even be asked.
"""

from collections.abc import Iterable, Mapping

from lopt.claims.evidence import AbsentError, TaskResults, stand_in
from lopt.claims.registry import EARLY, Criterion
from lopt.records.evaluation import LEARNED

__all__ = ["SEPARATES", "null_answers", "null_names", "separates", "separates_from"]

SEPARATES = ("yes", "partly", "no")


def null_names(results: Iterable[TaskResults]) -> list[str]:
    """Return the nulls of any of the tasks, in the order of the columns."""
    return list(dict.fromkeys(name for task in results for name in task.nulls))


def null_answers(criterion: Criterion, results: TaskResults) -> dict[str, str]:
    """Return the answer of every null that the statement can be asked of.

    A statement about the optimizer whose training ended early is asked of the others in its place.
    """
    if LEARNED not in criterion.needs:
        return {}
    early = EARLY in criterion.needs
    seed = results.selected
    answers = {}
    for name in results.nulls:
        if early and name == EARLY:
            continue
        try:
            measured = criterion.measure(stand_in(results, name, early=early), seed)
        except AbsentError:
            answers[name] = "unknown"
        else:
            answers[name] = criterion.answer(measured)
    return answers


def separates_from(published: str, answers: Mapping[str, str]) -> list[str]:
    """Return the nulls that do not give the published answer; none where nothing is published."""
    return [name for name, answer in answers.items() if published and answer != published]


def separates(published: str, answers: Mapping[str, str]) -> str:
    """Return one of ``SEPARATES``, or nothing where there are no nulls or nothing is published.

    >>> separates("yes", {"untrained": "no", "momentum": "yes"}), separates("no", {"momentum": "no"})
    ('partly', 'no')
    """
    if not answers or not published:
        return ""
    other = len(separates_from(published, answers))
    return "yes" if other == len(answers) else "partly" if other else "no"
