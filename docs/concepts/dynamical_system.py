# %% [markdown]
# # An optimizer is a dynamical system
#
# An optimizer remembers. What it remembers of one parameter is its **state** $h$, a handful of numbers or a
# few hundred. At iteration $k$ it reads the gradient $g_k$ of that parameter, changes its state, and reads
# an update from it:
#
# $$ h_{k+1} = F(h_k, g_k), \qquad x_{k+1} = x_k + r(h_{k+1}) $$
#
# | symbol | meaning |
# |---|---|
# | $x_k$ | the parameter that is optimized, at iteration $k$ |
# | $g_k$ | the gradient of the loss by this parameter |
# | $h_k$ | the optimizer's state for this parameter |
# | $F$ | the transition: how a gradient changes the state |
# | $r$ | the readout: the update that a state causes |
#
# Momentum has this form. Its state is one number, the velocity $v$, with $F(v, g) = \beta v + g$ and $r(v)
# = -\alpha v$. A trained network has it, too: the released one below has 256 numbers per parameter. Every
# parameter has a state of its own, and all share $F$ and $r$.
#
# ## The call
#
# In lopt this form is a `ComponentOptimizer`. `record` runs one on a problem and keeps everything:

# %%
import jax.numpy as jnp
import lopt
import matplotlib.pyplot as plt

theta, metadata = lopt.load_released("linear_regression")
optimizer = lopt.make_family(metadata["optimizer"]).component(theta)
task = lopt.make_task("linear_regression")
problem = task.sample(lopt.stream(0, "concepts"))

run = lopt.record(task, optimizer, problem, steps=200)
print(
    "state:",
    optimizer.initial_state.shape,
    " states met:",
    run.h.shape,
    "(iteration, parameter, state)",
)

# %% [markdown]
# ## A real run
#
# The released optimizer on a quadratic of five parameters. Left: the loss. Right: ten of the 256 numbers that
# it remembers of the first parameter. They move fast while gradients are large, and slowly afterwards. Late in
# the run the loss stops falling: even at rest this optimizer takes small steps ([drift](../mechanisms.md)).

# %% alt="Loss of one run, and ten state variables of one parameter"
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
left.semilogy(run.losses)
left.set(xlabel="iteration", ylabel="loss")
most_moved = jnp.argsort(-jnp.var(run.h[:, 0], axis=0))[:10]
right.plot(run.h[:, 0, most_moved], linewidth=1)
right.set(xlabel="iteration", ylabel="state variables")
plt.show()

# %% [markdown]
# Next: [where runs come to rest](fixed_points.md).
