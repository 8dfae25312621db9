"""Read the mechanisms off an optax optimizer of your own: momentum, clipping, a schedule."""

import jax
import numpy as np
import optax

import lopt

jax.config.update("jax_enable_x64", True)  # the analysis is in float64
schedule = optax.cosine_decay_schedule(0.3, decay_steps=100)
mine = optax.chain(optax.clip(0.5), optax.sgd(schedule, momentum=0.9))

optimizer = lopt.from_optax(mine, held_count=0)  # a map on states, as it is at its first step
starts = np.random.default_rng(0).normal(size=(20, optimizer.initial_state.size))
end = lopt.convergence_point(optimizer, starts)
print(f"{end.basin_share:.0%} of the runs end at {end.point.round(6)}, +- {end.error.max():.0e}")

modes = lopt.linearize(optimizer, end.point, point_error=end.error)
print("momenta", modes.momenta.round(6), "learning rates", modes.learning_rates.round(6))

bend = lopt.saturation(optimizer, optimizer.initial_state, np.linspace(-2.0, 2.0, 101))
print(f"saturates at {bend.levels[1]:.6f}, half of it at |g| = {bend.half_gradients[1]:.6f}")

clock = lopt.from_optax(mine, held_count=None)  # now its step counter is part of the state
rates = lopt.effective_learning_rate(clock, lopt.autonomous_trajectory(clock, 100))
print("effective learning rate after 0, 25, 50, ... steps", np.round(rates[::25], 6))
