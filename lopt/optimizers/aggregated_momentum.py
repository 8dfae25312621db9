r"""Aggregated momentum: several modes of gradient descent with momentum, real or complex, summed.

    z_m' = lambda_m z_m - alpha_m g,        dx = offset + sum_m Re z_m'

A real mode (lambda, alpha > 0) is the heavy ball with momentum lambda and learning rate alpha.
Complex modes come in conjugate pairs and oscillate while they decay; listing one of a pair with
twice its alpha gives the same update. This is what an optimizer is near its convergence point, so
the family also holds the mode-truncated surrogates of ``lopt.optimizers.surrogates``.

The state is (Re z_1, ..., Re z_M, Im z_1, ..., Im z_M). A real mode's imaginary entry stays zero,
but doubles its eigenvalue lambda: J has lambda_m and its conjugate for every m.

Source: Lucas, Sun, Zemel and Grosse 2019, "Aggregated momentum"; arXiv 2011.02159, section 4.1.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Complex, Float

from lopt.optimizers.component import ComponentOptimizer, as_gradient_transformation

__all__ = ["AggregatedMomentum", "AggregatedMomentumTheta"]


class AggregatedMomentumTheta(NamedTuple):
    """Modes, their initial amplitudes, and the update that is added whatever the state."""

    eigenvalues: Complex[Array, " mode"] | Float[Array, " mode"]
    learning_rates: Complex[Array, " mode"] | Float[Array, " mode"]
    initial_amplitudes: Complex[Array, " mode"] | Float[Array, " mode"]
    offset: Float[Array, ""] | float


@dataclass(frozen=True)
class AggregatedMomentum:
    """The family of aggregated-momentum optimizers; the number of modes is theta's."""

    def component(self, theta: AggregatedMomentumTheta) -> ComponentOptimizer:
        """Return the optimizer as a dynamical system on one component.

        Raises:
            ValueError: if the arrays of ``theta`` are not vectors of one length.
        """
        eigenvalues, learning_rates, amplitudes = map(jnp.asarray, theta[:3])
        shapes = {array.shape for array in (eigenvalues, learning_rates, amplitudes)}
        if len(shapes) != 1 or eigenvalues.ndim != 1:
            raise ValueError(
                "eigenvalues, learning_rates and initial_amplitudes have shapes "
                f"{eigenvalues.shape}, {learning_rates.shape} and {amplitudes.shape}; expected one "
                "vector length"
            )
        modes = len(eigenvalues)

        def transition(
            h: Float[Array, "... state"], g: Float[Array, "..."]
        ) -> Float[Array, "... state"]:
            real, imaginary, g = h[..., :modes], h[..., modes:], g[..., None]
            return jnp.concatenate(
                [
                    eigenvalues.real * real
                    - eigenvalues.imag * imaginary
                    - learning_rates.real * g,
                    eigenvalues.imag * real
                    + eigenvalues.real * imaginary
                    - learning_rates.imag * g,
                ],
                axis=-1,
            )

        def readout(h: Float[Array, "... state"]) -> Float[Array, "..."]:
            return theta.offset + jnp.sum(h[..., :modes], axis=-1)

        initial = jnp.concatenate([amplitudes.real, amplitudes.imag])
        return ComponentOptimizer(initial, transition, readout)

    def build(self, theta: AggregatedMomentumTheta) -> optax.GradientTransformation:
        """Return the optimizer as an optax transformation."""
        return as_gradient_transformation(self.component(theta))
