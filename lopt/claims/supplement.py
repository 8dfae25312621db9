"""The supplement: the optimizer whose training ended early, and update functions of hand-made ones."""

from collections.abc import Callable
from functools import partial

import numpy as np

from lopt.claims.evidence import OptimizerResults, TaskResults
from lopt.claims.modes import impulse_response, whole_modes
from lopt.claims.performance import meta_objectives
from lopt.claims.registry import AT_LEAST, AT_MOST, EARLY, criterion
from lopt.claims.shapes import largest_over_smallest, standard_score, vertical_share
from lopt.records.evaluation import LEARNED
from lopt.records.portraits import ConditionNumbers

__all__: list[str] = []

STEPS = 200  # after a gradient: as long as a run


def _both_objectives(results: TaskResults) -> tuple[np.ndarray, np.ndarray]:
    seeds = (results.early_seed, results.selected)
    early, plotted = (meta_objectives(results, LEARNED, seed) for seed in seeds)
    return early, plotted


@criterion(
    "early_is_worse",
    "the optimizer whose training ended early performs worse than the plotted one",
    "the mean paired difference of the meta-objectives in standard errors over problems",
    AT_LEAST,
    2.0,
    needs=(LEARNED, EARLY),
)
def _early_is_worse(results: TaskResults, seed: int) -> float:
    early, plotted = _both_objectives(results)
    with np.errstate(invalid="ignore"):
        return standard_score(early - plotted)


@criterion(
    "early_is_slightly_worse",
    "... and only slightly worse",
    "the ratio of the mean meta-objectives",
    AT_MOST,
    1.5,
    needs=(LEARNED, EARLY),
)
def _early_is_slightly_worse(results: TaskResults, seed: int) -> float:
    early, plotted = _both_objectives(results)
    with np.errstate(invalid="ignore"):
        return float(early.mean() / plotted.mean())


def _early(results: TaskResults) -> OptimizerResults:
    assert results.early is not None  # both criteria need it, and are asked of nothing else
    return results.early


@criterion(
    "early_is_one_mode",
    "the optimizer whose training ended early resembles momentum: one mode carries its update",
    "the share of its answer to one gradient, over the steps after it, that its leading mode explains",
    AT_LEAST,
    0.9,
    needs=(LEARNED, EARLY),
)
def _explained_by_leading_mode(results: TaskResults, seed: int) -> float:
    """Compare sum_m alpha_m lambda_m^k with the leading mode's own (a pair's: of both)."""
    modes = _early(results).linearization
    if not np.any(modes.whole_sizes):
        return np.nan
    first = modes.eigenvalues[int(modes.leading_mode)]
    own = np.isclose(modes.eigenvalues, first) | np.isclose(modes.eigenvalues, first.conj())
    alphas = modes.complex_learning_rates
    answer, alone = (
        impulse_response(chosen, modes.eigenvalues, STEPS)
        for chosen in (alphas, np.where(own, alphas, 0.0))
    )
    return float(1.0 - np.sum((answer - alone) ** 2) / np.sum(answer**2))


@criterion(
    "early_is_the_optimal_momentum",
    "... and that mode is the optimal momentum of the task distribution",
    "the larger of |log10(alpha / alpha*)| / 0.1 and |beta - beta*| / 0.02 for it",
    AT_MOST,
    1.0,
    needs=(LEARNED, EARLY),
)
def _distance_from_optimal_momentum(results: TaskResults, seed: int) -> float:
    modes = whole_modes(_early(results).linearization)
    if not isinstance(results.portrait, ConditionNumbers) or modes.leading is None:
        return np.nan
    rate, momentum = modes.learning_rates[modes.leading], modes.momenta[modes.leading]
    if not rate > 0.0:
        return np.inf
    decades = abs(np.log10(rate / results.portrait.optimal_learning_rate))
    return float(max(decades / 0.1, abs(momentum - results.portrait.optimal_momentum) / 0.02))


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


criterion(
    "momentum_shifts_with_its_state",
    "the update function of momentum is shifted vertically by its state",
    "the share of the variation between states that vertical shifts explain",
    AT_LEAST,
    0.9,
    needs=("momentum",),
)(partial(_of_common, "momentum", "updates", vertical_share))
criterion(
    "rmsprop_slope_changes_with_its_state",
    "the slope of the update function of RMSProp changes with its state",
    "the largest over the smallest effective learning rate among the states",
    AT_LEAST,
    1.5,
    needs=("rmsprop",),
)(partial(_of_common, "rmsprop", "learning_rates", largest_over_smallest))
