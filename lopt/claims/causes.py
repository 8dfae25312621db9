"""Figures 6 and 7: what each mechanism is worth, and where the optimizer is stable.

The paper has none of it: these rows have no published value. The measurements are the learned optimizer's
own; of a null, which no intervention was run on, they are not known.
"""

import numpy as np

from lopt.claims.evidence import TaskResults
from lopt.claims.registry import ABOVE, AT_LEAST, AT_MOST, Measurement, criterion, quantity
from lopt.records.evaluation import LEARNED
from lopt.records.interventions import INTACT

__all__: list[str] = []

REMOVED = {
    "no_schedule": "without its schedule",
    "no_clipping": "without clipping",
    "no_adaptation": "without adaptation",
    "linear": "linearized",
    "no_memory": "without memory",
    "no_drift": "without its drift",
}


def _entry(results: TaskResults, seed: int, name: str, column: str) -> float:
    """Return one number of the table of interventions, NaN where there is none."""
    table = results.interventions
    if table is None:
        return np.nan
    found = table[(table["optimizer"] == name) & (table["seed"] == seed)]
    return float(found[column].iloc[0]) if len(found) else np.nan


def _enter(name: str, words: str) -> None:
    """Enter what removing one mechanism costs, and on how many problems it diverges."""

    @quantity(f"cost_{name}", f"meta-objective {words}, over the intact optimizer's")
    def cost(results: TaskResults, seed: int, at: float) -> Measurement:
        error = _entry(results, seed, name, "cost_se")
        return Measurement(
            _entry(results, seed, name, "cost"), error if np.isfinite(error) else 0.0
        )

    @quantity(f"diverged_{name}", f"share of the problems that diverge {words}")
    def diverged(results: TaskResults, seed: int, at: float) -> float:
        count = _entry(results, seed, name, "diverged")
        return count / _entry(results, seed, name, "problems")


for _name, _words in REMOVED.items():
    _enter(_name, _words)


@criterion(
    "lead_needs_nonlinearity",
    "linearized, the optimizer loses its lead over the best tuned baseline",
    "its meta-objective linearized over the best baseline's",
    AT_LEAST,
    1.0,
)
def _linear_over_baseline(results: TaskResults, seed: int) -> float:
    table = results.interventions
    if table is None:
        return np.nan
    baselines = table[(table["kind"] == "baseline") & (table["seed"] == seed)]["meta_objective"]
    best = float(baselines.min())
    if not _entry(results, seed, INTACT, "meta_objective") < best:
        return np.nan  # there is no lead to lose
    return _entry(results, seed, "linear", "meta_objective") / best


@criterion(
    "clipping_prevents_divergence",
    "without clipping some problems diverge or end no better than they began",
    "the share of the problems on which they do, though the intact optimizer does not",
    ABOVE,
    0.0,
)
def _broken_without_clipping(results: TaskResults, seed: int) -> float:
    return _entry(results, seed, "no_clipping", "broken") / _entry(
        results, seed, "no_clipping", "problems"
    )


@criterion(
    "drift_costs_nothing",
    "the drift costs nothing measurable over a run",
    "|the paired difference of the meta-objectives without it| in standard errors",
    AT_MOST,
    2.0,
)
def _drift_score(results: TaskResults, seed: int) -> float:
    if _entry(results, seed, "no_drift", "problems") < 2.0:
        return np.nan  # one problem says nothing of the error over problems
    difference = np.float64(_entry(results, seed, "no_drift", "difference"))
    if np.isinf(difference):
        return np.inf  # runs diverge without it
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.abs(difference) / _entry(results, seed, "no_drift", "difference_se"))


@criterion(
    "stable_at_the_tasks_curvatures",
    "close to the convergence point the optimizer is stable at the curvatures that the task has",
    "the share of the positive curvatures along test runs at which it is",
    AT_LEAST,
    0.99,
)
def _stable_share(results: TaskResults, seed: int) -> float:
    record = results.stability
    if record is None:
        return np.nan
    (rows,) = np.nonzero((record.optimizers == LEARNED) & (record.seeds == seed))
    positive = record.met_curvatures > 0.0
    if not rows.size or not positive.any():
        return np.nan
    met, weights = record.met_curvatures[positive], record.met_weights[positive]
    rates = np.interp(np.log(met), np.log(record.curvatures), record.rates[rows[0]])
    # Between two curvatures of the grid the limit itself is known.
    stable = (rates < 1.0) | (met < record.stable_up_to[rows[0]])
    return float(weights[stable].sum() / weights.sum())


@quantity("stable_up_to", "largest curvature below which the optimizer is stable")
def _stable_up_to(results: TaskResults, seed: int, at: float) -> float:
    record = results.stability
    if record is None:
        return np.nan
    (rows,) = np.nonzero((record.optimizers == LEARNED) & (record.seeds == seed))
    return float(record.stable_up_to[rows[0]]) if rows.size else np.nan


@quantity(
    "distilled_share",
    "share of the lead over the best baseline that a hand-written optimizer recovers, its numbers read off",
)
def _distilled_share(results: TaskResults, seed: int, at: float) -> Measurement:
    table = results.distilled
    if table is None:
        return Measurement(np.nan)
    found = table[(table["seed"] == seed) & (table["numbers"] == "read off")]
    if not len(found):
        return Measurement(np.nan)
    error = float(found["share_se"].iloc[0])
    return Measurement(float(found["share"].iloc[0]), error if np.isfinite(error) else 0.0)
