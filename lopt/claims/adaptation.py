"""Figure 5: fixed points under constant gradients, update functions and learning rates there."""

from functools import partial

import numpy as np
from jaxtyping import Float

from lopt.claims.clipping import ARMS
from lopt.claims.evidence import TaskResults
from lopt.claims.registry import AT_LEAST, AT_MOST, criterion, quantity
from lopt.claims.shapes import largest_over_smallest, turning
from lopt.records.analysis import Responses

__all__ = ["arm_rates"]


def arm_rates(
    responses: Responses, arm: int
) -> tuple[Float[np.ndarray, " arm"], Float[np.ndarray, " arm"]]:
    """Return |g|, ascending, and the effective learning rates along the arm of sign ``arm``."""
    here = arm * responses.constant_gradients > 0
    magnitudes = np.abs(responses.constant_gradients[here])
    order = np.argsort(magnitudes)
    return magnitudes[order], responses.constant_gradient_learning_rates[here][order]


def _arm_rate(arm: int, results: TaskResults, seed: int, at: float) -> float:
    """Interpolate in log |g|."""
    magnitudes, rates = arm_rates(results.optimizers[seed].responses, arm)
    logarithms, log_at = np.log10(magnitudes), np.log10(at)
    inside = logarithms[0] - 1e-3 <= log_at <= logarithms[-1] + 1e-3
    return np.interp(log_at, logarithms, rates) if inside else np.nan


def _arm_lowest_rate(arm: int, results: TaskResults, seed: int, at: float) -> float:
    return arm_rates(results.optimizers[seed].responses, arm)[1].min()


def _arm_lowest_gradient(arm: int, results: TaskResults, seed: int, at: float) -> float:
    magnitudes, rates = arm_rates(results.optimizers[seed].responses, arm)
    return magnitudes[rates.argmin()]


for _name, _arm in ARMS.items():
    for _quantity, _text, _function in (
        ("learning_rate", f"effective learning rate at |g| = {{at:g}}, {_name} arm", _arm_rate),
        (
            "lowest_learning_rate",
            f"lowest effective learning rate of the {_name} arm",
            _arm_lowest_rate,
        ),
        ("lowest_gradient", f"|g| at which the {_name} arm is lowest", _arm_lowest_gradient),
    ):
        quantity(f"{_name}_arm_{_quantity}", _text)(partial(_function, _arm))


@criterion(
    "fixed_points_trace_s_curve",
    "the fixed points for constant gradients trace an S-curve",
    "the turning of the less bent arm in degrees on the branch of the convergence point (negative: both "
    "arms turn the same way)",
    AT_LEAST,
    20.0,
)
def _s_curve(results: TaskResults, seed: int) -> float:
    """Measure how much the two arms bend, in the plane in which the points extend most.

    The path runs from the largest negative gradient to the largest positive one, on the branch of
    the convergence point: where that has ended, at a fold, what is found beyond is no part of it.
    The step from arm to arm belongs to both. An S turns one way on one arm and the other way on the
    other; of an arm with fewer than two points on the branch that cannot be said.
    """
    responses = results.optimizers[seed].responses
    pair = responses.constant_gradient_pair
    own = np.asarray(responses.constant_gradient_branches) == 0
    path = responses.projected_constant_gradient[own][:, pair]
    middle = int(np.sum(responses.constant_gradients[own] < 0.0))
    if min(middle, len(path) - middle) < 2:
        return np.nan
    if pair[0] == pair[1]:
        return 0.0  # of a single state variable: all points lie on a line
    turns = [turning(path[: middle + 1]), turning(path[middle - 1 :])]
    size = float(min(np.abs(turns)))
    return size if turns[0] * turns[1] < 0 else -size


@criterion(
    "learning_rate_falls_along_both_arms",
    "the effective learning rate falls along both arms",
    "the rate at the largest gradient over that at the smallest (larger of the two arms)",
    AT_MOST,
    0.9,
)
def _falls(results: TaskResults, seed: int) -> float:
    arms = [arm_rates(results.optimizers[seed].responses, arm)[1] for arm in ARMS.values()]
    return max(float(rates[-1] / rates[0]) if rates[0] > 0.0 else np.inf for rates in arms)


@criterion(
    "arms_are_asymmetric",
    "the two arms have different effective learning rates",
    "the larger over the smaller rate at the largest gradient",
    AT_LEAST,
    1.1,
)
def _asymmetry(results: TaskResults, seed: int) -> float:
    responses = results.optimizers[seed].responses
    ends = np.array([arm_rates(responses, arm)[1][-1] for arm in ARMS.values()])
    return largest_over_smallest(ends) if np.any(ends) else np.nan


@criterion(
    "constant_gradients_change_slope",
    "constant gradients change the slope of the update function, beyond a vertical shift",
    "the largest over the smallest slope at g = 0 of the four drawn update functions, recentered",
    AT_LEAST,
    1.25,
)
def _slopes(results: TaskResults, seed: int) -> float:
    responses = results.optimizers[seed].responses
    slopes = responses.constant_gradient_learning_rates[responses.constant_gradient_shown]
    return largest_over_smallest(slopes) if np.any(slopes) else np.nan
