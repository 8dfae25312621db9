"""What type checkers make of lopt's names: `make types` reads this file, nothing runs it.

Lines that must be errors say which; the checker complains of one that is none.
"""

from typing import assert_type

import jax
import optax

import lopt


def right(key: jax.Array) -> None:
    task = lopt.make_task("rosenbrock")
    family, theta, _ = lopt.load_optimizer("theta.npz")
    assert_type(family, lopt.LearnedFamily)
    assert_type(family.build(theta), optax.GradientTransformation)
    component = family.component(theta)
    assert_type(component, lopt.ComponentOptimizer)
    lopt.linearize(component, component.initial_state)
    lopt.linearize(component, [0.0, 0.0])
    lopt.sample_batch(task, key, 3)
    lopt.GRU(units=8)


def wrong(component: lopt.ComponentOptimizer) -> None:
    lopt.linearise("oops")  # pyright: ignore[reportAttributeAccessIssue]
    lopt.linearize("oops")  # pyright: ignore[reportCallIssue]
    lopt.linearize("oops", component.initial_state)  # pyright: ignore[reportArgumentType]
    lopt.GRU(units="many")  # pyright: ignore[reportArgumentType]
    lopt.GRU(depth=3)  # pyright: ignore[reportCallIssue]
