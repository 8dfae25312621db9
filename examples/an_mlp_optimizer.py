"""An MLP on accumulators that is momentum, and the same one with a little more: what changed?"""

import jax

import lopt

family = lopt.MLP(units=8, layers=1)
theta = family.exact_momentum(family.init(jax.random.key(0)), learning_rate=0.1)
# Its direction also follows the gradient over its root mean square, as RMSProp's does.
more = theta._replace(linear_part=theta.linear_part.at[1 + family.timescales, 0].set(-0.02))

momentum, both = (
    lopt.analyze((family, weights), "linear_regression", name=name, problems=8)
    for name, weights in (("momentum", theta), ("momentum and RMSProp", more))
)
for question in ("momentum", "saturation", "adaptation"):
    print(momentum.answer(question).question)
    for found in (momentum, both):
        print(f"  {found.name}: {found.answer(question).answer}; {found.answer(question).sentence}")
momentum.plot_adaptation(both).savefig("adaptation.png")
