"""Say how an optax optimizer of your own works: in sentences, in figures, on a page."""

import optax

import lopt

schedule = optax.warmup_cosine_decay_schedule(0.0, 0.3, warmup_steps=20, decay_steps=150)
mine = optax.chain(optax.clip(0.5), optax.sgd(schedule, momentum=0.9))

early = lopt.from_optax(mine, held_count=20)  # a map on states, as it is at the end of its warm-up
found = lopt.analyze(early, "linear_regression", name="mine", problems=8)
print(found.summary())
found.plot_momentum().savefig("momentum.png")
found.report("mine.html")
