# %% [markdown]
# # Look inside my own optax optimizer
#
# Any [optax](https://optax.readthedocs.io) transformation can be asked how it works. Here is one with three
# mechanisms that we know, because we put them there: clipping, momentum, and a learning rate that warms up
# and decays.

# %%
import lopt
import optax

schedule = optax.warmup_cosine_decay_schedule(
    0.0, 0.3, warmup_steps=20, decay_steps=150
)
mine = optax.chain(optax.clip(0.5), optax.sgd(schedule, momentum=0.9))

# %% [markdown]
# ## Ask
#
# What is not part of the optimizer's memory has to be held still while we look. Here that is the step count
# of the schedule, and we hold it at step 20, where the warm-up ends.

# %%
held = lopt.from_optax(mine, held_count=20)
found = lopt.analyze(held, "linear_regression", name="mine", problems=8)
print(found.summary())

# %% [markdown]
# Every answer comes with its number, and with the rule that turned the number into a yes or a no. The
# answers recover what we put in: momentum 0.9, a learning rate of 0.3, saturation, a schedule.
#
# A single answer is a value that programs can use:

# %%
momentum = found.answer("momentum")
print(momentum.answer, round(momentum.measured, 3))

# %% [markdown]
# ## See
#
# Momentum is one eigenvalue of the optimizer at 0.9 (bottom). It shifts the update function up and down as
# it is, without changing its shape (middle).

# %% alt="States, update functions along the slow mode, and eigenvalues of my optimizer"
found.plot_momentum()
# %% [markdown]
# Clipping is visible in the update function at the start: it is flat beyond a gradient of 0.5.

# %% alt="Update function of my optimizer at the initial state: flat beyond 0.5"
found.plot_clipping()

# %% [markdown]
# ## Keep
#
# `found.report("mine.html")` writes one page with all answers and figures, and a slider that moves the
# state. From a shell, `lopt analyze my_module:mine --report mine.html` does the same.
#
# * Loops of your own, in JAX, NumPy or PyTorch: [Any optimizer](../any_optimizer.md).
# * What the words mean: [Concepts](../concepts/dynamical_system.md).
