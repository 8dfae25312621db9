r"""The paper's statements as yes/no questions with stated criteria.

A ``Criterion`` measures one number per trained optimizer and answers "yes" when it lies on the right side
of a threshold. Thresholds were set before any optimizer was looked at; they and the measured
numbers stand in the table, so that a reader can set others. NaN answers "unknown".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from lopt.claims.measure import BASELINE_NAMES, arm_rates, clipping_gradients
from lopt.claims.results import TaskResults, problem_losses
from lopt.claims.shapes import standard_score, turning, vertical_share
from lopt.records.analysis import Code
from lopt.records.evaluation import LEARNED
from lopt.records.portraits import ConditionNumbers

__all__ = ["CRITERIA", "Criterion"]

AT_LEAST, AT_MOST = "at least", "at most"


@dataclass(frozen=True)
class Criterion:
    """A question, the number that answers it, and where yes begins.

    ``number`` says in words what ``measure(results, seed)`` returns; ``needs`` lists "learned" and the
    tuned optimizers by name; ``of_all_seeds`` marks an answer for the task as a whole.
    """

    text: str
    number: str
    sense: str
    threshold: float
    needs: tuple[str, ...]
    of_all_seeds: bool
    measure: Callable[[TaskResults, int], float]

    @property
    def stated(self) -> str:
        """The criterion in words."""
        return f"yes if {self.number} is {self.sense} {self.threshold:g}"

    def answer(self, measured: float) -> str:
        """Return "yes", "no", or "unknown" for NaN."""
        if np.isnan(measured):
            return "unknown"
        if self.sense == AT_LEAST:
            return "yes" if measured >= self.threshold else "no"
        return "yes" if measured <= self.threshold else "no"


_CRITERIA: dict[str, Criterion] = {}
CRITERIA: Mapping[str, Criterion] = _CRITERIA
"""Every question that can be asked, by name."""


def _register(
    name: str, text: str, number: str, sense: str, threshold: float, **others
) -> Callable:
    """Return a decorator that enters a measuring function into ``CRITERIA``."""
    settings = {"needs": (LEARNED,), "of_all_seeds": False} | others

    def enter(measure: Callable[[TaskResults, int], float]) -> Callable:
        _CRITERIA[name] = Criterion(text, number, sense, threshold, measure=measure, **settings)
        return measure

    return enter


def _beats(baseline: str, results: TaskResults, seed: int) -> float:
    """Compare the meta-objectives mean_k f/f_0 problem by problem."""
    objectives = []
    for optimizer in (LEARNED, baseline):
        losses = problem_losses(results, optimizer, seed)
        objectives.append(losses.mean(axis=1) / losses[:, 0])
    with np.errstate(invalid="ignore"):
        return standard_score(objectives[0] - objectives[1])


def _ends_below(baseline: str, results: TaskResults, seed: int) -> float:
    ours, theirs = (
        np.mean(problem_losses(results, optimizer, seed)[:, -1])
        for optimizer in (LEARNED, baseline)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(ours / theirs)


for _baseline, _name in BASELINE_NAMES.items():
    _register(
        f"beats_{_baseline}",
        f"the learned optimizer beats tuned {_name} on the meta-objective",
        "the mean paired difference in standard errors over problems",
        AT_MOST,
        -2.0,
        needs=(LEARNED, _baseline),
    )(partial(_beats, _baseline))
    _register(
        f"ends_below_{_baseline}",
        f"the learned optimizer ends below tuned {_name}",
        "the ratio of the mean final losses",
        AT_MOST,
        1.0,
        needs=(LEARNED, _baseline),
    )(partial(_ends_below, _baseline))


@_register(
    "one_convergence_point",
    "every run ends at one convergence point",
    "the share of final states that the autonomous map leads to it",
    AT_LEAST,
    0.99,
)
def _basin(results: TaskResults, seed: int) -> float:
    found = results.optimizers[seed].fixed_points
    return float(found.basin_share) if found.convergence_code == Code.CONVERGED else 0.0


@_register(
    "state_variance_peaks_early",
    "the variance of the states across runs peaks early",
    "the iteration of its peak over the number of updates",
    AT_MOST,
    0.25,
)
def _variance_peak(results: TaskResults, seed: int) -> float:
    variance = results.optimizers[seed].trajectories.total_variance
    return float(variance.argmax() / (len(variance) - 1))


@_register(
    "state_variance_decays",
    "the variance of the states across runs decays",
    "the last variance over the largest",
    AT_MOST,
    0.1,
)
def _variance_left(results: TaskResults, seed: int) -> float:
    variance = results.optimizers[seed].trajectories.total_variance
    return float(variance[-1] / variance.max()) if variance.max() > 0 else np.nan


@_register(
    "slow_mode_carries_largest_learning_rate",
    "a slow mode carries the largest learning rate",
    "the share of the modes that decay faster than the one with the largest rate",
    AT_LEAST,
    0.9,
)
def _faster_modes(results: TaskResults, seed: int) -> float:
    # Not "is it the slowest of all": that would hang on modes that hardly act.
    modes = results.optimizers[seed].linearization
    return float(np.mean(modes.momenta < modes.momenta[int(modes.leading_mode)]))


@_register(
    "slow_mode_shifts_update_function",
    "along the slow mode the update function is shifted vertically",
    "the share of the variation between positions that vertical shifts explain",
    AT_LEAST,
    0.9,
)
def _shift_along_slow_mode(results: TaskResults, seed: int) -> float:
    return vertical_share(results.optimizers[seed].responses.slow_mode_updates)


@_register(
    "initial_update_saturates",
    "the update function at the initial state saturates",
    "its slope at the ends of the gradient range over that at g = 0 (larger arm)",
    AT_MOST,
    0.2,
)
def _slope_left(results: TaskResults, seed: int) -> float:
    return float(np.max(results.optimizers[seed].responses.saturation_slopes))


@_register(
    "gradients_reach_saturation",
    "the gradients met reach into the saturation",
    "the share of them whose update at the initial state is at most half a linear one's",
    AT_LEAST,
    0.001,
)
def _share_clipped(results: TaskResults, seed: int) -> float:
    """Share of the gradients met with |g| beyond the clipping gradients of both arms."""
    optimizer = results.optimizers[seed]
    limit = np.max(clipping_gradients(optimizer.responses))
    if np.isnan(limit):
        return 0.0  # nothing is clipped on this grid
    counts = np.asarray(optimizer.trajectories.magnitude_counts, np.float64)
    below = np.concatenate([[0.0], np.cumsum(counts)])
    edges = optimizer.trajectories.magnitude_edges
    return float(1.0 - np.interp(np.log10(limit), edges, below) / below[-1])


def _largest_over_smallest(rates: Float[np.ndarray, " rates"]) -> float:
    return np.inf if rates.min() <= 0.0 else float(rates.max() / rates.min())


@_register(
    "has_schedule",
    "the effective learning rate follows a schedule",
    "its largest over its smallest value along the autonomous trajectory",
    AT_LEAST,
    1.5,
)
def _schedule(results: TaskResults, seed: int) -> float:
    return _largest_over_smallest(results.optimizers[seed].responses.autonomous_learning_rates)


@_register(
    "fixed_points_trace_s_curve",
    "the fixed points for constant gradients trace an S-curve",
    "the turning of the less bent arm in degrees (negative: both arms turn the same way)",
    AT_LEAST,
    20.0,
)
def _s_curve(results: TaskResults, seed: int) -> float:
    """Measure how much the two arms bend, in the plane in which the points extend most.

    The path runs from the largest negative gradient to the largest positive one; the step from
    arm to arm belongs to both. An S turns one way on one arm and the other way on the other.
    """
    responses = results.optimizers[seed].responses
    path = responses.projected_constant_gradient[:, responses.constant_gradient_pair]
    middle = int(np.searchsorted(responses.constant_gradients, 0.0))
    turns = [turning(path[: middle + 1]), turning(path[middle - 1 :])]
    size = float(min(np.abs(turns)))
    return size if turns[0] * turns[1] < 0 else -size


@_register(
    "learning_rate_falls_along_both_arms",
    "the effective learning rate falls along both arms",
    "the rate at the largest gradient over that at the smallest (larger of the two arms)",
    AT_MOST,
    0.9,
)
def _falls(results: TaskResults, seed: int) -> float:
    arms = [arm_rates(results.optimizers[seed].responses, arm)[1] for arm in (-1, 1)]
    return max(float(rates[-1] / rates[0]) if rates[0] > 0.0 else np.inf for rates in arms)


@_register(
    "a_mode_is_the_optimal_momentum",
    "a mode of one of the optimizers is the optimal momentum of the task distribution",
    "the larger of |log10(alpha / alpha*)| / 0.1 and |beta - beta*| / 0.02 for the nearest mode",
    AT_MOST,
    1.0,
    of_all_seeds=True,
)
def _distance_from_optimal_momentum(results: TaskResults, seed: int) -> float:
    if not isinstance(results.portrait, ConditionNumbers):
        return np.nan
    alpha, beta = results.portrait.optimal_learning_rate, results.portrait.optimal_momentum
    nearest = np.inf
    linearizations = [optimizer.linearization for optimizer in results.optimizers.values()]
    for modes in linearizations + ([] if results.early is None else [results.early]):
        rates = modes.learning_rates * np.where(modes.eigenvalues.imag, 2.0, 1.0)  # of a whole pair
        acting = rates > 0
        decades = np.abs(np.log10(rates[acting] / alpha))
        away = np.maximum(decades / 0.1, np.abs(modes.momenta[acting] - beta) / 0.02)
        nearest = min(nearest, away.min(initial=np.inf))
    return float(nearest)


def _of_common(
    optimizer: str,
    field: str,
    measure: Callable[[np.ndarray], float],
    results: TaskResults,
    seed: int,
) -> float:
    """Measure one tuned optimizer's row of the common optimizers' arrays."""
    common = results.common_optimizers
    if common is None or optimizer not in common.optimizers:
        return np.nan
    return measure(getattr(common, field)[list(common.optimizers).index(optimizer)])


_register(
    "momentum_shifts_with_its_state",
    "the update function of momentum is shifted vertically by its state",
    "the share of the variation between states that vertical shifts explain",
    AT_LEAST,
    0.9,
    needs=("momentum",),
    of_all_seeds=True,
)(partial(_of_common, "momentum", "updates", vertical_share))
_register(
    "rmsprop_slope_changes_with_its_state",
    "the slope of the update function of RMSProp changes with its state",
    "the largest over the smallest effective learning rate among the states",
    AT_LEAST,
    1.5,
    needs=("rmsprop",),
    of_all_seeds=True,
)(partial(_of_common, "rmsprop", "learning_rates", _largest_over_smallest))
