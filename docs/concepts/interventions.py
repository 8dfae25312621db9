# %% [markdown]
# # Interventions
#
# A mechanism that can be seen need not matter. To learn what it is worth, **remove it** and run the
# optimizer again, on the same problems. The changed optimizer differs from the trained one in this one
# thing:
#
# | removed | the map that is left |
# |---|---|
# | clipping | $F(h, 0) + \frac{\partial F}{\partial g}(h, 0)\, g$: linear in the gradient |
# | adaptation | $h^* + J\,(h - h^*) + F(h^*, g) - F(h^*, 0)$: linear in the state |
# | memory | $F(h^*, g)$: whatever the state is |
# | the schedule | $F$, started at $h^*$ |
#
# What it costs is the ratio of the mean losses along the way:
#
# $$ \text{cost} = \frac{M_\text{changed}}{M_\text{intact}}, \qquad
# M = \frac{1}{T+1} \sum_{k=0}^{T} \frac{f(x_k)}{f(x_0)} $$
#
# | symbol | meaning |
# |---|---|
# | $h^*$, $J$ | the [fixed point](fixed_points.md), and the derivative of $F$ by the state there |
# | $f(x_k)$ | the loss at iteration $k$ of $T = 200$ |
# | $M$ | the meta-objective: what training made small; here its mean over 32 problems |
#
# ## The call

# %%
import jax
import lopt
import matplotlib.pyplot as plt
from lopt.analysis.interventions import Intervened, IntervenedTheta

jax.config.update("jax_enable_x64", True)

theta, metadata = lopt.load_released("linear_regression")
theta = lopt.as_dtype(theta, "float64")
family = lopt.make_family(metadata["optimizer"])
optimizer = family.component(theta)
rest = lopt.convergence_point(
    optimizer, lopt.autonomous_trajectory(optimizer, 1000)[-1:]
)
modes = lopt.linearize(optimizer, rest.point)

task = lopt.make_task("linear_regression")
problems = lopt.as_dtype(
    lopt.sample_batch(task, lopt.stream(0, "concepts"), 32), "float64"
)
intact = lopt.evaluate(task, family, theta, problems, steps=200)
changed = IntervenedTheta(theta, rest.point, modes.jacobian)

losses = {"intact": intact}
for mechanism in ("no_clipping", "no_schedule", "no_adaptation", "no_memory"):
    losses[mechanism] = lopt.evaluate(
        task, Intervened(family, mechanism), changed, problems, steps=200
    )
for name, values in losses.items():
    cost = lopt.meta_objective(values).mean() / lopt.meta_objective(intact).mean()
    print(f"{name:14} cost {float(cost):.3g}")

# %% [markdown]
# ## What is lost
#
# The median loss over the 32 problems, relative to where they start. A mechanism that is worth nothing
# leaves the curve where it was. Without memory the optimizer is slow from the first steps on.

# %% alt="Median loss over 200 iterations of the intact optimizer and of four without one mechanism"
figure, axes = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
for name, values in losses.items():
    median = jax.numpy.median(values / values[:, :1], axis=0)
    axes.semilogy(
        median, "k" if name == "intact" else "-", label=name.replace("_", " ")
    )
axes.set(xlabel="iteration", ylabel="median relative loss")
axes.legend()
plt.show()

# %% [markdown]
# `lopt.analyze(..., interventions=True)` does this for any optimizer, with error bars and with runs that
# diverge counted. [Mechanisms](../mechanisms.md) has the study's answers for all tasks.
