# %% [markdown]
# # Meta-train my own architecture on my own task
#
# A task is a class with three methods; a learned optimizer is a class with two. Here we write both, train
# the optimizer, and compare what it learned with an answer known from theory.
#
# ## A task
#
# A ravine: two parameters, one of them a hundred times as steep as the other. Each problem starts
# elsewhere.

# %%
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import lopt
import numpy as np


class Start(NamedTuple):
    x: jax.Array


@dataclass(frozen=True)
class Ravine(lopt.Task):
    label: ClassVar[str] = "Ravine"
    components: ClassVar[int] = 2
    flattest: float = 0.01  # curvatures: this one, and 1

    def sample(self, key):  # what is random about a problem
        return Start(jax.random.normal(key, (2,), jnp.float32))

    def init(self, problem):  # where optimization starts
        return problem.x

    def loss(self, problem, x):
        return 0.5 * (self.flattest * x[0] ** 2 + x[1] ** 2)


# %% [markdown]
# ## An architecture
#
# Several memories $m_i$ of the gradient $g$, each with a decay $b_i$ and a learning rate $a_i$ of its own:
#
# $$ m_i' = b_i\, m_i + g, \qquad \Delta x = -\sum_i a_i\, m_i' $$
#
# The decays and the rates are what training finds. `init` draws an untrained optimizer. `component` says
# how one parameter is updated: a transition of the state, and a readout of the update.


# %%
class MemoriesTheta(NamedTuple):
    decay_logits: jax.Array
    log_rates: jax.Array


@dataclass(frozen=True)
class Memories(lopt.LearnedFamily):
    theta_type: ClassVar[type] = MemoriesTheta
    label: ClassVar[str] = "Memories"
    sizes: ClassVar[tuple[str, ...]] = ("memories",)
    memories: int = 2

    def init(self, key):
        return MemoriesTheta(
            jax.random.normal(key, (self.memories,)), jnp.full(self.memories, -3.0)
        )

    def component(self, theta):
        decays, rates = jax.nn.sigmoid(theta.decay_logits), jnp.exp(theta.log_rates)
        return lopt.ComponentOptimizer(
            initial_state=jnp.zeros(self.memories, decays.dtype),
            transition=lambda h, g: decays * h + g[..., None],
            readout=lambda h: -h @ rates,
        )


# %% [markdown]
# ## Train
#
# Training unrolls whole optimizations and follows the gradient of their mean loss. A recipe has all of its
# settings; we take one and change a few.

# %%
from lopt.meta_training.recipes import make_recipe

changes = {
    "meta_steps": 600,
    "problems": 32,
    "learning_rate": 0.02,
    "b1": 0.9,
    "b2": 0.99,
    "clip": 1.0,
}
settings = make_recipe("laptop", changes).settings
training = lopt.Training(Ravine(), Memories(), settings, steps=100)
curve = []
state = lopt.meta_train(
    training, seed=0, after_chunk=lambda state, point: curve.append(point)
)
print("validation meta-objective:", float(state.best_validation))

# %% [markdown]
# ## What has it learned?

# %%
print("decays:", np.round(jax.nn.sigmoid(state.best_theta.decay_logits), 3))
print("learning rates:", np.round(jnp.exp(state.best_theta.log_rates), 3))

# %% [markdown]
# A long memory for the flat direction and a short one for the steep direction. Is that better than one
# memory? For curvatures between $\mu$ and $L$ theory knows the heavy ball that is fastest in the end. Its
# momentum $\beta$ and learning rate $\alpha$ are
#
# $$ \beta = \left(\frac{\sqrt{L} - \sqrt{\mu}}{\sqrt{L} + \sqrt{\mu}}\right)^2, \qquad
# \alpha = \left(\frac{2}{\sqrt{L} + \sqrt{\mu}}\right)^2 $$
#
# But training minimizes the mean loss along the way, not the loss in the end. So we also take the best
# heavy ball for that, from a grid of 900. All three run on the same 64 new problems.

# %% alt="Mean loss over 100 steps of the learned optimizer and of two heavy balls"
import matplotlib.pyplot as plt
from lopt.optimizers.momentum import Momentum, MomentumTheta

problems = lopt.sample_batch(Ravine(), lopt.stream(1, "new problems"), 64)


def losses(family, theta):
    return lopt.evaluate(Ravine(), family, theta, problems, steps=100)


grid = MomentumTheta(
    *(
        axis.ravel()
        for axis in jnp.meshgrid(jnp.geomspace(0.05, 4, 30), jnp.linspace(0, 0.97, 30))
    )
)
scores = jax.vmap(lambda theta: lopt.meta_objective(losses(Momentum(), theta)).mean())(
    grid
)
tuned = jax.tree.map(lambda axis: axis[jnp.nanargmin(scores)], grid)
fastest = MomentumTheta(
    learning_rate=jnp.float32((2 / 1.1) ** 2), momentum=jnp.float32((0.9 / 1.1) ** 2)
)

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, family, theta in (
    ("learned", Memories(), state.best_theta),
    ("heavy ball, tuned", Momentum(), tuned),
    ("heavy ball, fastest in the end", Momentum(), fastest),
):
    run = losses(family, theta)
    print(f"{name}: meta-objective {float(lopt.meta_objective(run).mean()):.4f}")
    axes.semilogy(run.mean(axis=0), label=name)
axes.set(xlabel="iteration", ylabel="mean loss")
axes.legend()
plt.show()

# %% [markdown]
# The heavy ball that is fastest in the end goes uphill first. The learned optimizer falls steeply from the start,
# and keeps falling where the tuned heavy ball has become slow.
#
# ## Look inside it
#
# The one call knows nothing of our class. It sees a map on states, as for every optimizer.

# %%
found = lopt.analyze(
    (Memories(), state.best_theta), Ravine(), name="memories", problems=8, steps=100
)
print(found.answer("momentum").sentence)
print(found.answer("saturation").sentence)

# %% [markdown]
# To have the class trained, tuned against and drawn by the workflow, put it into a file of its own: [Add a
# task](../how_to/extend.md).
