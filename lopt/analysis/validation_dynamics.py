r"""Known answers about several attractors, continua, cycles, folds, Jordan blocks and jumps.

The optimizers and their closed forms are those of ``lopt.optimizers.known_dynamics`` and, for linear
ones with planted modes, ``lopt.optimizers.planted``: a line attractor has an eigenvalue 1, a slow
point one of 1 - 1e-5, both behind a random change of basis.
"""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from lopt.analysis.attractors import find_attractors
from lopt.analysis.branches import constant_gradient_fixed_points
from lopt.analysis.gains import gain, rates_at_zero
from lopt.analysis.linearization import linearize
from lopt.analysis.validation_rows import deviation, generator, row
from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.known_dynamics import (
    cycle_of_two,
    hysteresis,
    plant_jordan,
    rotation,
    sign_descent,
    two_wells,
)
from lopt.optimizers.planted import plant_modes
from lopt.optimizers.surrogates import LinearSurrogate, LinearSurrogateTheta
from lopt.records.analysis import Attractors, Code, ModeCode, RateCode, ValidationRow

__all__ = ["dynamics"]

SEPARATION = 1e-5
SLOW = 1.0 - 1e-5
EIGENVALUES, LEARNING_RATES = [0.9, 0.6 + 0.3j, -0.2], [0.5, 0.2 - 0.1j, 0.1]


def dynamics() -> Iterator[ValidationRow]:
    """Yield the rows of all of them."""
    yield from _two_wells()
    yield from _slow_point()
    yield from _line_attractor()
    yield from _cycles()
    yield from _fold()
    yield from _jordan_block()
    yield from _sign_descent()


def _linear(
    point: Float[ArrayLike, " state"],
    jacobian: Float[ArrayLike, "state state"],
    input_vector: Float[ArrayLike, " state"],
    readout_vector: Float[ArrayLike, " state"],
) -> ComponentOptimizer:
    theta = LinearSurrogateTheta(
        initial_state=jnp.asarray(point),
        point=jnp.asarray(point),
        jacobian=jnp.asarray(jacobian),
        input_vector=jnp.asarray(input_vector),
        readout_vector=jnp.asarray(readout_vector),
        update=jnp.zeros(()),
    )
    return LinearSurrogate().component(theta)


def _counts(
    name: str, found: Attractors, code: Code, stable: int, unstable: int
) -> Iterator[ValidationRow]:
    yield row(name, "stable attractors", stable, found.stable.sum(), 0.0)
    yield row(name, "unstable points", unstable, np.sum(found.stable == 0), 0.0)
    yield row(name, "code", code, found.codes[0], 0.0)


def _two_wells() -> Iterator[ValidationRow]:
    name, d = "two close attractors", SEPARATION
    # Three of four states start left of the unstable point between.
    late = [[1.0 - 0.5 * d], [1.0 + 0.4 * d], [1.0 + 0.9 * d], [1.0 + 2.2 * d]]
    found = find_attractors(two_wells(d), late)
    yield from _counts(name, found, Code.CONVERGED, 2, 0)
    for which, share, point in ((0, 0.75, 1.0), (1, 0.25, 1.0 + 2.0 * d)):
        label = ("larger", "smaller")[which]
        yield row(name, f"basin share of the {label}", share, found.basin_shares[which], 0.0)
        yield row(name, f"the {label}", point, found.points[which, 0], 1e-13)
        yield row(name, f"learning rate of the {label}", point, found.learning_rates[which], 1e-13)
        yield row(name, f"drift of the {label}", -0.5 * point**2, found.updates[which], 1e-13)
        yield row(name, f"eigenvalue of the {label}", 0.2, found.spectral_radii[which], 1e-9)


def _slow_point() -> Iterator[ValidationRow]:
    name = "slow point"
    random = generator(name)
    modes = plant_modes(random, [SLOW, *EIGENVALUES], [0.3, *LEARNING_RATES])
    point = random.standard_normal(len(modes[1]))
    late = point + random.standard_normal((8, len(point)))
    found = find_attractors(_linear(point, *modes), late)
    yield from _counts(name, found, Code.CONVERGED, 1, 0)
    yield row(name, "basin share", 1.0, found.basin_shares[0], 0.0)
    yield row(name, "spectral radius", SLOW, found.spectral_radii[0], 1e-12)
    yield row(name, "distance to the point", 0.0, deviation(found.points[0], point), 1e-9)
    beyond = np.maximum(0.0, np.abs(found.points[0] - point) - found.errors[0])
    yield row(name, "distance beyond the error stated", 0.0, beyond.max(), 0.0)


def _line_attractor() -> Iterator[ValidationRow]:
    name = "line attractor"
    random = generator(name)
    modes = plant_modes(random, [1.0, *EIGENVALUES], [0.3, *LEARNING_RATES])
    late = random.standard_normal((8, len(modes[1])))
    found = find_attractors(_linear(np.zeros(len(modes[1])), *modes), late)
    yield from _counts(name, found, Code.CONTINUUM, 1, 0)
    yield row(name, "attractors", 1.0, len(found.codes), 0.0)
    yield row(name, "basin share", 1.0, found.basin_shares[0], 0.0)
    yield row(name, "spectral radius", 1.0, found.spectral_radii[0], 1e-12)
    total = 0.3 + 0.5 + 2.0 * 0.2 + 0.1
    yield row(name, "effective learning rate", total, found.learning_rates[0], 1e-10)
    # Along the line the update is what of each state is left after very many steps.
    left = late @ np.linalg.matrix_power(np.asarray(modes[0]), 2**12).T @ np.asarray(modes[2])
    for end, truth in (("lowest", left.min()), ("highest", left.max())):
        found_end = found.update_intervals[0, int(end == "highest")]
        yield row(name, f"{end} drift", truth, found_end, 1e-9)


def _cycles() -> Iterator[ValidationRow]:
    name, r = "cycle of two", 3.2
    found = find_attractors(cycle_of_two(), [[0.2], [0.5], [0.9]])
    yield from _counts(name, found, Code.LIMIT_CYCLE, 1, 1)
    yield row(name, "period", 2.0, found.periods[0], 0.0)
    yield row(name, "basin share", 1.0, found.basin_shares[0], 0.0)
    yield row(name, "drift", -(r + 1.0) / (2.0 * r), found.updates[0], 1e-10)
    half = np.sqrt((r - 3.0) * (r + 1.0)) / (2.0 * r)
    yield row(name, "half its extent", half, found.errors[0, 0], 1e-10)
    multiplier = 4.0 + 2.0 * r - r**2
    yield row(name, "multiplier", np.sqrt(multiplier), found.spectral_radii[0], 1e-9)
    yield row(name, "unstable point", 1.0 - 1.0 / r, found.points[1, 0], 1e-12)
    name = "cycle that never closes"
    late = generator(name).standard_normal((4, 2))
    found = find_attractors(rotation(), late)
    yield from _counts(name, found, Code.LIMIT_CYCLE, 1, 1)
    yield row(name, "period", 0.0, found.periods[0], 0.0)
    yield row(name, "basin share", 1.0, found.basin_shares[0], 0.0)
    yield row(name, "radius", 1.0, np.linalg.norm(found.points[0]), 1e-10)
    yield row(name, "spectral radius of the point within", 1.2, found.spectral_radii[1], 1e-12)


def _fold() -> Iterator[ValidationRow]:
    name, fold = "fold", 2.0 / (3.0 * np.sqrt(3.0))
    gradients = np.array([-1.0, -0.5, -0.38, -0.2, -0.01, 0.02, 0.3, 1.0])
    found = constant_gradient_fixed_points(hysteresis(), [1.0], gradients)
    yield row(name, "code of the negative arm's end", Code.FOLD, found.end_codes[0], 0.0)
    yield row(name, "gradient of the fold", -fold, found.end_gradients[0], 1e-8)
    yield row(name, "code of the positive arm's end", Code.CONVERGED, found.end_codes[1], 0.0)
    yield row(name, "converged", 1.0, np.mean(found.codes == Code.CONVERGED), 0.0)
    on_branch = gradients > -fold
    apart = deviation(found.branches, np.where(on_branch, 0, 1))
    yield row(name, "deviation of branches", 0.0, apart, 0.0)
    # The largest root of h^3 - h = g on the branch, the only real one beyond.
    truth = []
    for g in gradients:
        roots = np.roots([1.0, 0.0, -1.0, -g])
        truth.append(np.max(roots[np.abs(roots.imag) < 1e-9].real))
    apart = deviation(found.points[:, 0], truth)
    yield row(name, "deviation of points", 0.0, apart, 1e-9)
    apart = deviation(found.spectral_radii, np.abs(1.3 - 0.9 * np.square(truth)))
    yield row(name, "deviation of eigenvalues", 0.0, apart, 1e-9)


def _jordan_block() -> Iterator[ValidationRow]:
    name = "jordan block"
    *derivatives, rate = plant_jordan(generator(name), 0.9, 2, [0.6, 0.3, -0.2])
    modes = linearize(_linear(np.zeros(5), *derivatives), np.zeros(5))
    yield row(name, "code of the modes", ModeCode.DEFECTIVE, modes.mode_code, 0.0)
    together = np.sum(modes.clusters == modes.clusters[0])
    yield row(name, "eigenvalues merged", 2.0, together, 0.0)
    yield row(name, "momentum of the block", 0.9, modes.momenta[0], 1e-9)
    yield row(name, "learning rate of the block", rate, modes.whole_learning_rates[0], 1e-9)
    beyond = abs(modes.whole_learning_rates[0] - rate) - modes.learning_rate_errors[0]
    yield row(name, "its error beyond the one stated", 0.0, max(0.0, float(beyond)), 0.0)
    total = -derivatives[2] @ derivatives[1]
    summed = modes.whole_learning_rates[modes.heads == 1].sum()
    yield row(name, "sum over modes", total, summed, 1e-9)


def _sign_descent() -> Iterator[ValidationRow]:
    name, alpha = "sign descent", 0.7
    component = sign_descent(alpha)
    for typical in (1e-4, 1.0, 300.0):
        found = rates_at_zero(component, [[0.0]], typical)
        quantity = f"code where |g| = {typical:g} is typical"
        yield row(name, quantity, RateCode.NOT_DIFFERENTIABLE, found.codes[0], 0.0)
        truth = 4.0 * alpha / (np.pi * typical)
        yield row(name, f"gain at |g| = {typical:g}", truth, found.learning_rates[0], 1e-12)
    mixed = gain(component, [[0.0]], [0.1, 10.0])[0]
    yield row(name, "gain at 0.1 over gain at 10", 100.0, mixed[0] / mixed[1], 1e-12)
