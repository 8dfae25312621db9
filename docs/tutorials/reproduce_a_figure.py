# %% [markdown]
# # Reproduce a figure from the released weights
#
# lopt ships with trained optimizers. Here you load one, ask how it works, and draw the paper's figure about
# learning-rate schedules. Nothing is trained. All you need is `pip install` of the wheel.

# %%
import lopt

theta, metadata = lopt.load_released("linear_regression", seed=0)
family = lopt.make_family(metadata["optimizer"])
family

# %% [markdown]
# `theta` holds the weights of the network, `family` says what they mean, and `metadata` how they were trained.

# %%
print("trained for", metadata["meta_training"]["meta_steps"], "meta-steps on a", metadata["device"])
print("meta-objective on held-out problems:", round(metadata["evaluation_meta_objective"], 4))

# %% [markdown]
# ## Look inside
#
# One call runs the optimizer on eight problems and finds where its runs end. Then it linearizes there and measures
# how the optimizer answers to gradients.

# %%
found = lopt.analyze((family, theta), "linear_regression", name="released", problems=8)
print(found.summary())

# %% [markdown]
# ## Draw figure 4
#
# The upper panel shows the optimizer's state while no gradient comes in. The lower one shows its effective learning
# rate on the way: how large an update a small gradient would cause.

# %% alt="Path of the state without gradients, and the learning rate along it: it rises, then falls"
found.plot_schedule();

# %% [markdown]
# ## Hold it against the paper
#
# The paper's numbers were read off its figures, and lopt ships them.

# %%
from lopt.records.published import published_values

published = {
    value.at: float(value.published)
    for value in published_values()
    if value.task == "linear_regression" and value.quantity == "autonomous_learning_rate"
}
ours = found.responses.autonomous_learning_rates
for iteration, rate in published.items():
    print(f"iteration {iteration:3.0f}: published {rate:5.2f}, here {ours[int(iteration)]:5.2f}")
print("peak here:", round(float(ours.max()), 2), "at iteration", ours.argmax())

# %% [markdown]
# The shape agrees: a rise, a peak, a slow fall. The height of the peak does not. [Does it agree?](../agreement.md)
# says where else the released optimizers differ, and why.
#
# ## All figures, as files
#
# The workflow draws every figure of the study. In a clone of the project:
#
# ```
# snakemake --cores all --config scale=released fig4
# ```
#
# leaves `results/released/figures/fig4_learning_rate_schedules.pdf`, and a table with every number in it.
