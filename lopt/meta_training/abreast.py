"""Several seeds of one training in one program: on a GPU, which one seed alone does not fill.

    states = initial_states(training, seeds)
    states = train_abreast(training, seeds, states=states, after_chunk=...)
    state = of_seed(states, 0)                  as ``meta_train`` would have left it, to rounding

A seed whose meta-gradients are not finite skips them as it would alone, and holds up no other; whether it
learned something is asked of its own state (``lopt.meta_training.loop.check_learned``).
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from lopt.meta_training.loop import (
    CurvePoint,
    State,
    Training,
    curve_point,
    initial_state,
    train_chunk,
    validation_problems,
)
from lopt.unrolling import evaluate, meta_objective

__all__ = ["initial_states", "of_seed", "stacked", "train_abreast"]


def initial_states(training: Training, seeds: Sequence[int]) -> State:
    """Return the states before the first meta-step, stacked along the leading axis."""
    return stacked([initial_state(training, int(seed)) for seed in seeds])


def stacked(states: Sequence[State]) -> State:
    """Return the states of several seeds as one, whose arrays have a leading axis for them."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def of_seed(states: Any, place: int) -> Any:
    """Return the state of the seed at ``place``, or what else is stacked likewise."""
    return jax.tree.map(lambda leaf: leaf[place], states)


def train_abreast(
    training: Training,
    seeds: Sequence[int],
    *,
    states: State,
    after_chunk: Callable[[State, list[CurvePoint]], None] = lambda states, points: None,
    seconds: float | None = None,
) -> State:
    """Meta-train the seeds side by side, each to the end of its run; return their states.

    Args:
        training: what is trained, on what, and how.
        seeds: each names all random streams of its run.
        states: where to go on from, stacked.
        after_chunk: called with the states and every seed's new row of its curve after every chunk.
        seconds: ends before the first chunk that would end later than this from now (default: no limit).
    """
    settings, began = training.settings, time.monotonic()
    names = jnp.asarray(seeds, jnp.uint32)
    with jax.default_matmul_precision(settings.precision):
        problems = validation_problems(training.task, settings.validation_problems)
        longest = None  # of a chunk after the first, whose time goes into compilation
        while (step := int(states.step[0])) < settings.meta_steps:
            started = time.monotonic()
            if seconds is not None and started - began + (longest or 0.0) > seconds:
                break
            states, record = _chunks(states, names, training=training)
            step += settings.chunk
            validations = np.full(len(names), np.nan)
            if step % settings.validation_interval == 0:
                found = _validations(states.average or states.theta, problems, training=training)
                validations = np.asarray(found, np.float64)
                states = _kept(states, found)
            # On the host, where taking a seed's part costs nothing.
            held, records = jax.device_get((states, record))
            points = [
                curve_point(of_seed(held, place), of_seed(records, place), validation)
                for place, validation in enumerate(validations)
            ]
            after_chunk(states, points)
            longest = 0.0 if longest is None else max(longest, time.monotonic() - started)
    return states


@partial(jax.jit, static_argnames=("training",))
def _chunks(states: State, seeds: Int[Array, " seeds"], *, training: Training) -> tuple[State, Any]:
    return jax.vmap(lambda state, seed: train_chunk(state, seed, training=training))(states, seeds)


@partial(jax.jit, static_argnames=("training",))
def _validations(thetas: PyTree, problems: PyTree, *, training: Training) -> Float[Array, " seeds"]:
    def one(theta: PyTree) -> Float[Array, ""]:
        losses = evaluate(training.task, training.family, theta, problems, steps=training.steps)
        return jnp.mean(meta_objective(losses))

    return jax.lax.map(one, thetas)


@jax.jit
def _kept(states: State, validations: Float[Array, " seeds"]) -> State:
    """Keep theta, or its average, of the seeds whose validation is their best so far."""

    def one(state: State, validation: Float[Array, ""]) -> State:
        better = validation < state.best_validation
        theta = state.average or state.theta
        return state._replace(
            best_theta=jax.tree.map(partial(jnp.where, better), theta, state.best_theta),
            best_validation=jnp.where(better, validation, state.best_validation),
            best_step=jnp.where(better, state.step, state.best_step),
        )

    return jax.vmap(one)(states, validations)
