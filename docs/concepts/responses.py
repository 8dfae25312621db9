# %% [markdown]
# # Responses
#
# What does the optimizer do with a gradient, in a given state? Its **update function** at the state $h$
# says it, for gradients of any size. Its slope for small gradients is the **effective learning rate**.
#
# $$ \Delta x(g) = r(F(h, g)), \qquad \eta(h) = -\left.\frac{\partial\, \Delta x}{\partial g}\right|_{g = 0} $$
#
# | symbol | meaning |
# |---|---|
# | $\Delta x(g)$ | the update that a gradient $g$ causes in the state $h$ |
# | $\eta(h)$ | the effective learning rate in that state |
# | $F$, $r$ | transition and readout, as in [a dynamical system](dynamical_system.md) |
#
# Gradient descent has the straight line $-\eta g$, whatever the state. Three things can be different, and
# each is a mechanism of its own:
#
# * **Clipping:** the line bends and becomes flat for large gradients.
# * **Momentum:** the state shifts the line up or down.
# * **Schedules and adaptation:** the state changes the slope.
#
# ## The call

# %%
import jax
import lopt
import matplotlib.pyplot as plt
import numpy as np

jax.config.update("jax_enable_x64", True)

theta, metadata = lopt.load_released("rosenbrock")
optimizer = lopt.make_family(metadata["optimizer"]).component(
    lopt.as_dtype(theta, "float64")
)

gradients = np.linspace(-200, 200, 401)
updates = lopt.update_function(optimizer, optimizer.initial_state, gradients)
rate = lopt.effective_learning_rate(optimizer, optimizer.initial_state)
print(
    f"effective learning rate {float(rate):.2e}, largest update {float(abs(updates).max()):.3f}"
)

# %% [markdown]
# ## Clipping, seen
#
# The update function of the released optimizer of Rosenbrock's function, in its initial state. Dashed: gradient
# descent with the same learning rate. On this task gradients reach a thousand. The larger they are, the less the
# update grows with them.

# %% alt="Update function of the released Rosenbrock optimizer: a straight line near 0 that flattens for large gradients"
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.plot(gradients, updates, label="learned")
axes.plot(gradients, -rate * gradients, "k--", linewidth=1, label="gradient descent")
limit = 1.3 * float(abs(updates).max())
axes.set(xlabel="gradient", ylabel="update", ylim=(-limit, limit))
axes.legend()
plt.show()

# %% [markdown]
# Next: [what each mechanism is worth](interventions.md).
