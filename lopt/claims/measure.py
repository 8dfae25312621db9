r"""Our side of every comparison: quantities of the paper's figures, measured on our arrays.

A ``Quantity`` is a function of a task's results, a seed of the learned optimizer and a place ``at`` (an
iteration, a gradient, a loss; NaN where there is none). It returns a value and its standard error over
problems. NaN says that the quantity does not exist in these results: the run was shorter, the
gradients don't reach so far, the curves don't cross. Conventions are those of
``lopt.records.analysis``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lopt.claims.results import TaskResults, problem_losses
from lopt.records.analysis import Responses
from lopt.records.evaluation import LEARNED
from lopt.records.portraits import ConditionNumbers

__all__ = [
    "BASELINE_NAMES",
    "QUANTITIES",
    "Measurement",
    "Quantity",
    "arm_rates",
    "clipping_gradients",
]

BASELINE_NAMES = {"momentum": "momentum", "rmsprop": "RMSProp", "adam": "Adam"}
ARMS = {"negative": -1, "positive": 1}
SATURATED = 0.9  # of the largest update: where an update function counts as flat


class Measurement(NamedTuple):
    """A number and its standard error over problems (0 where no problem is drawn)."""

    value: float
    standard_error: float = 0.0


@dataclass(frozen=True)
class Quantity:
    """A named number: what it is called, which optimizers it needs, how it is measured.

    ``text`` is a template of ``at``; ``needs`` lists "learned" and the tuned optimizers by name.
    """

    text: str
    needs: tuple[str, ...]
    measure: Callable[[TaskResults, int, float], Measurement]


_QUANTITIES: dict[str, Quantity] = {}
QUANTITIES: Mapping[str, Quantity] = _QUANTITIES
"""Every number that can be asked for, by name."""


def _register(name: str, text: str, needs: tuple[str, ...] = (LEARNED,)) -> Callable:
    """Return a decorator that enters a function into ``QUANTITIES``; a bare float gets no error."""

    def enter(measure: Callable[[TaskResults, int, float], Measurement | float]) -> Callable:
        def measured(results: TaskResults, seed: int, at: float) -> Measurement:
            value = measure(results, seed, at)
            return value if isinstance(value, Measurement) else Measurement(float(value))

        _QUANTITIES[name] = Quantity(text, needs, measured)
        return measure

    return enter


def _mean_losses(
    results: TaskResults, optimizer: str, seed: int
) -> Float[np.ndarray, " steps_plus_1"]:
    return problem_losses(results, optimizer, seed).mean(axis=0)


def _loss(optimizer: str, results: TaskResults, seed: int, at: float) -> Measurement:
    losses = problem_losses(results, optimizer, seed)
    if at >= losses.shape[1]:
        return Measurement(np.nan)
    values = losses[:, int(at)]
    with np.errstate(invalid="ignore"):
        spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
        return Measurement(float(np.mean(values)), float(spread / len(values) ** 0.5))


def _iteration_below(optimizer: str, results: TaskResults, seed: int, at: float) -> float:
    below = np.flatnonzero(_mean_losses(results, optimizer, seed) <= at)
    return below[0] if below.size else np.nan


def _overtakes_learned(optimizer: str, results: TaskResults, seed: int, at: float) -> float:
    """First iteration from which the tuned optimizer's mean loss stays below the learned one's."""
    behind = ~(_mean_losses(results, optimizer, seed) < _mean_losses(results, LEARNED, seed))
    return np.nan if behind[-1] else np.flatnonzero(behind)[-1] + 1


def _tuned_learning_rate(optimizer: str, results: TaskResults, seed: int, at: float) -> float:
    return results.learning_rates[optimizer]


_register(f"{LEARNED}_loss", "mean loss of the learned optimizer at iteration {at:g}")(
    partial(_loss, LEARNED)
)
for _optimizer, _name in BASELINE_NAMES.items():
    for _quantity, _text, _needs, _function in (
        ("{}_loss", f"mean loss of {_name} at iteration {{at:g}}", (), _loss),
        (
            "{}_loss_reaches",
            f"first iteration of {_name} with a mean loss of {{at:g}} or less",
            (),
            _iteration_below,
        ),
        (
            "{}_overtakes_learned",
            f"iteration from which {_name} has the lower mean loss",
            (LEARNED,),
            _overtakes_learned,
        ),
        ("tuned_{}_learning_rate", f"learning rate of tuned {_name}", (), _tuned_learning_rate),
    ):
        _register(_quantity.format(_optimizer), _text, (*_needs, _optimizer))(
            partial(_function, _optimizer)
        )


@_register("start_loss", "mean loss at the start", ())
def _start_loss(results: TaskResults, seed: int, at: float) -> Measurement:
    # Every run starts at the same points: the learned one stands for all.
    return _loss(LEARNED, results, seed, 0)


@_register("largest_condition_number", "largest condition number of the problems", ())
def _largest_condition_number(results: TaskResults, seed: int, at: float) -> float:
    portrait = results.portrait
    if not isinstance(portrait, ConditionNumbers):
        return np.nan
    return 10.0 ** portrait.log10_condition_numbers.max()


@_register("leading_eigenvalue", "|eigenvalue| of the mode with the largest learning rate")
def _leading_eigenvalue(results: TaskResults, seed: int, at: float) -> float:
    modes = results.optimizers[seed].linearization
    return modes.momenta[int(modes.leading_mode)]


@_register("next_eigenvalue", "largest |eigenvalue| of the other modes")
def _next_eigenvalue(results: TaskResults, seed: int, at: float) -> float:
    """Leave out the mode with the largest learning rate and its conjugate."""
    modes = results.optimizers[seed].linearization
    leading = modes.eigenvalues[int(modes.leading_mode)]
    others = np.ones(len(modes.eigenvalues), bool)
    others[int(modes.leading_mode)] = False
    if leading.imag:
        others[np.argmin(np.abs(modes.eigenvalues - np.conj(leading)))] = False
    return modes.momenta[others].max() if others.any() else np.nan


@_register("slow_mode_intercept_lowest", "lowest update at g = 0 along the slow mode")
def _lowest_intercept(results: TaskResults, seed: int, at: float) -> float:
    return results.optimizers[seed].responses.slow_mode_intercepts.min()


@_register("slow_mode_intercept_highest", "highest update at g = 0 along the slow mode")
def _highest_intercept(results: TaskResults, seed: int, at: float) -> float:
    return results.optimizers[seed].responses.slow_mode_intercepts.max()


@_register("initial_update", "update at the initial state for g = {at:g}")
def _initial_update(results: TaskResults, seed: int, at: float) -> float:
    responses = results.optimizers[seed].responses
    grid = responses.update_gradients
    margin = 1e-9 * np.ptp(grid)  # the grid's ends are computed numbers
    inside = grid[0] - margin <= at <= grid[-1] + margin
    return np.interp(at, grid, responses.initial_updates) if inside else np.nan


@_register(
    "saturation_level", "size of the saturated update at the initial state, mean of both arms"
)
def _saturation_level(results: TaskResults, seed: int, at: float) -> float:
    return np.mean(results.optimizers[seed].responses.saturation_levels)


@_register(
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


@_register(
    "autonomous_learning_rate",
    "effective learning rate at iteration {at:g} of the autonomous trajectory",
)
def _autonomous_rate(results: TaskResults, seed: int, at: float) -> float:
    rates = results.optimizers[seed].responses.autonomous_learning_rates
    return rates[int(at)] if at < len(rates) else np.nan


@_register(
    "autonomous_learning_rate_peak", "largest effective learning rate of the autonomous trajectory"
)
def _autonomous_peak(results: TaskResults, seed: int, at: float) -> float:
    return results.optimizers[seed].responses.autonomous_learning_rates.max()


@_register("autonomous_peak_iteration", "iteration of the largest effective learning rate")
def _autonomous_peak_iteration(results: TaskResults, seed: int, at: float) -> float:
    return results.optimizers[seed].responses.autonomous_learning_rates.argmax()


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
        _register(f"{_name}_arm_{_quantity}", _text)(partial(_function, _arm))
