"""The table of claims: every published value beside ours, with what decides the verdict in columns.

One row per number, and per statement and training seed. Errors, tolerances and verdicts are those of
``lopt.claims.verdicts``; ``smaller`` says what this scale has less of than the study
(``lopt.claims.sizes``) and changes no verdict; ``allowance_from`` says whether the allowance is the spread of
our ``seeds``, of repeated ``searches``, or was set ``by hand``, ``draw_...`` where the published number falls
among our seeds (``lopt.claims.draws``); ``null_*`` and
``separates`` are explained in ``lopt.claims.power``; which rows count, and once per what, in
``lopt.claims.summary``. All cells are texts.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lopt.claims.draws import interval, place, spread
from lopt.claims.evidence import TaskResults
from lopt.claims.measure import CRITERIA, QUANTITIES
from lopt.claims.power import null_answers, null_names, separates, separates_from
from lopt.claims.registry import EARLY, Measurement
from lopt.claims.sizes import Sizes, smaller, stated_sizes
from lopt.claims.verdicts import answer_verdict, sampling_error, signed_error, tolerance, verdict
from lopt.records.evaluation import LEARNED
from lopt.records.published import Published
from lopt.records.search_spreads import search_spreads

__all__ = ["COLUMNS", "compare"]

COLUMNS = (
    *("figure", "task", "quantity", "published", "ours", "spread", "tolerance", "verdict"),
    *("error", "smaller", "counted", "mark", "at_half_allowance", "at_no_allowance"),
    *("separates", "separates_from"),
    *("item", "seed", "plotted", "mean", "seeds", "measured", "criterion"),
    *("comparison", "better", "reading_error", "allowance", "allowance_from", "sampling"),
    *("draw_low", "draw_high", "draw_place"),
    *("source", "reading", "name", "at"),
)
"""Of every table; those of the nulls follow."""


def compare(
    published: Iterable[Published],
    results: Mapping[str, TaskResults],
    settings: Mapping[str, Mapping[str, Any]],
    reference: Mapping[str, Mapping[str, Any]],
    sizes: Sizes | None = None,
) -> pd.DataFrame:
    """Return the table of claims.

    Values of tasks and optimizers that ``results`` does not have are left out.

    Args:
        published: the values to compare with.
        results: by task.
        settings: this scale's settings, by task.
        reference: the study's settings, by task, which the paper's values belong to.
        sizes: which settings are sizes (default: what the files of tasks and families state).
    """
    rows, sizes = [], stated_sizes() if sizes is None else sizes
    for value in published:
        task = results.get(value.task)
        if task is None:
            continue
        subject = (CRITERIA if value.comparison == "answer" else QUANTITIES)[value.quantity]
        available = {LEARNED, *task.learning_rates, *([EARLY] if task.early else [])}
        if not set(subject.needs) <= available:
            continue
        less = smaller(
            value.task, settings[value.task], reference[value.task], subject.needs, sizes
        )
        make = _statement_rows if value.comparison == "answer" else _number_rows
        rows += [_row(value, row | {"smaller": "; ".join(less)}) for row in make(value, task)]
    columns = [*COLUMNS, *(f"null_{name}" for name in null_names(results.values()))]
    return pd.DataFrame(
        [[row.get(column, "") for column in columns] for row in rows], columns=columns
    )


def _text(number: float | np.floating[Any]) -> str:
    return "" if math.isnan(number) else f"{number:.5g}"


def _row(value: Published, facts: dict[str, str]) -> dict[str, str]:
    """Return one row of the table; columns that it does not have stay empty."""
    bound = "< " if value.relation == "<" else ""
    counts = value.published and not value.mark and facts["plotted"] == "yes"
    return {
        "figure": value.figure,
        "task": value.task,
        "published": bound + value.published,
        "counted": "yes" if counts else "no",
        "mark": value.mark,
        "item": value.item,
        "comparison": value.comparison,
        "better": value.better,
        "source": value.source,
        "reading": value.reading,
        "name": value.quantity,
        "at": _text(value.at),
    } | facts


def _number_rows(value: Published, task: TaskResults) -> list[dict[str, str]]:
    quantity = QUANTITIES[value.quantity]
    learned = LEARNED in quantity.needs
    seeds = list(task.optimizers) if learned else [task.selected]
    measured = {seed: quantity.measure(task, seed, value.at) for seed in seeds}
    ours, all_seeds = measured[task.selected], np.array([m.value for m in measured.values()])
    finite = np.isfinite(all_seeds).all()
    spread = np.std(all_seeds, ddof=1) if learned and len(seeds) > 1 and finite else np.nan
    row = {
        "quantity": quantity.text.format(at=value.at),
        "ours": _text(ours.value),
        "spread": _text(spread),
        "seed": str(task.selected) if learned else "",
        "plotted": "yes",
        "mean": _text(np.mean(all_seeds) if finite else np.nan) if learned else "",
        "seeds": str(len(seeds)) if learned else "",
    }
    if not value.published:
        return [row]
    draws = all_seeds if learned else np.empty(0)
    return [row | _judged(value, ours, *_allowance(value, draws)) | _as_a_draw(value, draws)]


def _as_a_draw(value: Published, seeds: np.ndarray) -> dict[str, str]:
    """Return the 95 % interval of one more seed of ours, and where the published number falls."""
    low, high = interval(seeds, value.comparison)
    if math.isnan(low):
        return {}
    return {"draw_low": _text(low), "draw_high": _text(high), "draw_place": place(value, low, high)}


def _allowance(value: Published, seeds: np.ndarray) -> tuple[float, str]:
    """Return what another training or search may differ by, and what says so.

    The spread of this scale's own seeds where there are three or more; of a tuned optimizer that of repeated
    searches, where they were measured; else what was set by hand.
    """
    if not math.isnan(measured := spread(seeds, value.comparison)):
        return measured, "seeds"
    at = -1.0 if math.isnan(value.at) else value.at
    searched = search_spreads().get((value.task, value.quantity, at, value.comparison))
    if searched is not None:
        return searched, "searches"
    return value.allowance, "by hand"


def _judged(value: Published, ours: Measurement, allowance: float, origin: str) -> dict[str, str]:
    error, sampling = signed_error(value, ours.value), sampling_error(value.comparison, ours)
    limits = {
        share: tolerance(value.reading_error, share * allowance, sampling)
        for share in (1.0, 0.5, 0.0)
    }
    verdicts = {share: verdict(error, limit, value.better) for share, limit in limits.items()}
    return {
        "tolerance": _text(limits[1.0]),
        "verdict": verdicts[1.0],
        "error": _text(error),
        "at_half_allowance": verdicts[0.5],
        "at_no_allowance": verdicts[0.0],
        "reading_error": _text(value.reading_error),
        "allowance": _text(allowance),
        "allowance_from": origin,
        "sampling": _text(sampling),
    }


def _statement_rows(value: Published, task: TaskResults) -> list[dict[str, str]]:
    criterion = CRITERIA[value.quantity]
    others = sorted(seed for seed in task.optimizers if seed != task.selected)
    seeds = [task.selected] if criterion.of_all_seeds else [task.selected, *others]
    measured = {seed: criterion.measure(task, seed) for seed in seeds}
    answers = {seed: criterion.answer(number) for seed, number in measured.items()}
    agreeing = list(answers.values()).count("yes")
    nulls = null_answers(criterion, task)
    rows = []
    for seed, answer in answers.items():
        found = answer_verdict(value.published, answer, value.better) if value.published else ""
        rows.append(
            {
                "quantity": criterion.text,
                "ours": answer,
                "spread": "" if criterion.of_all_seeds else f"yes for {agreeing} of {len(answers)}",
                "tolerance": f"{criterion.sense} {criterion.threshold:g}",
                "verdict": found,
                # A statement has no allowance.
                "at_half_allowance": found,
                "at_no_allowance": found,
                "separates": separates(value.published, nulls),
                "separates_from": ", ".join(separates_from(value.published, nulls)),
                "seed": "" if criterion.of_all_seeds else str(seed),
                "plotted": "yes" if seed == task.selected else "no",
                "seeds": "" if criterion.of_all_seeds else str(len(answers)),
                "measured": _text(measured[seed]),
                "criterion": criterion.stated,
                **{f"null_{name}": found for name, found in nulls.items()},
            }
        )
    return rows
