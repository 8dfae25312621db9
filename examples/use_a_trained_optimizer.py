"""Use a trained optimizer on a problem of your own, as any other optax optimizer.

python examples/use_a_trained_optimizer.py results/laptop/meta_training/linear_regression/seed_0/theta.npz
"""

import sys

import jax
import jax.numpy as jnp
import optax

import lopt

family, theta, _ = lopt.load_optimizer(sys.argv[1])
optimizer = family.build(theta)  # an optax.GradientTransformation

# The problem: fit a line to points. Any pytree of parameters will do.
x = jnp.linspace(-1.0, 1.0, 50)
y = 2.0 * x - 1.0
params = {"slope": jnp.zeros(()), "intercept": jnp.zeros(())}


def loss(params):
    return 0.5 * jnp.mean((params["slope"] * x + params["intercept"] - y) ** 2)


@jax.jit
def step(params, state):
    value, gradient = jax.value_and_grad(loss)(params)
    updates, state = optimizer.update(gradient, state, params)
    return optax.apply_updates(params, updates), state, value


state = optimizer.init(params)
for iteration in range(101):
    params, state, value = step(params, state)
    if iteration % 20 == 0:
        print(f"iteration {iteration}: loss {value:.6f}")
