# %% [markdown]
# # Modes
#
# Close to the fixed point $h^*$ every smooth optimizer is linear. The linear map falls into **modes** that
# do not know of each other, and each mode is one heavy ball: momentum with a decay and a learning rate of
# its own.
#
# $$ J = \frac{\partial F}{\partial h}, \qquad j = \frac{\partial F}{\partial g}, \qquad J = R\, \Lambda\, R^{-1} $$
#
# $$ \beta_m = |\lambda_m|, \qquad \alpha_m = -(r^\top R)_m\, (R^{-1} j)_m $$
#
# | symbol | meaning |
# |---|---|
# | $J$, $j$ | derivatives of the transition at $h^*$, by the state and by the gradient |
# | $\Lambda$, $\lambda_m$ | eigenvalues of $J$, one a mode |
# | $R$ | the matrix of its eigenvectors |
# | $r$ | derivative of the readout by the state |
# | $\beta_m$ | momentum of mode $m$: what is left of it after one step |
# | $\alpha_m$ | learning rate of mode $m$: how much of a gradient it turns into an update |
#
# $|\lambda_m| < 1$ means that the mode forgets. Close to 1 it forgets slowly, and adds up the gradients of
# many steps.
#
# ## The call

# %%
import jax
import lopt
import matplotlib.pyplot as plt
import numpy as np

jax.config.update("jax_enable_x64", True)

theta, metadata = lopt.load_released("linear_regression")
optimizer = lopt.make_family(metadata["optimizer"]).component(
    lopt.as_dtype(theta, "float64")
)
late = lopt.autonomous_trajectory(optimizer, 1000)[-1:]
rest = lopt.convergence_point(optimizer, late)

modes = lopt.linearize(optimizer, rest.point)
largest = np.argsort(-np.abs(modes.learning_rates))[:4]
print("eigenvalues   ", np.round(modes.eigenvalues[largest], 4))
print("learning rates", np.round(modes.learning_rates[largest], 2))

# %% [markdown]
# ## The modes of a trained optimizer
#
# All 256 eigenvalues of the released optimizer of linear regression, with the unit circle. Color: the size
# of the mode's learning rate. Most modes do nothing. Those that matter lie near the right end, where
# momentum lives. The cross is tuned momentum, with its decay of 0.891.

# %% alt="256 eigenvalues in the unit circle, few of them with a learning rate, near the right end"
turn = np.exp(2j * np.pi * np.linspace(0, 1, 200))
order = np.argsort(np.abs(modes.learning_rates))
values = modes.eigenvalues[order]
figure, axes = plt.subplots(figsize=(5.5, 4.2), layout="constrained")
axes.plot(turn.real, turn.imag, color="0.8", linewidth=1)
points = axes.scatter(
    values.real, values.imag, c=np.abs(modes.learning_rates[order]), s=14, cmap="cool"
)
axes.plot(0.891, 0, "rx")
axes.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
figure.colorbar(points, label="learning rate")
plt.show()

# %% [markdown]
# Tuned momentum is the winner of a search over 2,500 settings, kept in `weights/baselines`
# ([how](../baselines.md)). Every eigenvalue and learning rate has an error bar: `modes.eigenvalue_errors`,
# `modes.learning_rate_errors`.
#
# Next: [how it answers to gradients that are not small](responses.md).
