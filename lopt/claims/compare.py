r"""Tolerance and verdict for every published value.

A number agrees when its error is within the tolerance

    error     = |log10(ours / published)|  or  |ours - published|, as the published value's row says
    tolerance = reading error + allowance + sampling
    sampling  = log10(1 + s)  or  s,    s = 2 sqrt(2) standard errors over problems
                                            (in decades: over the mean),

because the published mean is one over as many problems, and as uncertain, as ours. A bound
("<") only counts what exceeds it. A statement agrees when the answers are the same. Otherwise:

    scale too small   this scale trains, tunes or evaluates with less than the study (fewer units,
                      meta-steps, problems, ...: ``SIZES``, read from the two configurations) in what
                      the quantity rests on: the difference says nothing about the paper
    differs           it does not: this is a result
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lopt.claims.criteria import CRITERIA
from lopt.claims.measure import QUANTITIES, Measurement
from lopt.claims.results import TaskResults
from lopt.records.evaluation import LEARNED
from lopt.records.published import Published

__all__ = ["SIZES", "VERDICTS", "compare", "reductions", "tolerance", "verdict"]

VERDICTS = ("agrees", "differs", "scale too small")

SIZES: Mapping[str, tuple[str, ...]] = {
    "problem": (
        "problem.dimension",
        "problem.hidden_widths",
        "problem.points",
        "steps",
        "evaluation.problems",
    ),
    "tuned": ("tuning.samples", "tuning.problems"),
    "learned": (
        "optimizer.units",
        "meta_training.meta_steps",
        "meta_training.problems",
        "meta_training_problem.hidden_widths",
        "analysis.gradients.count",
    ),
}
"""The settings of a task that make a scale small, by what they are sizes of."""


def _look_up(settings: Mapping[str, Any], key: str) -> Any:
    for part in key.split("."):
        if not settings or part not in settings:
            return None
        settings = settings[part]
    return settings


def reductions(
    settings: Mapping[str, Any], reference: Mapping[str, Any], needs: Iterable[str]
) -> list[str]:
    """Return the sizes in which one task's ``settings`` are below ``reference``, in words.

    Args:
        settings: of one task at this scale.
        reference: of the same task in the study, before the scale's changes.
        needs: the optimizers that the quantity rests on ("learned" or a tuned one's name).

    >>> small, full = {"optimizer": {"units": 8}}, {"optimizer": {"units": 256}}
    >>> reductions(small, full, ["learned"])
    ['optimizer.units 8 < 256']
    >>> narrow = {"meta_training_problem": {"hidden_widths": [8]}}
    >>> reductions(narrow, {"problem": {"hidden_widths": [64, 64]}}, ["learned"])
    ['meta_training_problem.hidden_widths [8] < [64, 64]']
    """
    kinds = ["problem", *sorted({"learned" if need == LEARNED else "tuned" for need in needs})]
    found = []
    for key in (key for kind in kinds for key in SIZES[kind]):
        # What meta-training changes of a problem compares with the problem.
        ours = _look_up(settings, key)
        full = _look_up(reference, key.replace("meta_training_problem.", "problem."))
        if ours is None or full is None:
            continue
        if np.sum(ours) < np.sum(full):  # widths of layers: fewer or narrower
            found.append(f"{key} {ours} < {full}")
    return found


def tolerance(published: Published, ours: Measurement) -> float:
    """Return the largest error with which ``ours`` still agrees, in the units of the comparison."""
    sampling = 2.0 * math.sqrt(2.0) * ours.standard_error
    if not math.isfinite(sampling):
        sampling = 0.0  # of a mean that is not finite itself
    if published.comparison == "decades":
        # Upwards, where it is finite however heavy the tail of the problems is.
        sampling = math.log10(1.0 + sampling / ours.value) if ours.value > 0.0 else 0.0
    return published.reading_error + published.allowance + sampling


def _error(published: Published, ours: float) -> float:
    target = float(published.published)
    if published.comparison == "decades":
        error = math.log10(ours / target) if ours > 0.0 else -math.inf
    else:
        error = ours - target
    return max(error, 0.0) if published.relation == "<" else abs(error)


def verdict(agrees: bool, reduced: list[str]) -> str:
    """Return one of ``VERDICTS``."""
    return "agrees" if agrees else "scale too small" if reduced else "differs"


def compare(
    published: Iterable[Published],
    results: Mapping[str, TaskResults],
    settings: Mapping[str, Mapping[str, Any]],
    reference: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """Return the table of claims: a number a row, and a statement and seed a row.

    Values of tasks and tuned optimizers that ``results`` does not have are left out.

    Args:
        published: the values to compare with.
        results: by task.
        settings: this scale's settings, by task.
        reference: the study's settings, by task, which the paper's values belong to.
    """
    rows = []
    for value in published:
        task = results.get(value.task)
        if task is None:
            continue
        subject = (CRITERIA if value.comparison == "answer" else QUANTITIES)[value.quantity]
        if not set(subject.needs) <= {LEARNED, *task.learning_rates}:
            continue
        reduced = reductions(settings[value.task], reference[value.task], subject.needs)
        make = _statement_rows if value.comparison == "answer" else _number_rows
        rows += make(value, task, reduced)
    return pd.DataFrame(rows)


def _text(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.5g}"


def _row(value: Published, quantity: str, **facts: Any) -> dict[str, Any]:
    known = {"figure": value.figure, "task": value.task, "quantity": quantity}
    bound = "< " if value.relation == "<" else ""
    return known | {
        "published": bound + value.published,
        **facts,
        "comparison": value.comparison,
        "source": value.source,
        "reading": value.reading,
        "name": value.quantity,
        "at": _text(value.at),
    }


def _number_rows(value: Published, task: TaskResults, reduced: list[str]) -> list[dict[str, Any]]:
    quantity = QUANTITIES[value.quantity]
    learned = LEARNED in quantity.needs
    seeds = list(task.optimizers) if learned else [task.selected]
    measured = {seed: quantity.measure(task, seed, value.at) for seed in seeds}
    ours, all_seeds = measured[task.selected], np.array([m.value for m in measured.values()])
    limit = tolerance(value, ours)
    agrees = not math.isnan(ours.value) and _error(value, ours.value) <= limit
    finite = np.isfinite(all_seeds).all()
    spread = np.std(all_seeds, ddof=1) if learned and len(seeds) > 1 and finite else np.nan
    return [
        _row(
            value,
            quantity.text.format(at=value.at),
            ours=_text(ours.value),
            spread=_text(spread),
            tolerance=_text(limit),
            verdict=verdict(agrees, reduced),
            seed=str(task.selected) if learned else "",
            plotted="yes",
            mean=_text(np.mean(all_seeds) if finite else np.nan) if learned else "",
            seeds=str(len(seeds)) if learned else "",
            standard_error=_text(ours.standard_error) if ours.standard_error else "",
            measured="",
            criterion="",
            reduced="; ".join(reduced),
        )
    ]


def _statement_rows(
    value: Published, task: TaskResults, reduced: list[str]
) -> list[dict[str, Any]]:
    criterion = CRITERIA[value.quantity]
    others = sorted(seed for seed in task.optimizers if seed != task.selected)
    seeds = [task.selected] if criterion.of_all_seeds else [task.selected, *others]
    measured = {seed: criterion.measure(task, seed) for seed in seeds}
    answers = {seed: criterion.answer(number) for seed, number in measured.items()}
    agreeing = list(answers.values()).count("yes")
    return [
        _row(
            value,
            criterion.text,
            ours=answer,
            spread="" if criterion.of_all_seeds else f"yes for {agreeing} of {len(answers)}",
            tolerance=f"{criterion.sense} {criterion.threshold:g}",
            verdict=verdict(answer == value.published, reduced),
            seed="" if criterion.of_all_seeds else str(seed),
            plotted="yes" if seed == task.selected else "no",
            mean="",
            seeds="" if criterion.of_all_seeds else str(len(answers)),
            standard_error="",
            measured=_text(measured[seed]),
            criterion=criterion.stated,
            reduced="; ".join(reduced),
        )
        for seed, answer in answers.items()
    ]
