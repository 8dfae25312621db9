r"""How often every statement holds among the optimizers of a census, and what goes with it.

``measure`` asks all statements that can be asked of single optimizers (``lopt.claims.registry``) and
takes the numbers that the published ones are compared with; it is given their names and places, never
their values. ``shares`` counts. Of n optimizers of a kind k say yes; those whose training failed and
those of whom an answer is not known are among the n. The interval is Wilson's,

    (k/n + z^2/2n +- z sqrt(k(n-k)/n^3 + z^2/4n^2)) / (1 + z^2/n),      z = 1.96,

which stays within [0, 1] and is not empty at k = 0 or n. ``rank_correlations`` is Spearman's of a
statement's measured number, signed so that larger is more, with the meta-objective: negative where
optimizers with more of the mechanism are better. Of failed ones there is no number.

Source: Wilson 1927; the statements are those of arXiv 2011.02159.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import scipy.stats

from lopt.claims.evidence import AbsentError, TaskResults
from lopt.claims.measure import CRITERIA, QUANTITIES
from lopt.claims.performance import meta_objectives
from lopt.claims.registry import ABOVE, AT_LEAST, EARLY
from lopt.records.census import ANSWERS, FAILED
from lopt.records.evaluation import LEARNED
from lopt.records.published import Published
from lopt.records.stored import CENSUS, CENSUS_MEASURED

__all__ = [
    "NUMBER",
    "STATEMENT",
    "asked",
    "measure",
    "places",
    "rank_correlations",
    "shares",
    "wilson",
]

STATEMENT, NUMBER = "statement", "number"
OF_ALL = ("task", "variant", "family", "size", "recipe")  # facts of a whole variant
LEAST = 4  # optimizers that a rank correlation is of
KIND = ["task", "variant", "family", "size"]
Z = float(scipy.stats.norm.ppf(0.975))


def asked(optimizers: Iterable[str]) -> list[str]:
    """Return the statements that can be asked of one learned optimizer beside these tuned ones."""
    known = {LEARNED, *optimizers}
    return [
        name
        for name, criterion in CRITERIA.items()
        if LEARNED in criterion.needs and set(criterion.needs) <= known
    ]


def places(published: Iterable[Published], task: str) -> list[tuple[str, float]]:
    """Return (name, place) of the numbers of single learned optimizers that there is a published one of."""
    found = [
        (value.quantity, value.at)
        for value in published
        if value.task == task
        and value.comparison != "answer"
        and value.published
        and LEARNED in QUANTITIES[value.quantity].needs
        and EARLY not in QUANTITIES[value.quantity].needs
    ]
    return sorted(set(found), key=lambda place: (place[0], np.nan_to_num(place[1], nan=-1.0)))


def measure(
    results: TaskResults, members: Sequence[tuple[int, str]], numbers: Sequence[tuple[str, float]]
) -> pd.DataFrame:
    """Return what was measured of every optimizer of a variant, one thing a row.

    Args:
        results: of those that were trained.
        members: (seed, why its training failed or nothing) of all.
        numbers: (name, place) of what is measured beside the statements.
    """
    available = {LEARNED, *results.learning_rates}
    numbers = [(name, at) for name, at in numbers if set(QUANTITIES[name].needs) <= available]
    rows = []
    for seed, failure in members:
        objective = np.nan
        if not failure:
            with np.errstate(over="ignore", invalid="ignore"):
                objective = float(np.mean(meta_objectives(results, LEARNED, seed)))
        own = {"seed": seed, "meta_objective": objective}
        for name in asked(results.learning_rates):
            value, answer = np.nan, FAILED
            if not failure:
                value = _measured(lambda n=name, s=seed: CRITERIA[n].measure(results, s))
                answer = CRITERIA[name].answer(value)
            found = {"name": name, "at": np.nan, "measured": value, "answer": answer}
            rows.append(own | {"kind": STATEMENT} | found)
        for name, at in numbers:
            value = np.nan
            if not failure:
                value = _measured(
                    lambda n=name, s=seed, a=at: QUANTITIES[n].measure(results, s, a).value
                )
            found = {"name": name, "at": at, "measured": value, "answer": ""}
            rows.append(own | {"kind": NUMBER} | found)
    return pd.DataFrame(rows, columns=[name for name in CENSUS_MEASURED if name not in OF_ALL])


def _measured(measure) -> float:
    """Return what is measured; NaN of an optimizer that lacks what it is measured on."""
    try:
        with np.errstate(all="ignore"):
            return float(measure())
    except AbsentError:
        return np.nan


def wilson(yes: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    >>> [round(end, 3) for end in wilson(9, 12)], [round(end, 3) for end in wilson(0, 4)]
    ([0.468, 0.911], [0.0, 0.49])
    """
    if count < 1:
        return np.nan, np.nan
    share, z = yes / count, Z
    middle = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1.0 - share) / count + z**2 / (4 * count**2))
    low, high = (np.array([middle - half, middle + half]) / (1.0 + z**2 / count)).tolist()
    return max(low, 0.0) if yes else 0.0, min(high, 1.0) if yes < count else 1.0


def shares(measured: pd.DataFrame, published: Iterable[Published] = ()) -> pd.DataFrame:
    """Return the share of optimizers that say yes to each statement: per variant, and ``all`` of a task.

    Statements that nothing is known of are left out (no intervention was run on these optimizers).

    Args:
        measured: of all variants.
        published: for the column with the published answer.
    """
    answers = {
        (value.task, value.quantity): value.published
        for value in published
        if value.comparison == "answer"
    }
    statements = measured[measured["kind"] == STATEMENT]
    known = statements.groupby("name")["answer"].agg(lambda a: bool(a.isin(("yes", "no")).any()))
    statements = statements[statements["name"].map(known).astype(bool)]
    rows = []
    for kind, group in _kinds(statements):
        for name, found in group.groupby("name", sort=False):
            counts = found["answer"].value_counts()
            yes, count = int(counts.get("yes", 0)), len(found)
            low, high = wilson(yes, count)
            criterion = CRITERIA[name]
            rows.append(
                {
                    **kind,
                    "statement": name,
                    "question": criterion.text,
                    "optimizers": count,
                    **{answer: int(counts.get(answer, 0)) for answer in ANSWERS},
                    "share": yes / count,
                    "low": low,
                    "high": high,
                    "published": answers.get((kind["task"], name), ""),
                    "criterion": criterion.stated,
                    "sense": criterion.sense,
                    "threshold": criterion.threshold,
                }
            )
    return pd.DataFrame(rows, columns=list(CENSUS))


def rank_correlations(measured: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's rank correlation of each statement's number with the meta-objective.

    The number is signed so that larger is more of what is stated. Of fewer than four optimizers, or where one
    of the two does not vary, there is none. ``p_value`` is that of no correlation. Statements that compare
    the optimizer with tuned ones are left out: what they measure is the objective, and no mechanism.
    """
    statements = measured[measured["kind"] == STATEMENT]
    alone = [name for name in statements["name"].unique() if CRITERIA[name].needs == (LEARNED,)]
    statements = statements[statements["name"].isin(alone)]
    rows = []
    for kind, group in _kinds(statements):
        for name, found in group.groupby("name", sort=False):
            sign = 1.0 if CRITERIA[name].sense in (AT_LEAST, ABOVE) else -1.0
            strength = sign * found["measured"].to_numpy(float)
            objective = found["meta_objective"].to_numpy(float)
            known = ~(np.isnan(strength) | np.isnan(objective))
            pair = strength[known], objective[known]
            if known.sum() < LEAST or any(len(np.unique(each)) < 2 for each in pair):
                continue
            correlation, p_value = np.asarray(scipy.stats.spearmanr(*pair), np.float64)
            rows.append(
                {
                    **kind,
                    "statement": name,
                    "optimizers": int(known.sum()),
                    "rank_correlation": float(correlation),
                    "p_value": float(p_value),
                }
            )
    columns = [*KIND, "statement", "optimizers", "rank_correlation", "p_value"]
    return pd.DataFrame(rows, columns=columns)


def _kinds(table: pd.DataFrame):
    """Yield (what it is, its rows) of every variant, and of all variants of a task where there are
    several."""
    for task, of_task in table.groupby("task", sort=False):
        groups = list(of_task.groupby(KIND, sort=False))
        for values, group in groups:
            yield dict(zip(KIND, values, strict=True)), group
        if len(groups) > 1:
            yield {"task": task, "variant": "all", "family": "all", "size": ""}, of_task
