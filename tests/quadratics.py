"""Quadratic problems drawn by NumPy: compiling the task's own sampler would take seconds a test."""

import jax.numpy as jnp
import numpy as np

from lopt.tasks.linear_regression import Quadratic


def quadratics(count: int, dimension: int, dtype=jnp.float64) -> Quadratic:
    random = np.random.default_rng(0)
    roots = random.normal(size=(count, dimension, dimension)) / dimension**0.5
    return Quadratic(
        hessian=jnp.asarray(roots @ roots.swapaxes(1, 2), dtype),
        optimum=jnp.asarray(random.normal(size=(count, dimension)), dtype),
        start=jnp.asarray(random.normal(size=(count, dimension)), dtype),
    )
