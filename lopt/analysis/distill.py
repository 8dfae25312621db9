r"""Read the numbers of a distilled optimizer off an analysis, by formula; nothing is trained or tuned.

start_rate
    the effective learning rate at the initial state;
peak_rate, peak_iteration
    the largest along the autonomous trajectory, and when;
end_rate
    the effective learning rate at h*;
decay_iterations
    when the rate has fallen to end + (peak - end) / e, counted from the peak;
momentum
    1 - rate / G at h*, with G = sum_m alpha_m / (1 - lambda_m) the whole displacement that a unit impulse
    causes: of one mode its eigenvalue, of many that of the heavy ball of the same rate and displacement;
push_level
    the largest update at the initial state, mean of both arms;
memory_level
    what the update at g = 0 exceeds in a hundredth of the states visited.

What an optimizer does not have comes out as what makes the mechanism absent: a schedule that stays where it
is, a momentum of 0.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lopt.analysis.stability import total_gain
from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.distilled import DistilledTheta
from lopt.records.analysis import Linearization, Responses, Trajectories
from lopt.tuning.ranges import SearchRange

__all__ = ["Recovered", "read_off", "recovered", "search_ranges"]

MEMORY_QUANTILE = 0.99


def read_off(
    component: ComponentOptimizer,
    trajectories: Trajectories,
    linearization: Linearization,
    responses: Responses,
) -> DistilledTheta:
    """Return the eight numbers of one optimizer.

    Args:
        component: the optimizer, for its updates at the states visited.
        trajectories: its runs.
        linearization: at its convergence point.
        responses: its effective learning rates and saturation.

    Raises:
        ValueError: if the optimizer does not descend: its learning rate at h* is not positive, or it never
            moves.
    """
    end = float(responses.convergence_learning_rate)
    if not end > 0.0:
        raise ValueError(f"the effective learning rate at the convergence point is {end:.3g}")
    schedule = np.asarray(responses.autonomous_learning_rates, np.float64)
    peak = int(np.argmax(schedule))
    fallen = schedule[peak:] <= end + (schedule[peak] - end) / np.e
    decay = int(np.argmax(fallen)) if fallen.any() else len(schedule)
    gain = total_gain(linearization)
    h = jnp.asarray(trajectories.visited_states)
    memory = np.abs(component.readout(component.transition(h, jnp.zeros(len(h), h.dtype))))
    level = float(np.mean(responses.saturation_levels))
    if not level > 0.0:
        raise ValueError("the update at the initial state is the same for every gradient")
    return DistilledTheta(
        start_rate=_positive(schedule[0], end),
        peak_rate=_positive(schedule[peak], end),
        end_rate=end,
        peak_iteration=float(max(peak, 1)),
        decay_iterations=float(max(decay, 1)),
        momentum=float(np.clip(1.0 - end / gain, 0.0, 0.999)) if gain > 0.0 else 0.0,
        push_level=level,
        memory_level=_positive(float(np.quantile(memory, MEMORY_QUANTILE)), level),
    )


def _positive(value: float, otherwise: float) -> float:
    return float(value) if value > 0.0 else float(otherwise)


def search_ranges(theta: DistilledTheta, factor: float) -> dict[str, SearchRange]:
    """Return where to search around ``theta``: each number times 1 / factor ... factor.

    Of the momentum it is what it forgets, 1 - momentum.
    """
    found = {
        name: SearchRange(float(value) / factor, float(value) * factor, "log")
        for name, value in theta._asdict().items()
        if name != "momentum"
    }
    forgets = 1.0 - float(theta.momentum)
    low, high = max(0.0, 1.0 - factor * forgets), 1.0 - forgets / factor
    return found | {"momentum": SearchRange(low, high, "log_one_minus")}


class Recovered(NamedTuple):
    """How much of the way from the best baseline to the learned optimizer is gone."""

    share: float
    standard_error: float


def recovered(
    distilled: Float[np.ndarray, " problem"],
    learned: Float[np.ndarray, " problem"],
    baseline: Float[np.ndarray, " problem"],
) -> Recovered:
    """Return (mean baseline - mean distilled) / (mean baseline - mean learned), over the same problems.

    1: as good as the learned optimizer; 0: as the baseline; below: worse. The standard error is that of the
    ratio of two paired means. NaN where the learned optimizer is no better than the baseline; minus infinity
    where a distilled run diverged.

    >>> recovered(np.array([3.0, 3.0]), np.array([1.0, 1.0]), np.array([5.0, 5.0])).share
    0.5
    """
    gap = float(np.mean(baseline - learned))
    if not gap > 0.0:
        return Recovered(np.nan, np.nan)
    if not np.isfinite(distilled).all():
        return Recovered(-np.inf, np.nan)
    share = float(np.mean(baseline - distilled)) / gap
    apart = (baseline - distilled) - share * (baseline - learned)
    count = len(apart)
    error = float(np.std(apart, ddof=1) / count**0.5) / gap if count > 1 else 0.0
    return Recovered(share, error)
