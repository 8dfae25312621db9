r"""An optimizer linearised at a point, taken apart into modes.

    h' ~ h* + J (h - h*) + j g,     dx ~ dx* + r^T (h' - h*),     J = R Lambda L,  L = R^-1

In mode coordinates z = L (h - h*) every mode runs alone, z_m' = lambda_m z_m + (L j)_m g, and adds
(r^T R)_m z_m' to the update. Scaled by that factor it is gradient descent with momentum,

    v' = lambda_m v - alpha_m g,  dx += v',    beta_m = |lambda_m|,  alpha_m = -(r^T R)_m (L j)_m,

so the optimizer near h* is *aggregated* momentum. alpha_m does not depend on how R's columns are
scaled; the alphas of conjugate modes are conjugate; their sum over all modes is -r^T j, the
effective learning rate at h*.

The eigenvalues come from LAPACK (NumPy, outside any trace) in float64. Where J is far from
normal, R is ill-conditioned and L and alpha lose as many digits as ``condition_number`` has;
``reconstruction_error`` says what is left, and a matrix without a basis of eigenvectors is an
error.

Source: arXiv 2011.02159, section 4. Deviation: alpha is kept complex beside its real part.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Complex, Float

from lopt.analysis import root_search
from lopt.analysis.checks import check_component, check_states
from lopt.optimizers.component import ComponentOptimizer
from lopt.records.analysis import Linearization

__all__ = ["eigenmodes", "linearize", "timescale"]

LARGEST_RECONSTRUCTION_ERROR = 1e-6
# A mode takes part in optimization if its learning rate is at least this share of the largest.
TAKES_PART = 0.1


def linearize(
    component: ComponentOptimizer, point: Float[ArrayLike, " state"], g: float = 0.0
) -> Linearization:
    """Return the derivatives of the optimizer at ``point`` and gradient ``g``, and its modes there.

    Args:
        component: the optimizer, float64.
        point: h*, usually a fixed point for the gradient ``g`` (nothing checks that it is one).
        g: the gradient at which the derivatives are taken.

    Raises:
        ValueError: if ``point`` has another size or non-finite entries, if the map isn't
            differentiable there, or if J has no basis of eigenvectors (to 1e-6).

    >>> from lopt.optimizers.momentum import Momentum, MomentumTheta
    >>> with jax.enable_x64(True):
    ...     component = Momentum().component(MomentumTheta(learning_rate=0.1, momentum=0.9))
    ...     modes = linearize(component, [0.0])
    >>> modes.momenta.tolist(), modes.learning_rates.tolist(), modes.timescales.round(2).tolist()
    ([0.9], [0.1], [9.49])
    """
    size = check_component(component)
    point = check_states("point", np.asarray(point)[None], size)[0]
    h, gradient = jnp.asarray(point), jnp.asarray(g, jnp.float64)
    jacobian, input_vector = map(
        np.asarray, root_search.jacobian(component.transition, h, gradient)
    )
    update, readout_vector = map(
        np.asarray, _readout_at(component.transition, component.readout, h, gradient)
    )
    for name, part in (("dF/dh", jacobian), ("dF/dg", input_vector), ("readout", readout_vector)):
        if not np.all(np.isfinite(part)):
            raise ValueError(
                f"{name} is not finite at this point: the map is not differentiable there"
            )
    eigenvalues, right, left, error = eigenmodes(jacobian)
    alphas = -(readout_vector @ right) * (left @ input_vector)
    return Linearization(
        point=point,
        gradient=np.asarray(gradient),
        update=update,
        jacobian=jacobian,
        input_vector=input_vector,
        readout_vector=readout_vector,
        eigenvalues=eigenvalues,
        right_vectors=right,
        left_vectors=left,
        momenta=np.abs(eigenvalues),
        complex_learning_rates=alphas,
        learning_rates=alphas.real,
        timescales=timescale(np.abs(eigenvalues)),
        condition_number=np.asarray(np.linalg.cond(right)),
        reconstruction_error=np.asarray(error),
        slow_mode=np.asarray(_slow_mode(alphas)),
        leading_mode=np.asarray(np.argmax(np.abs(alphas))),
    )


@partial(jax.jit, static_argnames=("transition", "readout"))
def _readout_at(
    transition: Callable, readout: Callable, h: Float[Array, " state"], g: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, " state"]]:
    """Return the readout and its gradient at F(h, g)."""
    return jax.value_and_grad(readout)(transition(h, g))


def eigenmodes(
    jacobian: Float[np.ndarray, "state state"],
) -> tuple[
    Complex[np.ndarray, " mode"],
    Complex[np.ndarray, "state mode"],
    Complex[np.ndarray, "mode state"],
    float,
]:
    """Return eigenvalues, R, L = R^-1 and the relative error of R Lambda L.

    Sorted by |lambda|, largest first; conjugate pairs adjacent, positive imaginary part first.

    Raises:
        ValueError: if that error exceeds 1e-6.

    >>> values, right, left, error = eigenmodes(np.array([[0.0, -0.5], [0.5, 0.0]]))
    >>> values.round(12).tolist()
    [0.5j, -0.5j]
    """
    values, right = np.linalg.eig(jacobian)
    values, right = values.astype(np.complex128), right.astype(np.complex128)
    # LAPACK returns conjugate pairs adjacent, positive imaginary part first: pairs move as one.
    heads = [m for m in range(len(values)) if values[m].imag >= 0.0]
    heads.sort(key=lambda m: -abs(values[m]))
    order = [k for m in heads for k in ((m, m + 1) if values[m].imag > 0.0 else (m,))]
    values, right = values[order], right[:, order]
    try:
        left = np.linalg.inv(right)
    except np.linalg.LinAlgError:
        left = np.full_like(right, np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.linalg.norm((right * values) @ left - jacobian)
        error /= max(np.linalg.norm(jacobian), np.finfo(float).tiny)
    if not error <= LARGEST_RECONSTRUCTION_ERROR:
        raise ValueError(
            f"the Jacobian has no usable basis of eigenvectors: R Lambda R^-1 differs from it by "
            f"{error:.1e} (at most {LARGEST_RECONSTRUCTION_ERROR:g}), condition number of R "
            f"{np.linalg.cond(right):.1e}"
        )
    return values, right, left, float(error)


def _slow_mode(alphas: Complex[np.ndarray, " mode"]) -> int:
    """Return the first (slowest) of the modes that gradients move and updates see.

    The slowest of all may do neither: a state that drifts along it is neither driven by a gradient
    nor felt by a parameter, and moving along it shows no momentum.
    """
    rates = np.abs(alphas)
    return int(np.argmax(rates >= TAKES_PART * rates.max()))


def timescale(momenta: Float[ArrayLike, "*mode"]) -> Float[np.ndarray, "*mode"]:
    """Return -1 / log(beta) in iterations: 0 at beta = 0, infinite at 1, negative beyond.

    >>> timescale([0.0, 0.5, 1.0]).round(3).tolist()
    [0.0, 1.443, inf]
    """
    with np.errstate(divide="ignore"):
        # log1p keeps the digits of 1 - beta where beta is close to 1.
        logarithms = np.log1p(np.asarray(momenta, np.float64) - 1.0)
        return np.where(logarithms == 0.0, np.inf, -1.0 / logarithms)
