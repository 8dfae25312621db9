r"""One compiled program for all optimizers of a family: theta is an argument of it, not a constant in it.

    component = shared_component(family, theta)      the same map as family.component(theta)

A ``ComponentOptimizer`` holds theta in the closures of its two functions, so that whatever is compiled for
it is compiled for it alone: ten seconds for what takes one. The functions of a shared component are
``jax.tree_util.Partial``: pytrees whose leaves are theta's arrays. Functions of the analysis are jitted by
``jit_by_function``, which takes such functions as arrays and any other as it always was, as a static
argument. Results differ in low-order bits at most: XLA folds what is constant.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax

from lopt.optimizers.component import ComponentOptimizer, OptimizerFamily

__all__ = ["jit_by_function", "shared_component"]


def shared_component(family: OptimizerFamily, theta: Any) -> ComponentOptimizer:
    """Return the optimizer of ``family`` with ``theta``, whose compiled programs other thetas share.

    Args:
        family: hashable; equal families share their programs.
        theta: its parameters, arrays of the same shapes and types as those of whom it shares with.

    An optimizer with a run of its own (one that reads the iteration, say) is returned as it is.
    """
    component = family.component(theta)
    if component.run is not None:
        return component
    transition, readout = _functions(family)
    return ComponentOptimizer(
        component.initial_state,
        jax.tree_util.Partial(transition, theta),
        jax.tree_util.Partial(readout, theta),
    )


@functools.cache
def _functions(family: OptimizerFamily) -> tuple[Callable, Callable]:
    """Return transition and readout as functions of theta: the same objects each time."""

    def transition(theta: Any, h: jax.Array, g: jax.Array) -> jax.Array:
        return family.component(theta).transition(h, g)

    def readout(theta: Any, h: jax.Array) -> jax.Array:
        return family.component(theta).readout(h)

    return transition, readout


def jit_by_function(
    *functions: str, static: tuple[str, ...] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that jits a function of an optimizer's functions.

    Args:
        functions: names of the arguments that are functions of an optimizer, or None.
        static: names of its other static arguments.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        by_identity = jax.jit(function, static_argnames=(*functions, *static))
        as_arrays = jax.jit(function, static_argnames=static)
        order = list(inspect.signature(function).parameters)
        positions = {name: order.index(name) for name in functions}

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            given = [
                named[name] if name in named else arguments[place]
                for name, place in positions.items()
                if name in named or place < len(arguments)
            ]
            shared = [each for each in given if isinstance(each, jax.tree_util.Partial)]
            others = [each for each in given if each is not None]
            jitted = as_arrays if shared and len(shared) == len(others) else by_identity
            return jitted(*arguments, **named)

        return call

    return decorate
