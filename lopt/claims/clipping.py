"""Figure 3: the update function at the initial state, and the gradients met."""

import numpy as np
from jaxtyping import Float

from lopt.claims.evidence import TaskResults
from lopt.claims.registry import AT_LEAST, AT_MOST, criterion, quantity
from lopt.records.analysis import Responses, Trajectories

__all__ = ["ARMS", "clipping_gradients", "share_beyond"]

ARMS = {"negative": -1, "positive": 1}
SATURATED = 0.9  # of the largest update: where an update function counts as flat


@quantity("initial_update", "update at the initial state for g = {at:g}")
def _initial_update(results: TaskResults, seed: int, at: float) -> float:
    responses = results.optimizers[seed].responses
    grid = responses.update_gradients
    margin = 1e-9 * np.ptp(grid)  # the grid's ends are computed numbers
    inside = grid[0] - margin <= at <= grid[-1] + margin
    return np.interp(at, grid, responses.initial_updates) if inside else np.nan


@quantity(
    "saturation_level", "size of the saturated update at the initial state, mean of both arms"
)
def _saturation_level(results: TaskResults, seed: int, at: float) -> float:
    return float(np.mean(results.optimizers[seed].responses.saturation_levels))


@quantity(
    "saturation_gradient",
    f"|g| from which the update at the initial state is flat ({SATURATED:.0%} of its largest)",
)
def _saturation_gradient(results: TaskResults, seed: int, at: float) -> float:
    """Geometric mean of the two arms."""
    responses = results.optimizers[seed].responses
    change = np.abs(responses.initial_updates - responses.initial_intercept)
    first = []
    for arm in ARMS.values():
        here = arm * responses.update_gradients > 0
        flat = change[here] >= SATURATED * change[here].max()
        first.append(np.abs(responses.update_gradients[here][flat]).min())
    return np.sqrt(first[0] * first[1])


def clipping_gradients(responses: Responses) -> Float[np.ndarray, "2"]:
    """Return per arm the smallest |g| whose update at the initial state is half a linear one's.

    NaN where the response stays closer than that to its linear continuation -alpha g.
    """
    gradients = responses.update_gradients
    linear = -float(responses.initial_learning_rate) * gradients
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (responses.initial_updates - responses.initial_intercept) / linear
    found = []
    for arm in ARMS.values():
        clipped = np.abs(gradients[(arm * gradients > 0) & (share <= 0.5)])
        found.append(clipped.min() if clipped.size else np.nan)
    return np.array(found)


def share_beyond(trajectories: Trajectories, magnitude: float) -> float:
    """Return the share of the gradients met with |g| above ``magnitude``."""
    counts = np.asarray(trajectories.magnitude_counts, np.float64)
    below = np.concatenate([[0.0], np.cumsum(counts)])
    return float(
        1.0 - np.interp(np.log10(magnitude), trajectories.magnitude_edges, below) / below[-1]
    )


@quantity("gradients_beyond", "share of the gradients met with |g| above {at:g}")
def _gradients_beyond(results: TaskResults, seed: int, at: float) -> float:
    return share_beyond(results.optimizers[seed].trajectories, at)


@quantity("gradient_quantile", "|g| that {at:.0%} of the gradients met do not exceed")
def _gradient_quantile(results: TaskResults, seed: int, at: float) -> float:
    trajectories = results.optimizers[seed].trajectories
    (known,) = np.nonzero(np.isclose(trajectories.gradient_quantile_levels, at))
    return float(trajectories.gradient_quantiles[known[0]]) if known.size else np.nan


@criterion(
    "initial_update_saturates",
    "the update function at the initial state saturates",
    "its slope at the ends of the gradient range over that at g = 0 (larger arm)",
    AT_MOST,
    0.2,
)
def _slope_left(results: TaskResults, seed: int) -> float:
    return float(np.max(results.optimizers[seed].responses.saturation_slopes))


@criterion(
    "gradients_reach_saturation",
    "the gradients met reach into the saturation",
    "the share of them whose update at the initial state is at most half a linear one's",
    AT_LEAST,
    0.001,
)
def _share_clipped(results: TaskResults, seed: int) -> float:
    """Share of the gradients met with |g| beyond the clipping gradients of both arms."""
    optimizer = results.optimizers[seed]
    if not optimizer.responses.initial_learning_rate:
        return np.nan
    limit = np.max(clipping_gradients(optimizer.responses))
    # NaN: nothing is clipped on this grid.
    return 0.0 if np.isnan(limit) else share_beyond(optimizer.trajectories, limit)
