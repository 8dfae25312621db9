r"""What an intervention costs: meta-objective, final loss and paired difference, problem by problem.

With m_p = mean_k f_p(x_k) / f_p(x_0) of an intervention and m_p^0 of the intact optimizer on that problem,

    difference = mean_p (m_p - m_p^0),       its standard error that of the mean over problems,
    cost       = mean_p m_p / mean_p m_p^0,  its standard error that of mean_p (m_p - cost m_p^0) / mean m^0.

A run that diverged (``lopt.evaluation``) has m_p = infinity: means over problems with one are infinite, the
count says how many, and the median over problems of m_p / m_p^0 stays a number (over those on which not both
diverge). Where the intact optimizer diverges on a problem there is no cost. An intervention *breaks* a
problem if its run diverges or does no better than standing still (m_p >= 1) where the intact run does.

NumPy only: figures and tables read what this makes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from jaxtyping import Bool, Float

from lopt.evaluation import diverged_runs
from lopt.records.evaluation import LEARNED, Evaluation
from lopt.records.interventions import INTACT, InterventionRuns

__all__ = ["broken_table", "cost_table", "joined", "objectives"]


def objectives(losses: Float[np.ndarray, "problem steps_plus_1"]) -> Float[np.ndarray, " problem"]:
    """Return the meta-objective of each run, infinite where it diverged.

    >>> objectives(np.array([[2.0, 1.0, 0.0], [1.0, np.nan, 0.0]])).tolist()
    [0.5, inf]
    """
    losses = np.asarray(losses, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        means = losses.mean(axis=-1) / losses[..., 0]
    return np.where(diverged_runs(losses), np.inf, means)


def joined(parts: Sequence[InterventionRuns]) -> InterventionRuns:
    """Return the runs of several parts of the problems as one, in the order of the problems.

    Raises:
        ValueError: if the parts hold different interventions or a problem twice.
    """
    first = parts[0]
    for part in parts:
        if part.names.tolist() != first.names.tolist():
            raise ValueError(f"parts hold {part.names.tolist()} and {first.names.tolist()}")
    problems = np.concatenate([part.problems for part in parts])
    order = np.argsort(problems)
    if len(set(problems.tolist())) < len(problems):
        raise ValueError(f"a problem is in two parts: {sorted(problems.tolist())}")
    return first._replace(
        losses=np.concatenate([part.losses for part in parts], axis=1)[:, order],
        problems=problems[order],
        start_curvatures=np.concatenate([part.start_curvatures for part in parts])[order],
        start_gradients=np.concatenate([part.start_gradients for part in parts])[order],
    )


def cost_table(
    task: str, seed: int, runs: InterventionRuns, evaluation: Evaluation
) -> pd.DataFrame:
    """Return one row per intervention on the optimizer of ``seed``, and per tuned baseline.

    The first row is the intact optimizer.

    Args:
        task: the task's name.
        seed: the training seed of the optimizer.
        runs: of its interventions.
        evaluation: of the same problems: the intact optimizer and the baselines.
    """
    rows = []
    everything = _all_runs(seed, runs, evaluation)
    intact = everything[0][3]
    reference = objectives(intact)
    for name, kind, modes, losses in everything:
        found = objectives(losses)
        broken = _broken(found, reference)
        with np.errstate(divide="ignore", invalid="ignore"):  # NaN where both diverged
            differences, ratios = found - reference, found / reference
        rows.append(
            {
                "task": task,
                "optimizer": name,
                "seed": seed,
                "kind": kind,
                "modes": modes,
                "problems": len(losses),
                "diverged": int(np.isinf(found).sum()),
                **_mean("meta_objective", found),
                **_mean("final_loss", _final_losses(losses)),
                **_mean("difference", differences),
                **_cost(found, reference, ratios),
                "broken": int(broken.sum()),
                **_split("curvature", runs.start_curvatures[:, 1], broken),
                **_split("gradient", runs.start_gradients, broken),
                "curvature_correlation": _correlation(ratios, runs.start_curvatures[:, 1]),
                "gradient_correlation": _correlation(ratios, runs.start_gradients),
            }
        )
    return pd.DataFrame(rows)


def broken_table(
    task: str, seed: int, runs: InterventionRuns, evaluation: Evaluation
) -> pd.DataFrame:
    """Return one row per intervention and problem that it breaks: the problem's curvatures and start."""
    columns = ["task", "optimizer", "seed", "problem", "diverged", "meta_objective"]
    columns += ["intact_meta_objective", "smallest_curvature", "largest_curvature"]
    columns += ["start_gradient", "start_loss"]
    rows = []
    everything = _all_runs(seed, runs, evaluation)
    reference = objectives(everything[0][3])
    for name, kind, _, losses in everything:
        found = objectives(losses)
        for place in np.flatnonzero(_broken(found, reference)) if kind != "baseline" else []:
            problem = [task, name, seed, int(runs.problems[place]), int(np.isinf(found[place]))]
            problem += [found[place], reference[place], *runs.start_curvatures[place]]
            rows.append([*problem, runs.start_gradients[place], float(losses[place, 0])])
    return pd.DataFrame(rows, columns=columns)


def _all_runs(
    seed: int, runs: InterventionRuns, evaluation: Evaluation
) -> list[tuple[str, str, int, np.ndarray]]:
    """Return (name, kind, modes kept, losses): the intact optimizer, its interventions, the baselines."""
    own = (evaluation.optimizers == LEARNED) & (evaluation.seeds == seed)
    if own.sum() != 1:
        raise ValueError(f"the evaluation holds {own.sum()} learned optimizers of seed {seed}")
    evaluated = evaluation.losses[:, runs.problems]
    found = [(INTACT, INTACT, -1, evaluated[np.flatnonzero(own)[0]])]
    for name, modes, losses in zip(runs.names, runs.modes, runs.losses, strict=True):
        found.append((str(name), "modes" if modes >= 0 else "intervention", int(modes), losses))
    for name, losses in zip(evaluation.optimizers, evaluated, strict=True):
        if name != LEARNED:
            found.append((str(name), "baseline", -1, losses))
    return found


def _broken(
    found: Float[np.ndarray, " problem"], reference: Float[np.ndarray, " problem"]
) -> Bool[np.ndarray, " problem"]:
    return (found >= 1.0) & (reference < 1.0)


def _final_losses(
    losses: Float[np.ndarray, "problem steps_plus_1"],
) -> Float[np.ndarray, " problem"]:
    losses = np.asarray(losses, np.float64)
    return np.where(diverged_runs(losses), np.inf, losses[:, -1])


def _mean(name: str, values: Float[np.ndarray, " problem"]) -> Mapping[str, float]:
    with np.errstate(invalid="ignore"):
        mean, count = float(np.mean(values)), len(values)
    if not np.isfinite(mean):
        return {name: mean, f"{name}_se": np.nan}
    return {
        name: mean,
        f"{name}_se": float(np.std(values, ddof=1) / count**0.5) if count > 1 else 0.0,
    }


def _cost(
    found: Float[np.ndarray, " problem"],
    reference: Float[np.ndarray, " problem"],
    ratios: Float[np.ndarray, " problem"],
) -> Mapping[str, float]:
    scale = float(np.mean(reference))
    known = ratios[~np.isnan(ratios)]
    # Of infinitely much everything finite would be nothing.
    cost = float(np.mean(found)) / scale if np.isfinite(scale) and scale > 0.0 else np.nan
    error = _mean("", found - cost * reference)["_se"] / scale if np.isfinite(cost) else np.nan
    median = float(np.median(known)) if known.size else np.nan
    return {"cost": cost, "cost_se": error, "median_ratio": median}


def _split(
    name: str, values: Float[np.ndarray, " problem"], broken: Bool[np.ndarray, " problem"]
) -> Mapping[str, float]:
    """Return the median of a property among the problems that broke, and among the others."""

    def median(chosen: Float[np.ndarray, " chosen"]) -> float:
        return float(np.median(chosen)) if len(chosen) else np.nan

    return {f"broken_{name}": median(values[broken]), f"other_{name}": median(values[~broken])}


def _correlation(
    ratios: Float[np.ndarray, " problem"], values: Float[np.ndarray, " problem"]
) -> float:
    """Return the rank correlation of what an intervention costs with a property of the problem."""
    known = ~np.isnan(ratios)
    ratios, values = ratios[known], values[known]
    if len(ratios) < 3 or np.ptp(scipy.stats.rankdata(ratios)) == 0.0 or np.ptp(values) == 0.0:
        return np.nan
    correlation: Any = scipy.stats.spearmanr(ratios, values)
    return float(correlation.statistic)
