r"""Surrogates: what remains of an optimizer when it is linearized, and when only a few modes are kept.

*Linear*: all of the linearization at h*,

    h' = h* + J (h - h*) + j g,        dx = dx* + r^T (h' - h*).

*Mode-truncated*: aggregated momentum with some of its modes, in mode coordinates
z_m = (r^T R)_m (L (h - h*))_m,

    z_m' = lambda_m z_m - alpha_m g,   dx = dx* + sum_{m kept} Re z_m'.

With every mode kept the two are the same optimizer, unless the linearization is defective (as that of a delay
is): what is nilpotent in it belongs to no mode, and only the linear surrogate has it. Both start at the
original's initial state, so the linear part of its start-up transient is kept, and both run like any family:
``evaluate(task, LinearSurrogate(), linear_surrogate(...), ...)``. A linearization in float64 may be lowered
to the precision of training with ``lopt.tasks.as_dtype``; complex arrays are lowered by JAX itself where 64
bits are off.

Source: arXiv 2011.02159, section 4.1 (linear approximations of the learned optimizer).
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Complex, Float, Int
from numpy.typing import ArrayLike

from lopt.optimizers.aggregated_momentum import AggregatedMomentumTheta
from lopt.optimizers.component import ComponentOptimizer, as_gradient_transformation

__all__ = [
    "LinearSurrogate",
    "LinearSurrogateTheta",
    "Linearized",
    "linear_surrogate",
    "select_modes",
    "truncated_surrogate",
]


class Linearized(Protocol):
    """What a surrogate needs of ``lopt.records.analysis.Linearization``, which explains the fields."""

    @property
    def point(self) -> Float[np.ndarray, " state"]: ...
    @property
    def gradient(self) -> Float[np.ndarray, ""]: ...
    @property
    def update(self) -> Float[np.ndarray, ""]: ...
    @property
    def jacobian(self) -> Float[np.ndarray, "state state"]: ...
    @property
    def input_vector(self) -> Float[np.ndarray, " state"]: ...
    @property
    def readout_vector(self) -> Float[np.ndarray, " state"]: ...
    @property
    def eigenvalues(self) -> Complex[np.ndarray, " mode"]: ...
    @property
    def right_vectors(self) -> Complex[np.ndarray, "state mode"]: ...
    @property
    def left_vectors(self) -> Complex[np.ndarray, "mode state"]: ...
    @property
    def momenta(self) -> Float[np.ndarray, " mode"]: ...
    @property
    def complex_learning_rates(self) -> Complex[np.ndarray, " mode"]: ...
    @property
    def eigenvalue_errors(self) -> Float[np.ndarray, " mode"]: ...
    @property
    def learning_rate_errors(self) -> Float[np.ndarray, " mode"]: ...


class LinearSurrogateTheta(NamedTuple):
    """The linearization's arrays, as in ``lopt.records.analysis.Linearization``."""

    initial_state: Float[Array, " state"]
    point: Float[Array, " state"]
    jacobian: Float[Array, "state state"]
    input_vector: Float[Array, " state"]
    readout_vector: Float[Array, " state"]
    update: Float[Array, ""]


@dataclass(frozen=True)
class LinearSurrogate:
    """The family of linearized optimizers."""

    def component(self, theta: LinearSurrogateTheta) -> ComponentOptimizer:
        """Return the optimizer as a dynamical system on one component."""

        def transition(
            h: Float[Array, "... state"], g: Float[Array, "..."]
        ) -> Float[Array, "... state"]:
            departure = (h - theta.point) @ theta.jacobian.T
            return theta.point + departure + g[..., None] * theta.input_vector

        def readout(h: Float[Array, "... state"]) -> Float[Array, "..."]:
            return theta.update + (h - theta.point) @ theta.readout_vector

        return ComponentOptimizer(theta.initial_state, transition, readout)

    def build(self, theta: LinearSurrogateTheta) -> optax.GradientTransformation:
        """Return the optimizer as an optax transformation."""
        return as_gradient_transformation(self.component(theta))


def linear_surrogate(
    linearization: Linearized, initial_state: Float[ArrayLike, " state"]
) -> LinearSurrogateTheta:
    """Return the theta of the linear surrogate.

    Raises:
        ValueError: if the linearization was not taken at g = 0, or the initial state has another
            size.
    """
    return LinearSurrogateTheta(
        _checked(linearization, initial_state),
        *(
            jnp.asarray(getattr(linearization, name))
            for name in ("point", "jacobian", "input_vector", "readout_vector", "update")
        ),
    )


def truncated_surrogate(
    linearization: Linearized,
    initial_state: Float[ArrayLike, " state"],
    modes: Int[ArrayLike, " mode"],
) -> AggregatedMomentumTheta:
    """Return the theta, for the family ``AggregatedMomentum``, that keeps only ``modes``.

    Args:
        linearization: at g = 0.
        initial_state: where the optimizer starts; the amplitudes of the kept modes there are kept.
        modes: indices of the modes to keep, conjugate pairs complete (see ``select_modes``).

    Raises:
        ValueError: as ``linear_surrogate``; if an index is out of range or repeated, or half of a
            conjugate pair is missing.
    """
    start = np.asarray(_checked(linearization, initial_state), np.float64)
    modes = np.asarray(modes, int)
    count = len(linearization.eigenvalues)
    if modes.ndim != 1 or len(set(modes.tolist())) != modes.size or not modes.size:
        raise ValueError(f"modes {modes.tolist()} is not a non-empty list of different indices")
    if np.any((modes < 0) | (modes >= count)):
        raise ValueError(f"modes {modes.tolist()} has indices outside 0 ... {count - 1}")
    if not np.isclose(np.sum(linearization.eigenvalues[modes]).imag, 0.0, atol=1e-12):
        raise ValueError(f"modes {modes.tolist()} holds half of a conjugate pair")
    weights = linearization.readout_vector @ linearization.right_vectors
    amplitudes = weights * (linearization.left_vectors @ (start - linearization.point))
    return AggregatedMomentumTheta(
        eigenvalues=jnp.asarray(linearization.eigenvalues[modes]),
        learning_rates=jnp.asarray(linearization.complex_learning_rates[modes]),
        initial_amplitudes=jnp.asarray(amplitudes[modes]),
        offset=jnp.asarray(linearization.update),
    )


def select_modes(
    linearization: Linearized,
    count: int,
    by: Literal["learning_rate", "momentum", "gain"] = "learning_rate",
) -> Int[np.ndarray, " mode"]:
    """Return the indices of the ``count`` leading modes, ascending, conjugate pairs complete.

    ``by`` ranks by |alpha| (the immediate response), by beta (the memory), or by the gain
    |alpha| / |1 - lambda| (the whole displacement that a unit impulse of the gradient causes): none of a mode
    that stays where it is and that no gradient moves, both as far as is known. A pair that straddles the cut
    is kept whole, so that one more than ``count`` may come back.

    Raises:
        ValueError: if ``count`` is not in 1 ... modes, or ``by`` is unknown.
    """
    rates = np.abs(linearization.complex_learning_rates)
    left = np.abs(1.0 - linearization.eigenvalues)
    # Otherwise the gain would be one rounding error over another.
    idle = (left <= linearization.eigenvalue_errors) & (rates <= linearization.learning_rate_errors)
    sizes = {
        "learning_rate": rates,
        "momentum": linearization.momenta,
        "gain": np.where(idle, 0.0, rates / np.maximum(left, np.finfo(float).tiny)),
    }
    if by not in sizes:
        raise ValueError(f"by is {by!r}, expected one of {', '.join(sizes)}")
    if not 1 <= count <= len(linearization.eigenvalues):
        raise ValueError(f"count is {count}, expected 1 ... {len(linearization.eigenvalues)}")
    imaginary = np.imag(linearization.eigenvalues)
    kept: set[int] = set()
    for mode in np.argsort(-sizes[by], kind="stable"):
        if len(kept) >= count:
            break
        # The positive imaginary part stands first in a pair.
        kept.add(int(mode))
        if imaginary[mode]:
            kept.add(int(mode + np.sign(imaginary[mode])))
    return np.array(sorted(kept))


def _checked(
    linearization: Linearized, initial_state: Float[ArrayLike, " state"]
) -> Float[Array, " state"]:
    if float(linearization.gradient) != 0.0:
        raise ValueError(
            f"the linearization was taken at g = {float(linearization.gradient)}, expected 0"
        )
    initial_state = jnp.asarray(initial_state)
    if initial_state.shape != linearization.point.shape:
        raise ValueError(
            f"initial_state has shape {initial_state.shape}, but the linearized optimizer's state "
            f"has {linearization.point.shape}"
        )
    return initial_state
