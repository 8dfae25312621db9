"""Record a training loop of your own, and analyze its optimizer on the gradients that it met there."""

import jax
import jax.numpy as jnp
import optax

import lopt

x = jnp.linspace(-3.0, 3.0, 100)
params = {"weights": 0.5 * jax.random.normal(jax.random.key(0), (2, 16)), "biases": jnp.zeros(16)}


def loss(params):
    hidden = jnp.tanh(x[:, None] * params["weights"][0] + params["biases"])
    return jnp.mean((hidden @ params["weights"][1] - jnp.sin(x)) ** 2)


optimizer = lopt.recorder(optax.adamw(0.01), steps=300)  # the one line that is new
state, step = optimizer.init(params), jax.jit(jax.value_and_grad(loss))
for _ in range(300):
    value, gradient = step(params)
    updates, state = jax.jit(optimizer.update)(gradient, state, params)
    params = optax.apply_updates(params, updates)
lopt.save_recording("run.npz", state)
print(lopt.analyze(optax.adamw(0.01), "run.npz", name="adamw in my loop").summary())
