r"""Known answers: the analysis applied to optimizers whose answers are known in closed form.

``validate`` runs the functions that read learned optimizers (fixed points, linearization,
responses) on hand-made ones and compares what they return with what those were built from. Each
row of the table is one number. The error is |found - truth|, relative to |truth| where that
exceeds 1; "largest deviation" rows compare a whole curve or spectrum, their truth is 0.

Closed forms (notation of the modules under ``lopt.optimizers``):

* momentum: eigenvalue beta, alpha_1 = effective learning rate = alpha;
* aggregated momentum behind a random change of basis: every lambda_m and alpha_m;
* RMSProp under a constant g: s* = g^2, effective learning rate alpha / sqrt(gamma g^2 + epsilon);
* Adam under a constant g: m* = g, s* = g^2, rate alpha (1 - b1) / (sqrt(b2) |g| + epsilon); along
  the autonomous trajectory alpha (1 - b1) / ((1 - b1^(k+1)) epsilon), its bias correction;
* clipped descent: saturates at alpha * threshold, half of it at threshold / 2;
* scheduled descent, and optax's with its counter in the state: the schedule;
* a GRU with planted weights: its fixed point, spectrum and learning rates.

``validation_scales`` adds four adaptive optimizers over seven decades of gradients,
``validation_dynamics`` several attractors, continua, cycles, folds, Jordan blocks and jumps,
``validation_interventions`` what removing a mechanism costs that is there or is not,
``validation_stability`` closed loops with a quadratic.
Everything is fixed (seeds and parameters), float64, and takes under a minute.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float
from numpy.typing import ArrayLike

from lopt.analysis.fixed_points import analyze_fixed_points
from lopt.analysis.linearization import linearize
from lopt.analysis.responses import effective_learning_rate, saturation
from lopt.analysis.trajectories import autonomous_trajectory
from lopt.analysis.validation_dynamics import dynamics
from lopt.analysis.validation_interventions import interventions
from lopt.analysis.validation_rows import deviation, generator, row
from lopt.analysis.validation_scales import adaptive_optimizers
from lopt.analysis.validation_stability import stability
from lopt.learned.gru import GRU
from lopt.learned.planted_gru import plant_gru
from lopt.optimizers.adam import Adam, AdamTheta
from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.from_optax import from_optax
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.optimizers.planted import plant_modes
from lopt.optimizers.rmsprop import RMSProp, RMSPropTheta
from lopt.optimizers.sgd import ClippedSGD, ClippedSGDTheta, ScheduledSGD, ScheduledSGDTheta
from lopt.optimizers.surrogates import LinearSurrogate, LinearSurrogateTheta
from lopt.records.analysis import Code, FixedPointAnalysis, Linearization, ValidationRow

__all__ = ["validate"]

GRADIENTS = np.array([-3.0, -0.3, 0.03, 3.0])
STEPS = 50


def validate() -> list[ValidationRow]:
    """Return the table of known answers, row by row.

    Raises:
        ValueError: if JAX runs without float64.
    """
    checks: tuple[Callable[[], Iterator[ValidationRow]], ...] = (
        _momentum,
        _aggregated_momentum,
        _rmsprop,
        _adam,
        _clipped,
        _scheduled,
        _optax,
        _planted_gru,
        adaptive_optimizers,
        dynamics,
        interventions,
        stability,
    )
    return [entry for check in checks for entry in check()]


def _analyze(
    component: ComponentOptimizer, starts: Float[ArrayLike, "start state"]
) -> tuple[FixedPointAnalysis, Linearization]:
    """Return the fixed points, and the modes at the convergence point."""
    found = analyze_fixed_points(component, starts, starts, GRADIENTS)
    return found, linearize(component, found.convergence_point)


def _starts(name: str, rows: int, size: int) -> Float[np.ndarray, "start state"]:
    return generator(name).standard_normal((rows, size))


def _point_rows(
    name: str, found: FixedPointAnalysis, point: Float[ArrayLike, " state"]
) -> Iterator[ValidationRow]:
    """Compare the convergence point, its speed and its basin."""
    yield row(name, "distance to fixed point", 0.0, deviation(found.convergence_point, point), 1e-9)
    yield row(name, "speed at fixed point", 0.0, found.convergence_speed, 1e-20)
    yield row(name, "code of the fixed point", Code.CONVERGED, found.convergence_code, 0.0)
    yield row(name, "starts that found it", 1.0, np.mean(found.groups == 0), 0.0)
    yield row(name, "basin share", 1.0, found.basin_share, 0.0)


def _momentum() -> Iterator[ValidationRow]:
    theta = MomentumTheta(learning_rate=3.7585, momentum=0.881)
    component = Momentum().component(theta)
    found, modes = _analyze(component, _starts("momentum", 8, 1))
    yield from _point_rows("momentum", found, [0.0])
    yield row("momentum", "momentum", theta.momentum, modes.momenta[0], 1e-10)
    yield row("momentum", "learning rate", theta.learning_rate, modes.learning_rates[0], 1e-10)
    rates = effective_learning_rate(component, autonomous_trajectory(component, STEPS))
    apart = deviation(rates, np.full(STEPS + 1, theta.learning_rate))
    yield row("momentum", "deviation along autonomous trajectory", 0.0, apart, 1e-10)
    truth = GRADIENTS[:, None] / (1.0 - theta.momentum)
    apart = deviation(found.constant_gradient_points, truth)
    yield row("momentum", "deviation of constant-gradient points", 0.0, apart, 1e-10)


def _aggregated_momentum() -> Iterator[ValidationRow]:
    spectra = {
        "aggregated momentum (real modes)": ([0.999, 0.9, 0.5, 0.0], [0.01, 1.0, 0.3, 0.05]),
        "aggregated momentum (complex modes)": (
            [0.98, 0.9 + 0.1j, 0.6 + 0.3j],
            [0.02, 0.5 - 0.2j, 0.1 + 0.3j],
        ),
    }
    for name, (eigenvalues, learning_rates) in spectra.items():
        jacobian, input_vector, readout_vector = plant_modes(
            generator(name), eigenvalues, learning_rates
        )
        zeros = jnp.zeros_like(input_vector)
        component = LinearSurrogate().component(
            LinearSurrogateTheta(
                zeros, zeros, jacobian, input_vector, readout_vector, jnp.zeros(())
            )
        )
        found, modes = _analyze(component, _starts(name, 8, len(zeros)))
        yield from _point_rows(name, found, zeros)
        yield from _mode_rows(name, component, modes, eigenvalues, learning_rates, 1e-10)


def _mode_rows(
    name: str,
    component: ComponentOptimizer,
    modes: Linearization,
    eigenvalues: list[complex],
    learning_rates: list[complex],
    tolerance: float,
) -> Iterator[ValidationRow]:
    """Compare every mode; of a conjugate pair, the member with the positive imaginary part."""
    heads = np.flatnonzero(np.imag(modes.eigenvalues) >= 0.0)
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    for head, planted in zip(heads, order, strict=True):
        for part, value in (("momentum", np.abs), ("angle", np.angle)):
            truth, found = value(eigenvalues[planted]), value(modes.eigenvalues[head])
            if part == "momentum" or np.iscomplex(eigenvalues[planted]):
                yield row(name, f"{part} of mode {head}", truth, found, tolerance)
        truth, found = complex(learning_rates[planted]), modes.complex_learning_rates[head]
        yield row(name, f"learning rate of mode {head}", truth.real, found.real, tolerance)
        if np.iscomplex(eigenvalues[planted]):
            quantity = f"imaginary learning rate of mode {head}"
            yield row(name, quantity, truth.imag, found.imag, tolerance)
    total = sum(
        np.real(rate) * (2.0 if np.iscomplex(value) else 1.0)
        for value, rate in zip(eigenvalues, learning_rates, strict=True)
    )
    found = effective_learning_rate(component, modes.point)
    yield row(name, "effective learning rate", total, found, tolerance)


def _rmsprop() -> Iterator[ValidationRow]:
    theta = RMSPropTheta(learning_rate=0.05, decay=0.9, epsilon=1e-6)
    component = RMSProp().component(theta)
    found, modes = _analyze(component, np.abs(_starts("rmsprop", 8, 2)))
    yield from _point_rows("rmsprop", found, np.zeros(2))
    yield row("rmsprop", "momentum of mode 0", theta.decay, modes.momenta[0], 1e-10)
    yield row("rmsprop", "learning rate of mode 0", 0.0, modes.learning_rates[0], 1e-10)
    truth = np.stack([GRADIENTS**2, GRADIENTS], axis=1)
    apart = deviation(found.constant_gradient_points, truth)
    yield row("rmsprop", "deviation of constant-gradient points", 0.0, apart, 1e-9)
    rates = effective_learning_rate(component, found.constant_gradient_points)
    for g, rate in zip(GRADIENTS, rates, strict=True):
        truth = theta.learning_rate / np.sqrt(theta.decay * g**2 + theta.epsilon)
        yield row("rmsprop", f"effective learning rate after g = {g:g}", truth, rate, 1e-9)


def _adam() -> Iterator[ValidationRow]:
    theta = AdamTheta(learning_rate=0.02, b1=0.9, b2=0.99, epsilon=1e-3)
    component = Adam().component(theta)
    starts = np.abs(_starts("adam", 8, 4)) * [1.0, 1.0, 0.1, 0.1]
    found, modes = _analyze(component, starts)
    yield from _point_rows("adam", found, np.zeros(4))
    truth = [theta.b2, theta.b2, theta.b1, theta.b1]
    yield row("adam", "deviation of momenta", 0.0, deviation(modes.momenta, truth), 1e-10)
    truth = np.stack([GRADIENTS, GRADIENTS**2, 0 * GRADIENTS, 0 * GRADIENTS], axis=1)
    apart = deviation(found.constant_gradient_points, truth)
    yield row("adam", "deviation of constant-gradient points", 0.0, apart, 1e-9)
    rates = effective_learning_rate(component, found.constant_gradient_points)
    scale = theta.learning_rate * (1.0 - theta.b1)
    for g, rate in zip(GRADIENTS, rates, strict=True):
        truth = scale / (np.sqrt(theta.b2) * np.abs(g) + theta.epsilon)
        yield row("adam", f"effective learning rate after g = {g:g}", truth, rate, 1e-9)
    rates = effective_learning_rate(component, autonomous_trajectory(component, STEPS))
    corrections = 1.0 - theta.b1 ** np.arange(1, STEPS + 2)
    apart = deviation(rates, scale / (corrections * theta.epsilon))
    yield row("adam", "deviation along autonomous trajectory", 0.0, apart, 1e-10)


def _clipped() -> Iterator[ValidationRow]:
    theta = ClippedSGDTheta(learning_rate=0.5, threshold=0.8)
    component = ClippedSGD().component(theta)
    found = saturation(component, component.initial_state, np.linspace(-3.0, 3.0, 62))
    level = theta.learning_rate * theta.threshold
    for arm, name in enumerate(("negative", "positive")):
        yield row("clipped sgd", f"saturation level, {name} arm", level, found.levels[arm], 1e-12)
        threshold = 2.0 * found.half_gradients[arm]
        yield row("clipped sgd", f"threshold, {name} arm", theta.threshold, threshold, 1e-10)
        yield row("clipped sgd", f"final slope, {name} arm", 0.0, found.slopes[arm], 1e-12)
    rate = effective_learning_rate(component, component.initial_state)
    yield row("clipped sgd", "effective learning rate", theta.learning_rate, rate, 1e-12)


def _scheduled() -> Iterator[ValidationRow]:
    k = np.arange(STEPS)
    schedule = (1.0 + k) * np.exp(-k / 10.0)
    component = ScheduledSGD().component(ScheduledSGDTheta(jnp.asarray(schedule)))
    found, _ = _analyze(component, autonomous_trajectory(component, 7))
    yield from _point_rows("scheduled sgd", found, [float(STEPS), 0.0])
    rates = effective_learning_rate(component, autonomous_trajectory(component, STEPS))
    apart = deviation(rates, np.append(schedule, schedule[-1]))
    yield row("scheduled sgd", "deviation from its schedule", 0.0, apart, 1e-10)


def _optax() -> Iterator[ValidationRow]:
    schedule = optax.warmup_cosine_decay_schedule(0.1, 2.0, 10, STEPS, 0.05)
    component = from_optax(optax.sgd(schedule), held_count=None)
    rates = effective_learning_rate(component, autonomous_trajectory(component, STEPS))
    apart = deviation(rates, jax.vmap(schedule)(jnp.arange(STEPS + 1)))
    # optax evaluates the schedule of its 32-bit counter in float32.
    yield row("optax sgd on a schedule", "deviation from it", 0.0, apart, 1e-6)
    component = from_optax(optax.sgd(0.3, momentum=0.95))
    found, modes = _analyze(component, _starts("optax", 8, 2))
    yield from _point_rows("optax sgd with momentum", found, np.zeros(2))
    yield row("optax sgd with momentum", "momentum", 0.95, modes.momenta[0], 1e-10)
    yield row("optax sgd with momentum", "learning rate", 0.3, modes.learning_rates[0], 1e-10)


def _planted_gru() -> Iterator[ValidationRow]:
    eigenvalues: list[Any] = [0.995, 0.98, 0.9 + 0.05j, 0.8, *np.linspace(0.6, -0.11, 15)]
    learning_rates: list[Any] = [0.001, 0.01, 1.0 - 0.5j, 0.2, *np.linspace(0.1, -0.05, 15)]
    jacobian, input_vector, readout_vector = plant_modes(
        generator("planted modes"), eigenvalues, learning_rates
    )
    units = len(input_vector)
    point = 0.5 * jnp.tanh(jnp.asarray(_starts("planted point", 1, units)[0]))
    theta = plant_gru(generator("planted gru"), point, jacobian, input_vector, readout_vector)
    component = GRU(units).component(theta)
    starts = np.asarray(point) + 0.01 * _starts("planted starts", 200, units)
    found, modes = _analyze(component, starts)
    yield from _point_rows("planted gru", found, point)
    yield from _mode_rows(
        "planted gru", component, modes, eigenvalues, learning_rates, tolerance=1e-8
    )
