r"""An optimizer linearized at a point, taken apart into modes.

    h' ~ h* + J (h - h*) + j g,     dx ~ dx* + r^T (h' - h*),     J = R Lambda L,  L = R^-1

In mode coordinates z = L (h - h*) every mode runs alone, z_m' = lambda_m z_m + (L j)_m g, and adds
(r^T R)_m z_m' to the update. Scaled by that factor it is gradient descent with momentum,

    v' = lambda_m v - alpha_m g,  dx += v',    beta_m = |lambda_m|,  alpha_m = -(r^T R)_m (L j)_m,

so the optimizer near h* is *aggregated* momentum. alpha_m does not depend on how R's columns are
scaled; the alphas of conjugate modes are conjugate; their sum over all modes is -r^T j, the
effective learning rate at h*.

A conjugate pair is one mode: what the update shows of it is the sum of both members, 2 |alpha|
|lambda|^k cos(k angle + phase) after an impulse. Its learning rate, the response at k = 0, is
2 Re alpha; its size is 2 |alpha|. The leading and the slow mode (by size) and the cancellation
between modes count pairs whole. Eigenvalues that can't be told apart count as one mode, too, and
every mode has its error bars: ``modes``. Where the derivatives at g = 0 are not what gradients
meet, ``typical_...`` has those at +- a typical gradient.

Source: arXiv 2011.02159, section 4. Deviation: alpha is kept complex beside its real part.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float
from numpy.typing import ArrayLike

from lopt.analysis import root_search
from lopt.analysis.checks import check_component, check_states
from lopt.analysis.modes import (
    BACKWARD_ERROR,
    EPSILON,
    Modes,
    eigenmodes,
    perturbation_errors,
    unread_units,
    whole_rates,
    whole_sizes,
)
from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.shared import jit_by_function
from lopt.records.analysis import Linearization, ModeCode

__all__ = ["eigenmodes", "linearize", "timescale"]

# A mode takes part in optimization if its learning rate is at least this share of the largest.
TAKES_PART = 0.1


def linearize(
    component: ComponentOptimizer,
    point: Float[ArrayLike, " state"],
    g: float = 0.0,
    *,
    point_error: Float[ArrayLike, " state"] | None = None,
    typical_gradient: float | None = None,
) -> Linearization:
    """Return the derivatives of the optimizer at ``point`` and gradient ``g``, and its modes there.

    Args:
        component: the optimizer, float64.
        point: h*, usually a fixed point for the gradient ``g`` (nothing checks that it is one).
        g: the gradient at which the derivatives are taken.
        point_error: what each entry of the point is known to; it widens the error bars.
        typical_gradient: a size of |g| that runs meet (their median): the derivatives at
            -typical_gradient and typical_gradient are taken as well.

    Raises:
        ValueError: if ``point`` has another size or non-finite entries, or if the map isn't
            differentiable there.

    >>> from lopt.optimizers.momentum import Momentum, MomentumTheta
    >>> with jax.enable_x64(True):
    ...     component = Momentum().component(MomentumTheta(learning_rate=0.1, momentum=0.9))
    ...     modes = linearize(component, [0.0])
    >>> modes.momenta.tolist(), modes.learning_rates.tolist(), modes.timescales.round(2).tolist()
    ([0.9], [0.1], [9.49])
    """
    size = check_component(component)
    h = check_states("point", np.asarray(point)[None], size)[0]
    update, jacobian, input_vector, readout_vector = _derivatives(component, h, g)
    # An infinite slope in g makes autodiff's dF/dh NaN, too: the cause is named first.
    for name, part in (("dF/dg", input_vector), ("dF/dh", jacobian), ("readout", readout_vector)):
        if not np.all(np.isfinite(part)):
            raise ValueError(
                f"{name} is not finite at this point: the map is not differentiable there"
            )
    units, scaled, modes = _modes(jacobian, input_vector, readout_vector)
    alphas = _learning_rates(modes, *scaled[1:])
    rates = whole_rates(modes.eigenvalues, alphas)
    sizes = whole_sizes(modes.eigenvalues, alphas)
    # A cluster counts once, with its first member; a pair with the positive imaginary part.
    heads = np.zeros(size, bool)
    heads[np.unique(modes.clusters, return_index=True)[1]] = True
    heads &= np.imag(modes.eigenvalues) >= 0.0
    error = np.zeros(size) if point_error is None else np.asarray(point_error, np.float64)
    change = None
    if np.all(np.isfinite(error)) and error.any():
        moved = _derivatives(component, h + error, g)
        change = moved[1] - jacobian, moved[2] - input_vector, moved[3] - readout_vector
        change = _in_units(units, *change)
        if not all(np.all(np.isfinite(part)) for part in change):
            change = None
    rounding = BACKWARD_ERROR * EPSILON * float(np.linalg.norm(scaled[0]))
    value_errors, rate_errors = perturbation_errors(modes, *scaled[1:], rounding, change)
    right_vectors, left_vectors = units[:, None] * modes.right_vectors, modes.left_vectors / units
    if not np.all(np.isfinite(error)):
        value_errors, rate_errors = np.full((2, size), np.inf)
    code = ModeCode.RESOLVED
    if len(np.unique(modes.clusters)) < size:
        code = ModeCode.DEFECTIVE if modes.defective.any() else ModeCode.MERGED
    total = abs(float(rates[heads].sum()))
    typical = np.nan if typical_gradient is None else float(typical_gradient)
    typical_values, typical_alphas, typical_rates = _typical(component, h, typical)
    return Linearization(
        point=h,
        gradient=np.asarray(g, np.float64),
        update=update,
        jacobian=jacobian,
        input_vector=input_vector,
        readout_vector=readout_vector,
        eigenvalues=modes.eigenvalues,
        right_vectors=right_vectors,
        left_vectors=left_vectors,
        momenta=np.abs(modes.eigenvalues),
        complex_learning_rates=alphas,
        learning_rates=np.real(alphas),
        whole_learning_rates=rates,
        whole_sizes=sizes,
        heads=heads.astype(int),
        clusters=modes.clusters,
        eigenvalue_errors=value_errors,
        learning_rate_errors=rate_errors,
        mode_code=np.asarray(int(code)),
        timescales=timescale(np.abs(modes.eigenvalues)),
        condition_number=np.asarray(np.linalg.cond(right_vectors)),
        reconstruction_error=np.asarray(modes.reconstruction_error),
        slow_mode=np.asarray(_slow_mode(sizes, heads)),
        leading_mode=np.asarray(int(np.argmax(np.where(heads, sizes, -1.0)))),
        cancellation_ratio=np.asarray(sizes[heads].sum() / total if total > 0.0 else np.inf),
        typical_gradient=np.asarray(typical),
        typical_eigenvalues=typical_values,
        typical_complex_learning_rates=typical_alphas,
        typical_learning_rates=typical_rates,
    )


def _modes(
    jacobian: Float[np.ndarray, "state state"],
    input_vector: Float[np.ndarray, " state"],
    readout_vector: Float[np.ndarray, " state"],
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray], Modes]:
    """Return units in which no entry hides a mode, J, j and r in them, and the modes of these."""
    units = unread_units(jacobian)
    scaled = _in_units(units, jacobian, input_vector, readout_vector)
    return units, scaled, eigenmodes(*scaled)


def _in_units(
    units: Float[np.ndarray, " state"],
    jacobian: Float[np.ndarray, "state state"],
    input_vector: Float[np.ndarray, " state"],
    readout_vector: Float[np.ndarray, " state"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return J, j and r of a state whose entries are measured in ``units``."""
    return jacobian * units / units[:, None], input_vector / units, readout_vector * units


def _learning_rates(
    modes: Modes,
    input_vector: Float[np.ndarray, " state"],
    readout_vector: Float[np.ndarray, " state"],
) -> Complex[np.ndarray, " mode"]:
    """Return alpha_m, exactly conjugate within pairs and real for real eigenvalues."""
    alphas = -(readout_vector @ modes.right_vectors) * (modes.left_vectors @ input_vector)
    imaginary = np.imag(modes.eigenvalues)
    first = np.flatnonzero(imaginary > 0.0)
    alphas[first + 1] = alphas[first].conj()
    return np.where(imaginary == 0.0, np.real(alphas).astype(complex), alphas)


def _typical(
    component: ComponentOptimizer, point: Float[np.ndarray, " state"], typical: float
) -> tuple[Complex[np.ndarray, "2 mode"], Complex[np.ndarray, "2 mode"], Float[np.ndarray, "2"]]:
    """Return eigenvalues, alphas and effective learning rates at -typical and typical."""
    size = len(point)
    values, alphas = np.full((2, 2, size), np.nan, complex)
    rates = np.full(2, np.nan)
    for arm, g in enumerate((-typical, typical)):
        if not np.isfinite(g):
            continue
        _, jacobian, input_vector, readout_vector = _derivatives(component, point, g)
        rates[arm] = -readout_vector @ input_vector
        if np.all(np.isfinite(jacobian)) and np.isfinite(rates[arm]):
            _, scaled, modes = _modes(jacobian, input_vector, readout_vector)
            values[arm] = modes.eigenvalues
            alphas[arm] = _learning_rates(modes, *scaled[1:])
    return values, alphas, rates


def _slow_mode(sizes: Float[np.ndarray, " mode"], heads: Bool[np.ndarray, " mode"]) -> int:
    """Return the first (slowest) of the modes that gradients move and updates see.

    The slowest of all may do neither: a state that drifts along it is neither driven by a gradient
    nor felt by a parameter, and moving along it shows no momentum.
    """
    sizes = np.where(heads, sizes, 0.0)
    return int(np.argmax(heads & (sizes >= TAKES_PART * sizes.max())))


def _derivatives(
    component: ComponentOptimizer, point: Float[np.ndarray, " state"], g: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the update, J, j and r at one state and gradient."""
    h, gradient = jnp.asarray(point), jnp.asarray(g, jnp.float64)
    jacobian, input_vector = root_search.jacobian(component.transition, h, gradient)
    update, readout = _readout_at(component.transition, component.readout, h, gradient)
    return np.asarray(update), np.asarray(jacobian), np.asarray(input_vector), np.asarray(readout)


@jit_by_function("transition", "readout")
def _readout_at(
    transition: Callable, readout: Callable, h: Float[Array, " state"], g: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, " state"]]:
    """Return the readout and its gradient at F(h, g)."""
    return jax.value_and_grad(readout)(transition(h, g))


def timescale(momenta: Float[ArrayLike, "*mode"]) -> Float[np.ndarray, "*mode"]:
    """Return -1 / log(beta) in iterations: 0 at beta = 0, infinite at 1, negative beyond.

    >>> timescale([0.0, 0.5, 1.0]).round(3).tolist()
    [0.0, 1.443, inf]
    """
    with np.errstate(divide="ignore"):
        # log1p keeps the digits of 1 - beta where beta is close to 1.
        logarithms = np.log1p(np.asarray(momenta, np.float64) - 1.0)
        return np.where(logarithms == 0.0, np.inf, -1.0 / logarithms)
