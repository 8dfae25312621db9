r"""How an optimizer answers to gradients, state by state.

    update function at h:           g -> dx(g) = readout(F(h, g))
    effective learning rate at h:   -d(dx)/dg at g = 0

Both come straight from the optimizer, the slope by forward-mode autodiff; nothing is linearized
about anything but the state itself. ``respond`` evaluates them wherever the study looks: at the
initial state, along the autonomous trajectory, at positions along the slow mode and at the fixed
points of constant gradients, and projects those states onto the principal axes of the visited
ones. The slopes that it returns are checked against secants, and replaced by gains where they
don't exist (``gains``).

Units: updates are in units of the parameters, gradients of loss per parameter.

Source: arXiv 2011.02159, sections 4.1-4.4 and figures 2-5.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from lopt.analysis import projection
from lopt.analysis.checks import check_component, check_grid, check_states
from lopt.analysis.gains import RateReadings, gain, rates_at_zero, secants
from lopt.analysis.readings import read
from lopt.optimizers.component import ComponentOptimizer, check_shapes
from lopt.optimizers.shared import jit_by_function
from lopt.records.analysis import (
    FixedPointAnalysis,
    Linearization,
    RateCode,
    Responses,
    Trajectories,
)

__all__ = [
    "Saturation",
    "effective_learning_rate",
    "local_response",
    "mode_direction",
    "respond",
    "saturation",
    "typical_gradient",
    "update_function",
]

BISECTIONS = 60
GAIN_DECADES = np.arange(-6.0, 2.5, 0.5)  # of |g| around a typical one, for curves of the gain


def update_function(
    component: ComponentOptimizer,
    states: Float[ArrayLike, "*rows state"],
    gradients: Float[ArrayLike, " update_grid"],
) -> Float[Array, "*rows update_grid"]:
    """Return dx(g) = readout(F(h, g)) at every state, for every gradient.

    >>> from lopt.optimizers.momentum import Momentum, MomentumTheta
    >>> component = Momentum().component(MomentumTheta(learning_rate=0.5, momentum=0.9))
    >>> update_function(component, jnp.array([[0.0], [10.0]]), jnp.array([-2.0, 2.0])).tolist()
    [[1.0, -1.0], [-3.5, -5.5]]

    Raises:
        ValueError: if a function of the optimizer has wrong shapes, or the states are not of its size.
    """
    states = _rows(component, states)
    flat = _updates(
        component.transition,
        component.readout,
        states.reshape(-1, states.shape[-1]),
        jnp.asarray(gradients, states.dtype),
    )
    return flat.reshape(*states.shape[:-1], -1)


def effective_learning_rate(
    component: ComponentOptimizer, states: Float[ArrayLike, "*rows state"], g: float = 0.0
) -> Float[Array, "*rows"]:
    """Return -d(dx)/dg at every state, at g = 0 unless another gradient is given.

    >>> from lopt.optimizers.momentum import Momentum, MomentumTheta
    >>> component = Momentum().component(MomentumTheta(learning_rate=0.5, momentum=0.9))
    >>> effective_learning_rate(component, jnp.array([[0.0], [10.0]])).tolist()
    [0.5, 0.5]

    Raises:
        ValueError: as ``update_function``.
    """
    return local_response(component, states, g)[1]


def local_response(
    component: ComponentOptimizer, states: Float[ArrayLike, "*rows state"], g: float = 0.0
) -> tuple[Float[Array, "*rows"], Float[Array, "*rows"]]:
    """Return the update dx and the effective learning rate -d(dx)/dg, both at ``g``.

    Raises:
        ValueError: as ``update_function``.
    """
    return _respond_at(component, _rows(component, states), g)


def _rows(
    component: ComponentOptimizer, states: Float[ArrayLike, "*rows state"]
) -> Float[Array, "*rows state"]:
    size, states = check_shapes(component), jnp.asarray(states)
    if states.ndim == 0 or states.shape[-1] != size:
        raise ValueError(f"states has shape {list(states.shape)}, expected [..., {size}]")
    return states


def _respond_at(
    component: ComponentOptimizer, states: Float[ArrayLike, "*rows state"], g: float
) -> tuple[Float[Array, "*rows"], Float[Array, "*rows"]]:
    states = jnp.asarray(states)
    gradients = jnp.full(states.shape[:-1], g, states.dtype)
    return _local_response(component.transition, component.readout, states, gradients)


@jit_by_function("transition", "readout")
def _updates(
    transition: Callable, readout: Callable, states: Array, gradients: Array
) -> Float[Array, "row update_grid"]:
    def one(h: Array) -> Array:
        return readout(transition(jnp.broadcast_to(h, (len(gradients), len(h))), gradients))

    # State by state: all at once would hold rows x grid x state numbers.
    return jax.lax.map(one, states)


@jit_by_function("transition", "readout")
def _local_response(
    transition: Callable, readout: Callable, states: Array, gradients: Array
) -> tuple[Float[Array, "*rows"], Float[Array, "*rows"]]:
    def update(gradients: Array) -> Array:
        return readout(transition(states, gradients))

    updates, slopes = jax.jvp(update, (gradients,), (jnp.ones_like(gradients),))
    return updates, -slopes


class Saturation(NamedTuple):
    """How one arm (0: g < 0, 1: g > 0) of an update function bends; see ``Responses``."""

    levels: Float[np.ndarray, "2"]
    half_gradients: Float[np.ndarray, "2"]
    slopes: Float[np.ndarray, "2"]


def saturation(
    component: ComponentOptimizer,
    state: Float[ArrayLike, " state"],
    gradients: Float[ArrayLike, " update_grid"],
) -> Saturation:
    """Return level, gradient of half the level, and final over initial slope of the update function.

    The level is the largest |dx(g) - dx(0)| on the grid's arm; the smallest |g| at which half of
    it is reached is bracketed on the grid and bisected to rounding. A clipped update -alpha
    clip(g, t) gives levels alpha t, half gradients t / 2 and slopes 0; a linear one slopes 1. An
    arm without grid points gives NaN.

    Raises:
        ValueError: if the grid is empty, unsorted or non-finite, or the state is.
    """
    gradients = check_grid("gradients", gradients)
    state = check_states("state", np.asarray(state)[None])[0]

    updates = np.asarray(update_function(component, state, gradients))

    def at(g: float) -> tuple[float, float]:
        update, rate = _respond_at(component, state, g)  # many times: checked already
        return float(update), float(rate)

    intercept, initial_rate = at(0.0)
    levels, halves, slopes = np.full((3, 2), np.nan)
    for arm, sign in enumerate((-1.0, 1.0)):
        on_arm = sign * gradients > 0.0
        if not on_arm.any():
            continue
        outward = np.argsort(np.abs(gradients[on_arm]))
        grid = np.abs(gradients[on_arm])[outward]
        sizes = np.abs(updates[on_arm] - intercept)[outward]
        levels[arm] = sizes.max()
        if initial_rate:
            slopes[arm] = at(sign * grid[-1])[1] / initial_rate
        if not np.isfinite(levels[arm]) or levels[arm] == 0.0:
            continue
        first = int(np.argmax(sizes >= 0.5 * levels[arm]))
        low, high = (grid[first - 1] if first else 0.0), grid[first]
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            reached = abs(at(sign * middle)[0] - intercept) >= 0.5 * levels[arm]
            low, high = (low, middle) if reached else (middle, high)
        halves[arm] = high
    return Saturation(levels, halves, slopes)


def mode_direction(linearization: Linearization, mode: int) -> Float[np.ndarray, " state"]:
    """Return the real unit vector along a mode, signed so that moving along it raises the update.

    A complex mode spans a plane: the direction in it is the one whose readout is largest.
    """
    vector = linearization.right_vectors[:, mode]
    response = linearization.readout_vector @ vector
    if abs(response) <= 1e-12 * np.linalg.norm(linearization.readout_vector):
        # The update does not see this mode: its largest entry is made real and positive.
        response = vector[np.argmax(np.abs(vector))]
    direction = np.real(vector * np.conj(response))
    return direction / np.linalg.norm(direction)


def respond(
    component: ComponentOptimizer,
    trajectories: Trajectories,
    fixed_points: FixedPointAnalysis,
    linearization: Linearization,
    *,
    update_gradients: Float[ArrayLike, " update_grid"],
    slow_mode_positions: Float[ArrayLike, " position"] | Sequence[float] = (
        -0.8,
        -0.4,
        0.0,
        0.4,
        0.8,
    ),
    axes: int = 10,
    tolerance: float = 1e-6,
) -> Responses:
    """Return every response that figures 2-5 show.

    Args:
        component: the optimizer, float64.
        trajectories: what its runs visited.
        fixed_points: its convergence point and constant-gradient fixed points.
        linearization: its modes at the convergence point.
        update_gradients: strictly ascending grid of the update functions.
        slow_mode_positions: strictly ascending distances from the convergence point along the slow
            mode; the default fills figure 2's window of 1 around that point.
        axes: how many principal axes to keep.
        tolerance: as in ``find_fixed_points``.

    Raises:
        ValueError: for an optimizer that is not float64, results of another optimizer (other
            sizes), or an empty or unsorted grid.
    """
    size = check_component(component)
    grid = check_grid("update_gradients", update_gradients)
    h_star = check_states("convergence_point", fixed_points.convergence_point[None], size)[0]
    visited = check_states("visited_states", trajectories.visited_states, size)
    autonomous = check_states("autonomous_states", trajectories.autonomous_states, size)
    constant = check_states("constant_gradient_points", fixed_points.constant_gradient_points, size)
    direction = mode_direction(linearization, int(linearization.slow_mode))
    positions = check_grid("slow_mode_positions", slow_mode_positions)
    along = h_star + positions[:, None] * direction
    bend = saturation(component, autonomous[0], grid)
    # Many states at a time, so that each function is compiled for one shape.
    curves = _split(
        [along, autonomous[:1], constant], lambda states: update_function(component, states, grid)
    )
    groups = [along, autonomous, constant, h_star[None]]
    intercepts = _split(groups, lambda states: local_response(component, states)[0])
    typical = typical_gradient(trajectories)
    checked = rates_at_zero(component, np.concatenate(groups), typical)
    ends = np.cumsum([len(group) for group in groups])[:-1]
    slow, path, branch, end = (
        RateReadings(*parts) for parts in zip(*(np.split(a, ends) for a in checked), strict=True)
    )
    intervals = _rate_intervals(component, fixed_points, h_star, branch, end, typical, tolerance)
    amplitudes = typical * 10.0**GAIN_DECADES

    principal_axes, ratios = projection.principal_axes(visited, axes)
    slow_mode_pair, overlaps = projection.overlap_pair(principal_axes, direction)
    project = partial(projection.project, principal_axes, origin=h_star)
    values = {
        "update_gradients": grid,
        "slow_mode_direction": direction,
        "slow_mode_positions": positions,
        "slow_mode_states": along,
        "slow_mode_updates": curves[0],
        "slow_mode_intercepts": intercepts[0],
        "slow_mode_learning_rates": slow.learning_rates,
        "slow_mode_rate_codes": slow.codes,
        "initial_updates": curves[1][0],
        "initial_intercept": intercepts[1][0],
        "initial_learning_rate": path.learning_rates[0],
        "initial_rate_code": path.codes[0],
        "initial_gain": path.gains[0],
        "saturation_levels": bend.levels,
        "half_saturation_gradients": bend.half_gradients,
        "saturation_slopes": bend.slopes,
        "autonomous_learning_rates": path.learning_rates,
        "autonomous_rate_codes": path.codes,
        "autonomous_gains": path.gains,
        "autonomous_updates": intercepts[1],
        "constant_gradients": fixed_points.constant_gradients,
        "constant_gradient_branches": fixed_points.constant_gradient_branches,
        "constant_gradient_learning_rates": branch.learning_rates,
        "constant_gradient_learning_rate_intervals": intervals[1:],
        "constant_gradient_rate_codes": branch.codes,
        "constant_gradient_gains": branch.gains,
        "constant_gradient_intercepts": intercepts[2],
        "constant_gradient_updates": curves[2],
        "constant_gradient_shown": _shown(fixed_points.constant_gradients),
        "convergence_learning_rate": end.learning_rates[0],
        "convergence_learning_rate_interval": intervals[0],
        "convergence_rate_code": end.codes[0],
        "convergence_update": fixed_points.convergence_update,
        "convergence_update_interval": fixed_points.convergence_update_interval,
        "typical_gradient": typical,
        "gain_amplitudes": amplitudes,
        "convergence_gains": gain(component, h_star[None], amplitudes)[0],
        "convergence_secants": secants(component, h_star[None], amplitudes)[0],
        "principal_axes": principal_axes,
        "explained_variance_ratios": ratios,
        "slow_mode_overlaps": overlaps,
        "slow_mode_pair": slow_mode_pair,
        "autonomous_pair": projection.extent_pair(project(autonomous)),
        "constant_gradient_pair": projection.extent_pair(project(constant)),
        "projected_visited": project(visited),
        "projected_convergence_point": project(h_star),
        "projected_attractors": project(fixed_points.attractor_points),
        "projected_slow_mode_direction": projection.project(principal_axes, direction),
        "projected_slow_mode_states": project(along),
        "projected_autonomous": project(autonomous),
        "projected_constant_gradient": project(constant),
    }
    return Responses(**{name: np.asarray(value) for name, value in values.items()})


def typical_gradient(trajectories: Trajectories) -> float:
    """Return the median of the |g| that runs met."""
    levels, quantiles = trajectories.gradient_quantile_levels, trajectories.gradient_quantiles
    return float(np.interp(0.5, levels, quantiles))


def _rate_intervals(
    component: ComponentOptimizer,
    fixed_points: FixedPointAnalysis,
    h_star: Float[np.ndarray, " state"],
    branch: RateReadings,
    end: RateReadings,
    typical: float,
    tolerance: float,
) -> Float[np.ndarray, "one_plus_constant_grid 2"]:
    """Return what the errors of h* and of the constant-gradient points leave open of their rates."""
    points = np.concatenate([h_star[None], fixed_points.constant_gradient_points])
    errors = np.concatenate(
        [fixed_points.convergence_error[None], fixed_points.constant_gradient_errors]
    )
    intervals = read(component, points, errors, tolerance).learning_rate_intervals
    jumps = np.append(end.codes, branch.codes) == RateCode.NOT_DIFFERENTIABLE
    for row in np.flatnonzero(jumps & np.all(np.isfinite(errors), axis=1)):
        corners = points[row] + np.array([[0.0], [1.0], [-1.0]]) * errors[row]
        gains = gain(component, corners, np.array([typical]))
        intervals[row] = np.nanmin(gains), np.nanmax(gains)
    return intervals


def _split(
    groups: list[Float[np.ndarray, "rows state"]], function: Callable[[np.ndarray], Array]
) -> list[np.ndarray]:
    """Apply ``function`` to the rows of all ``groups`` at once, and split the result again."""
    result = np.asarray(function(np.concatenate(groups)))
    return np.split(result, np.cumsum([len(group) for group in groups])[:-1])


def _shown(gradients: Float[np.ndarray, " constant_grid"]) -> Int[np.ndarray, " shown"]:
    """Return the rows of the largest and the middle |g| of each arm: four, or fewer if few."""
    rows: set[int] = set()
    for arm in (np.flatnonzero(gradients < 0.0)[::-1], np.flatnonzero(gradients > 0.0)):
        if arm.size:
            rows |= {int(arm[-1]), int(arm[(len(arm) - 1) // 2])}
    return np.array(sorted(rows), dtype=np.int64)
