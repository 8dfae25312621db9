r"""Random linear regression: convex quadratics with log-uniform eigenvalues.

    f(x) = 1/2 (x - x*)^T H (x - x*),    H = Q diag(lambda) Q^T,    x* = -H^{-1} v

with log10(lambda) ~ U(-3, 0) independently, Q a Haar-random orthonormal basis, v ~ N(0, I), and the
start x_0 ~ N(0, I). The minimum is 0. The mean start loss is

    E f(x_0) = n/2 (E[lambda] + E[1/lambda]),

361.9 for n = 5, as published (10^2.56).

Source: arXiv 2011.02159, section 3; the authors' task ``quad(5, -3, 0)``.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lopt.fields import Size
from lopt.records.portraits import ConditionNumbers
from lopt.tasks.base import Task, portrait_problems

__all__ = ["LinearRegression", "Quadratic"]


class Quadratic(NamedTuple):
    """One quadratic problem."""

    hessian: Float[Array, "components components"]
    optimum: Float[Array, " components"]
    start: Float[Array, " components"]


@dataclass(frozen=True)
class LinearRegression(Task):
    """Quadratics of ``dimension`` variables, eigenvalues 10^U(log10_smallest, log10_largest)."""

    label: ClassVar[str] = "Linear Regression"
    sizes: ClassVar[tuple[str, ...]] = ("dimension",)
    least_components: ClassVar[int | str | tuple[str, str, int]] = "dimension"
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (
        ("log10_smallest_eigenvalue", "log10_largest_eigenvalue"),
    )

    dimension: Size = 5
    """[parameters] Number of parameters of a problem."""
    log10_smallest_eigenvalue: float = -3.0
    """[log10 of a curvature] Where eigenvalues of the Hessian begin; at most the largest."""
    log10_largest_eigenvalue: float = 0.0
    """[log10 of a curvature] Where they end."""

    @property
    def components(self) -> int:
        return self.dimension

    def sample(self, key: jax.Array) -> Quadratic:
        n, dtype = self.dimension, jnp.float32
        key_eigenvalues, key_basis, key_linear, key_start = jax.random.split(key, 4)
        log10_eigenvalues = jax.random.uniform(
            key_eigenvalues,
            (n,),
            dtype,
            self.log10_smallest_eigenvalue,
            self.log10_largest_eigenvalue,
        )
        eigenvalues = 10.0**log10_eigenvalues
        # QR of a Gaussian matrix is Haar-distributed once the signs of R's diagonal are divided out.
        q, r = jnp.linalg.qr(jax.random.normal(key_basis, (n, n), dtype))
        basis = q * jnp.sign(jnp.diagonal(r))
        linear_term = jax.random.normal(key_linear, (n,), dtype)
        return Quadratic(
            hessian=(basis * eigenvalues) @ basis.T,
            optimum=-basis @ ((basis.T @ linear_term) / eigenvalues),
            start=jax.random.normal(key_start, (n,), dtype),
        )

    def init(self, problem: Quadratic) -> Float[Array, " components"]:
        return problem.start

    def loss(self, problem: Quadratic, x: Float[Array, " components"]) -> Float[Array, ""]:
        # Written around the optimum: expanding the square would lose the last digits of a loss
        # that falls by seven orders of magnitude.
        distance = x - problem.optimum
        if self.dimension > 8:  # the sum below has dimension^2 / 2 terms to compile
            return 0.5 * jnp.sum(distance * jnp.sum(problem.hessian * distance, axis=-1))
        # Written out, because hundreds of calls of a 5 x 5 product per step, batched over problems,
        # cost more than the optimizer: products of numbers fuse into one elementwise loop over the
        # problems, ten times faster. ``split``, because its derivative is a concatenation.
        d = [part[0] for part in jnp.split(distance, self.dimension)]
        total: Float[Array, ""] | float = 0.0
        for i, row in enumerate(jnp.split(problem.hessian, self.dimension)):
            h = [part[0, 0] for part in jnp.split(row, self.dimension, axis=1)]
            below = sum((h[j] * d[j] for j in range(i)), 0.5 * h[i] * d[i])  # H is symmetric
            total += d[i] * below
        return cast(Array, total)

    def portrait(self) -> ConditionNumbers:
        """Return the condition numbers, and the heavy ball that is fastest on these eigenvalues."""
        hessians = np.asarray(portrait_problems(self).hessian, np.float64)
        eigenvalues = np.linalg.eigvalsh(hessians)
        # Polyak 1964, as ``lopt.optimizers.momentum.optimal_momentum``; here, so that the task does not
        # depend on a baseline's file.
        low, high = (
            10.0 ** (self.log10_smallest_eigenvalue / 2),
            10.0 ** (self.log10_largest_eigenvalue / 2),
        )
        return ConditionNumbers(
            log10_condition_numbers=np.log10(eigenvalues[:, -1] / eigenvalues[:, 0]),
            optimal_learning_rate=np.asarray(4.0 / (high + low) ** 2, np.float64),
            optimal_momentum=np.asarray(((high - low) / (high + low)) ** 2, np.float64),
        )
