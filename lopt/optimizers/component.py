"""Component-wise optimizers as dynamical systems.

An optimizer of this project acts on every parameter (component) independently and is the map

    h[k+1] = F(h[k], g[k]),        x[k+1] = x[k] + readout(h[k+1])

with state h, gradient g and parameter x. The gated recurrent unit, momentum, RMSProp and Adam all
have this form (arXiv 2011.02159, section 2), so one set of tools reads them all.

``as_gradient_transformation`` turns the map into an ``optax.GradientTransformation`` for any pytree.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

__all__ = ["ComponentOptimizer", "ComponentState", "OptimizerFamily", "as_gradient_transformation"]


class ComponentOptimizer(NamedTuple):
    """One optimizer as a map on states; both functions accept any leading axes.

    ``transition(h[..., state], g[...]) -> h'[..., state]`` is F; ``readout(h'[..., state]) ->
    dx[...]`` is the update, to be *added* to the parameter.
    """

    initial_state: Float[Array, " state"]
    transition: Callable[
        [Float[Array, "... state"], Float[Array, "..."]], Float[Array, "... state"]
    ]
    readout: Callable[[Float[Array, "... state"]], Float[Array, "..."]]


class OptimizerFamily(Protocol):
    """A family maps parameters theta to an optimizer; ``build`` is called inside the trace."""

    def component(self, theta: Any) -> ComponentOptimizer:
        """Return the optimizer as a dynamical system on one component."""

    def build(self, theta: Any) -> optax.GradientTransformation:
        """Return the optimizer as an optax transformation."""


class ComponentState(NamedTuple):
    """States of all components: each leaf of the parameters with the state as last axis."""

    h: PyTree[Float[Array, "... state"]]


def as_gradient_transformation(component: ComponentOptimizer) -> optax.GradientTransformation:
    """Apply ``component`` to every entry of a pytree of parameters."""

    def init(params: PyTree) -> ComponentState:
        h_0 = component.initial_state

        def start(leaf: Array) -> Array:
            return jnp.broadcast_to(h_0, (*jnp.shape(leaf), *h_0.shape)).astype(h_0.dtype)

        return ComponentState(jax.tree.map(start, params))

    def update(
        updates: PyTree, state: ComponentState, params: PyTree | None = None
    ) -> tuple[PyTree, ComponentState]:
        del params  # the update depends on the gradient alone
        h_next = jax.tree.map(lambda g, h: component.transition(h, g), updates, state.h)
        return jax.tree.map(component.readout, h_next), ComponentState(h_next)

    return optax.GradientTransformation(init, update)
