# %% [markdown]
# # Reproduce a figure from the released weights
#
# lopt ships with trained optimizers. Here you load three of them and draw the paper's figure about
# learning-rate schedules, its figure 4, with the published numbers on top. Nothing is trained; the wheel is
# all you need.
#
# ## Load

# %%
import lopt

theta, metadata = lopt.load_released("linear_regression", seed=0)
family = lopt.make_family(metadata["optimizer"])
print(family)
print(
    "trained for",
    metadata["meta_training"]["meta_steps"],
    "meta-steps on a",
    metadata["device"],
)
print(
    "meta-objective on held-out problems:",
    round(metadata["evaluation_meta_objective"], 4),
)

# %% [markdown]
# `theta` holds the weights of a network. `family` says what they mean: `family.component(theta)` is the
# optimizer.
#
# ## Compute
#
# A schedule is what the optimizer does by itself. So we let its state run for 200 steps without any
# gradient, and ask at each step how large an update a small gradient would cause: the *effective learning
# rate* ([what that is](../concepts/responses.md)).

# %%
import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
TASKS = {
    "linear_regression": "Linear regression",
    "rosenbrock": "Rosenbrock",
    "two_moons": "Two moons",
}
states, rates = {}, {}
for task in TASKS:
    theta, metadata = lopt.load_released(task)
    family = lopt.make_family(metadata["optimizer"])
    optimizer = family.component(lopt.as_dtype(theta, "float64"))
    states[task] = lopt.autonomous_trajectory(optimizer, 200)
    rates[task] = np.asarray(lopt.effective_learning_rate(optimizer, states[task]))
    print(
        f"{task:18} {rates[task][0]:.3g} at the start, largest {rates[task].max():.3g} "
        f"at {rates[task].argmax()}, {rates[task][200]:.3g} in the end"
    )

# %% [markdown]
# ## Draw
#
# Top: the path of the 256 numbers of the state, on its two principal components, from the circle to the
# square. Bottom: the learning rate along the path. Crosses are the published values, which were read off
# the paper's figure and ship with lopt.

# %% alt="Top: paths of three states without gradients. Bottom: learning rates along them, and the published values"
import matplotlib.pyplot as plt
from lopt.records.published import published_values

figure, panels = plt.subplots(2, 3, figsize=(9, 5), layout="constrained")
for task, (above, below) in zip(TASKS, panels.T):
    centered = states[task] - states[task].mean(axis=0)
    path = centered @ np.linalg.svd(centered, full_matrices=False)[2][:2].T
    above.plot(*path.T, ".-", markersize=3, linewidth=0.7)
    above.plot(*path[0], "ko", *path[-1], "ks")
    above.set(title=TASKS[task], xlabel="component 1", ylabel="component 2")
    below.plot(rates[task], label="here")
    published = {
        value.at: float(value.published)
        for value in published_values()
        if value.task == task and value.quantity == "autonomous_learning_rate"
    }
    below.plot(*zip(*published.items()), "kx", label="published")
    below.set(
        xlabel="iteration",
        ylabel="learning rate",
        ylim=(0, 1.2 * max(published.values())),
    )
panels[1, 0].legend()
plt.show()

# %% [markdown]
# As published, only linear regression has a schedule: its learning rate rises, peaks and falls. The
# published peak is higher, and on two moons the published rate is, too. [What agrees](../agreement.md) says
# where else the released optimizers differ, and why.
#
# ## All figures, as files
#
# The workflow draws every figure of the study. In a clone of the project:
#
# ```
# snakemake --cores all --config scale=released -- fig4
# ```
#
# leaves `results/released/figures/fig4_learning_rate_schedules.pdf`, and a table with every number in it.
