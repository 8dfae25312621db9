# %% [markdown]
# # Fixed points
#
# When the gradients have become small, what does the state do? It goes where it stays: to a **fixed point**
# $h^*$.
#
# $$ h^* = F(h^*, 0) $$
#
# | symbol | meaning |
# |---|---|
# | $h^*$ | the fixed point: a state that no longer changes while the gradient is 0 |
# | $F$ | the transition, as in [a dynamical system](dynamical_system.md) |
#
# A fixed point that attracts the states around it is an *attractor*. The one that most runs end at is the
# *convergence point*. It matters because everything after the first iterations happens around it: what the
# optimizer does there is what it does.
#
# ## The call
#
# `convergence_point` takes states from the end of runs, lets them run on without gradients, and solves the
# equation to the last digit. The analysis works in double precision.

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
task = lopt.make_task("linear_regression")
problem = task.sample(lopt.stream(0, "concepts"))
run = lopt.record(task, optimizer, problem, steps=200)

rest = lopt.convergence_point(optimizer, run.h[-1])
print("speed |h - F(h, 0)|²/2:", rest.speed)

# %% [markdown]
# ## Where a real run goes
#
# The distance of the state to $h^*$, for each of the five parameters. Black: the same without any gradient,
# the *autonomous trajectory*.

# %% alt="Distance of the states to the fixed point over 200 iterations: all of them approach it"
alone = lopt.autonomous_trajectory(optimizer, 200)
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.semilogy(np.linalg.norm(run.h - rest.point, axis=-1), linewidth=1)
axes.semilogy(
    np.linalg.norm(alone - rest.point, axis=-1), "k", label="without gradients"
)
axes.set(xlabel="iteration", ylabel="distance to the fixed point")
axes.legend()
plt.show()

# %% [markdown]
# There may be several attractors: `lopt.find_attractors` lists all of them, with the share of runs that
# each takes. Under a constant gradient $g$ the state comes to rest elsewhere, at $h^* = F(h^*, g)$;
# `lopt.constant_gradient_fixed_points` follows that point from one gradient to the next.
#
# Next: [what the optimizer does near the point](modes.md).
