r"""Interventions: the trained optimizer with one mechanism removed, for what that mechanism is worth.

With F the transition, h_0 the initial state, h* the convergence point and J = dF/dh there, each intervention
makes one ``ComponentOptimizer`` of another:

    no_schedule       the start-up transient is gone: start at h*
    no_clipping       linear in g:       h' = F(h, 0) + dF/dg(h, 0) g
    no_adaptation     linear in h:       h' = h* + J (h - h*) + F(h*, g) - F(h*, 0), from h_0
    no_adaptation_at_rest                the same, from h*: neither adaptation nor schedule
    linear            linear in both:    h' = h* + J (h - h*) + dF/dg(h*, 0) g, from h_0
    no_memory         no momentum:       h' = F(h*, g), whatever h is
    no_drift          the update at g = 0 along the autonomous trajectory a is subtracted:
                      a' = F(a, 0),      dx = readout(h') - readout(a')
    modes_k           linear, with the k modes of the largest gain only (|alpha| / |1 - lambda|)

``linear`` and ``modes_k`` are the surrogates of ``lopt.optimizers.surrogates``. What an intervention removes
it removes from F: a nonlinear readout stays. Where F has no such mechanism the result is the same optimizer;
``lopt.analysis.validation_interventions`` has the closed forms for both.

Interventions act on the map. An optimizer that also depends on the iteration or the parameter is more than
its map, and is refused.

Source: issue 19; the paper shows these mechanisms (arXiv 2011.02159, section 4), not what they are worth.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from lopt.optimizers.aggregated_momentum import AggregatedMomentum, AggregatedMomentumTheta
from lopt.optimizers.component import (
    ComponentOptimizer,
    OptimizerFamily,
    Run,
    as_gradient_transformation,
)
from lopt.optimizers.surrogates import (
    Linearized,
    LinearSurrogate,
    linear_surrogate,
    select_modes,
    truncated_surrogate,
)

__all__ = [
    "INTERVENTIONS",
    "Intervened",
    "IntervenedTheta",
    "Variant",
    "intervene",
    "mode_counts",
    "variants",
]

LINEAR = "linear"


class IntervenedTheta(NamedTuple):
    """The optimizer's own theta, and where it comes to rest."""

    theta: Any
    point: Float[Array, " state"]
    """h*"""
    jacobian: Float[Array, "state state"]
    """J = dF/dh at h* and g = 0."""


class Variant(NamedTuple):
    """One optimizer that an intervention made, to run like any other.

    ``modes`` is how many of its modes it keeps, -1 for all.
    """

    name: str
    family: OptimizerFamily
    theta: Any
    modes: int = -1


def no_schedule(
    component: ComponentOptimizer, point: Float[Array, " state"], _: Float[Array, "state state"]
) -> ComponentOptimizer:
    """Start at h*."""
    return component._replace(initial_state=point)


def no_clipping(
    component: ComponentOptimizer, _: Float[Array, " state"], __: Float[Array, "state state"]
) -> ComponentOptimizer:
    """Return the optimizer linearized in the gradient, at g = 0 and the state that it is in."""

    def transition(
        h: Float[Array, "... state"], g: Float[Array, "..."]
    ) -> Float[Array, "... state"]:
        value, slope = jax.jvp(lambda g: component.transition(h, g), (jnp.zeros_like(g),), (g,))
        return value + slope

    return component._replace(transition=transition)


def no_adaptation(
    component: ComponentOptimizer,
    point: Float[Array, " state"],
    jacobian: Float[Array, "state state"],
) -> ComponentOptimizer:
    """Return the optimizer linearized in the state, at h*: it answers a gradient as it does there."""
    # Of the point as it is known in this precision, so that a state at rest stays there.
    rest = component.transition(point, jnp.zeros((), point.dtype))

    def transition(
        h: Float[Array, "... state"], g: Float[Array, "..."]
    ) -> Float[Array, "... state"]:
        driven = component.transition(jnp.broadcast_to(point, h.shape), g) - rest
        return point + (h - point) @ jacobian.T + driven

    return component._replace(transition=transition)


def no_adaptation_at_rest(
    component: ComponentOptimizer,
    point: Float[Array, " state"],
    jacobian: Float[Array, "state state"],
) -> ComponentOptimizer:
    """Return ``no_adaptation`` started at h*."""
    return no_schedule(no_adaptation(component, point, jacobian), point, jacobian)


def no_memory(
    component: ComponentOptimizer, point: Float[Array, " state"], _: Float[Array, "state state"]
) -> ComponentOptimizer:
    """Return the optimizer that answers every gradient from h*."""

    def transition(
        h: Float[Array, "... state"], g: Float[Array, "..."]
    ) -> Float[Array, "... state"]:
        return component.transition(jnp.broadcast_to(point, h.shape), g)

    return component._replace(transition=transition)


def no_drift(
    component: ComponentOptimizer, _: Float[Array, " state"], __: Float[Array, "state state"]
) -> ComponentOptimizer:
    """Return the optimizer without the update that it would make if the gradient were 0 throughout.

    Its state is (h, a), a the state of the autonomous trajectory. A run keeps one a for all components.
    """
    start = jnp.asarray(component.initial_state)
    size = len(start)

    def transition(
        h: Float[Array, "... state"], g: Float[Array, "..."]
    ) -> Float[Array, "... state"]:
        return jnp.concatenate(
            [
                component.transition(h[..., :size], g),
                component.transition(h[..., size:], jnp.zeros_like(g)),
            ],
            axis=-1,
        )

    def readout(h: Float[Array, "... state"]) -> Float[Array, "..."]:
        return component.readout(h[..., :size]) - component.readout(h[..., size:])

    def begin(x: Float[Array, "..."]) -> tuple[Array, Array]:
        return jnp.broadcast_to(start, (*jnp.shape(x), size)), start

    def step(
        state: tuple[Array, Array], g: Float[Array, "..."], x: Float[Array, "..."]
    ) -> tuple[tuple[Array, Array], Float[Array, "..."]]:
        h, alone = state
        h = component.transition(h, g.astype(h.dtype))
        alone = component.transition(alone, jnp.zeros((), alone.dtype))
        update = component.readout(h) - component.readout(alone)
        return (h, alone), update.astype(jnp.result_type(x))

    def read(state: tuple[Array, Array]) -> Float[Array, "... state"]:
        h, alone = state
        return jnp.concatenate([h, jnp.broadcast_to(alone, h.shape)], axis=-1)

    return ComponentOptimizer(
        jnp.concatenate([start, start]), transition, readout, Run(begin, step, read)
    )


INTERVENTIONS: dict[str, Callable[..., ComponentOptimizer]] = {
    change.__name__: change
    for change in (
        no_schedule,
        no_clipping,
        no_adaptation,
        no_adaptation_at_rest,
        no_memory,
        no_drift,
    )
}
"""Those that need no more of the linearization than h* and J, by name."""


def intervene(
    name: str,
    component: ComponentOptimizer,
    point: Float[Array, " state"],
    jacobian: Float[Array, "state state"],
) -> ComponentOptimizer:
    """Return ``component`` with one mechanism removed.

    Args:
        name: a name of ``INTERVENTIONS``.
        component: the optimizer, in the precision of its runs.
        point: its convergence point h*.
        jacobian: dF/dh there.

    Raises:
        ValueError: if there is no such intervention, the point has another size than the state, or the
            optimizer has a run of its own.
    """
    if name not in INTERVENTIONS:
        raise ValueError(f"unknown intervention {name!r}; there are {', '.join(INTERVENTIONS)}")
    if component.run is not None:
        raise ValueError(
            "the optimizer depends on more than its state and the gradient, but interventions act on its "
            "map: there is none to remove a mechanism from"
        )
    initial = jnp.asarray(component.initial_state)
    point, jacobian = jnp.asarray(point, initial.dtype), jnp.asarray(jacobian, initial.dtype)
    for argument, array, wanted in (
        ("point", point, initial.shape),
        ("jacobian", jacobian, initial.shape * 2),
    ):
        if array.shape != wanted:
            raise ValueError(
                f"{argument} has shape {array.shape}, but a state of {len(initial)} variables "
                f"needs {wanted}"
            )
    return INTERVENTIONS[name](component, point, jacobian)


@dataclass(frozen=True)
class Intervened:
    """The family of optimizers that one intervention makes of another family's."""

    family: OptimizerFamily
    name: str

    def component(self, theta: IntervenedTheta) -> ComponentOptimizer:
        intact = self.family.component(theta.theta)
        return intervene(self.name, intact, theta.point, theta.jacobian)

    def build(self, theta: IntervenedTheta) -> optax.GradientTransformation:
        return as_gradient_transformation(self.component(theta))


def mode_counts(linearization: Linearized) -> list[int]:
    """Return how many modes are kept: the powers of 2 below what there are."""
    total = len(linearization.eigenvalues)
    return [2**power for power in range(total.bit_length()) if 2**power < total]


def variants(
    family: OptimizerFamily, theta: Any, linearization: Linearized, counts: Sequence[int]
) -> Iterator[Variant]:
    """Yield what every intervention makes of one optimizer, and the truncations to ``counts`` modes.

    Args:
        family: the optimizer's family.
        theta: its parameters, in the precision of the runs.
        linearization: at its convergence point and g = 0.
        counts: numbers of modes to keep; a conjugate pair at the cut is kept whole.

    Raises:
        ValueError: if the linearization is not this optimizer's or was taken at another gradient.
    """
    component = family.component(theta)
    start = np.asarray(component.initial_state)
    linear = linear_surrogate(linearization, start)  # checks what it is given
    at_rest = IntervenedTheta(theta, linear.point, linear.jacobian)
    for name in INTERVENTIONS:
        yield Variant(name, Intervened(family, name), at_rest)
    yield Variant(LINEAR, LinearSurrogate(), linear)
    chosen = [select_modes(linearization, count, by="gain") for count in counts]
    longest = max(map(len, chosen), default=0)
    for count, kept in zip(counts, chosen, strict=True):
        truncated = truncated_surrogate(linearization, start, kept)
        padded = _padded(truncated, longest)
        yield Variant(f"modes_{count}", AggregatedMomentum(), padded, len(kept))


def _padded(theta: AggregatedMomentumTheta, count: int) -> AggregatedMomentumTheta:
    """Return the same optimizer with modes that do nothing, so that all truncations compile once."""
    more = count - len(theta.eigenvalues)
    return theta._replace(
        **{
            name: jnp.concatenate(
                [getattr(theta, name), jnp.zeros(more, getattr(theta, name).dtype)]
            )
            for name in ("eigenvalues", "learning_rates", "initial_amplitudes")
        }
    )
