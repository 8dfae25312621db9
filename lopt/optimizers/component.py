"""Component-wise optimizers as dynamical systems.

An optimizer of this project acts on every parameter (component) independently and is the map

    h[k+1] = F(h[k], g[k]),        x[k+1] = x[k] + readout(h[k+1])

with state h, gradient g and parameter x. The gated recurrent unit, momentum, RMSProp and Adam all
have this form (arXiv 2011.02159, section 2), so one set of tools reads them all.

An optimizer that also depends on the iteration or on the parameter is such a map only where these are held
still: at an *operating point*. The analysis reads that map. A run (``running``) is the optimizer itself, with
the real iteration and parameter: see ``Run``.

``as_gradient_transformation`` turns an optimizer into an ``optax.GradientTransformation`` for any pytree.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

__all__ = [
    "ComponentOptimizer",
    "ComponentState",
    "OptimizerFamily",
    "Run",
    "as_gradient_transformation",
    "check_shapes",
    "check_transition",
    "floating",
    "running",
]


class Run(NamedTuple):
    """How a run advances an optimizer on an array of components; its state is any pytree.

    ``start(x[...]) -> state``; ``step(state, g[...], x[...]) -> (state', dx[...])``;
    ``read(state) -> h[..., state]`` is what the analysis sees of it. With ``reads_loss`` a step takes the
    loss f(x) as its fourth argument.
    """

    start: Callable[[Float[Array, "..."]], Any]
    step: Callable[..., tuple[Any, Float[Array, "..."]]]
    read: Callable[[Any], Float[Array, "... state"]]
    reads_loss: bool = False

    def advance(
        self,
        state: Any,
        g: Float[Array, "..."],
        x: Float[Array, "..."],
        loss: Float[Array, ""] | float | None,
    ) -> tuple[Any, Float[Array, "..."]]:
        """Return the next state and the update, given all that a run has.

        Raises:
            ValueError: if there is no loss, and it is read.
        """
        if not self.reads_loss:
            return self.step(state, g, x)
        if loss is None:
            raise ValueError("this optimizer reads the loss, which is not known here")
        return self.step(state, g, x, loss)


class ComponentOptimizer(NamedTuple):
    """One optimizer as a map on states; both functions accept any leading axes.

    ``transition(h[..., state], g[...]) -> h'[..., state]`` is F; ``readout(h'[..., state]) ->
    dx[...]`` is the update, to be *added* to the parameter. ``run``, if there is one, is what the map is
    the frozen form of; ``audit`` is what was found when it was frozen.
    """

    initial_state: Float[Array, " state"]
    transition: Callable[
        [Float[Array, "... state"], Float[Array, "..."]], Float[Array, "... state"]
    ]
    readout: Callable[[Float[Array, "... state"]], Float[Array, "..."]]
    run: Run | None = None
    audit: Any = None


class OptimizerFamily(Protocol):
    """A family maps parameters theta to an optimizer; ``build`` is called inside the trace."""

    def component(self, theta: Any) -> ComponentOptimizer:
        """Return the optimizer as a dynamical system on one component."""
        ...

    def build(self, theta: Any) -> optax.GradientTransformation:
        """Return the optimizer as an optax transformation."""
        ...


class ComponentState(NamedTuple):
    """States of all components: for each leaf of the parameters the state of its run.

    That is ``h[..., state]`` unless the optimizer has a ``Run`` of its own.
    """

    h: PyTree


def running(component: ComponentOptimizer) -> Run:
    """Return how runs advance ``component``: its own ``run``, or its map, applied again and again.

    The state has the wider type of the initial state and the parameters, an update the parameters'.
    """
    if component.run is not None:
        return component.run
    h_0 = jnp.asarray(component.initial_state)

    def start(x: Float[Array, "..."]) -> Float[Array, "... state"]:
        dtype = jnp.promote_types(h_0.dtype, jnp.result_type(x))
        return jnp.broadcast_to(h_0.astype(dtype), (*jnp.shape(x), *h_0.shape))

    def step(
        h: Float[Array, "... state"], g: Float[Array, "..."], x: Float[Array, "..."]
    ) -> tuple[Float[Array, "... state"], Float[Array, "..."]]:
        h_next = component.transition(h, g.astype(h.dtype)).astype(h.dtype)
        return h_next, component.readout(h_next).astype(jnp.result_type(x))

    return Run(start, step, lambda h: h)


def floating(dtype: Any) -> Any:
    """Return a floating-point type (default: JAX's default).

    Raises:
        ValueError: if it is none.

    >>> str(floating("float32"))
    'float32'
    """
    if dtype is None:
        return jnp.result_type(float)
    try:
        found = jnp.dtype(dtype)
    except TypeError:
        raise ValueError(
            f"dtype is {dtype!r}, expected a floating-point type, as 'float64'"
        ) from None
    if not jnp.issubdtype(found, jnp.floating):
        raise ValueError(f"dtype is {dtype!r}, expected a floating-point type, as 'float64'")
    return found


def as_gradient_transformation(component: ComponentOptimizer) -> optax.GradientTransformation:
    """Apply ``component`` to every entry of a pytree of parameters.

    Updates have the type of their gradients, whatever the type of the optimizer's own numbers. One that
    reads the loss takes it as optax's others do: ``update(..., value=loss)``.
    """
    run = running(component)

    def init(params: PyTree) -> ComponentState:
        return ComponentState(jax.tree.map(run.start, params))

    def update(
        updates: PyTree,
        state: Any,
        params: PyTree | None = None,
        *,
        value: Any = None,
        **others: Any,
    ) -> tuple[PyTree, ComponentState]:
        del others  # what other transformations of a chain ask for
        if params is None:  # only an optimizer with a run of its own reads them
            params = updates
        gradients, tree = jax.tree.flatten(updates)
        states = tree.flatten_up_to(state.h)
        leaves = [jnp.asarray(leaf) for leaf in tree.flatten_up_to(params)]
        stepped = [
            run.advance(h, jnp.asarray(g), x, value)
            for h, g, x in zip(states, gradients, leaves, strict=True)
        ]
        moves = [dx.astype(g.dtype) for (_, dx), g in zip(stepped, gradients, strict=True)]
        state = ComponentState(tree.unflatten([h for h, _ in stepped]))
        return tree.unflatten(moves), state

    if run.reads_loss:
        return optax.GradientTransformationExtraArgs(init, update)
    return optax.GradientTransformation(init, update)


def check_shapes(component: ComponentOptimizer) -> int:
    """Return the number of state variables of an optimizer whose functions have the right shapes.

    Nothing is computed: both functions are traced for one component, and for rows and columns of
    components of which there are as many as of no other axis, so that none can stand for another.

    Raises:
        ValueError: naming the function, the shapes it was given, what it returned and what was expected.
    """
    initial = component.initial_state
    if jnp.ndim(initial) != 1 or not jnp.size(initial):
        raise ValueError(f"initial_state has shape {jnp.shape(initial)}, expected a vector [state]")
    if not jnp.issubdtype(jnp.result_type(initial), jnp.floating):
        raise ValueError(f"initial_state is {jnp.result_type(initial)}, expected floating point")
    size, dtype = jnp.size(initial), jnp.result_type(initial)
    for rows in ((), (size + 2,), (size + 2, size + 3)):
        check_transition(component.transition, size, dtype, rows)
        h = jax.ShapeDtypeStruct((*rows, size), dtype)
        _check_function("readout", component.readout, (h,), rows)
    return size


def check_transition(
    transition: Callable, size: int, dtype: Any = float, rows: tuple[int, ...] | None = None
) -> None:
    """Check the shapes of a transition on ``rows`` of states of ``size`` variables (default: some rows).

    Raises:
        ValueError: as ``check_shapes``.
    """
    rows, dtype = (size + 2,) if rows is None else rows, jnp.result_type(dtype)
    h = jax.ShapeDtypeStruct((*rows, size), dtype)
    _check_function("transition", transition, (h, jax.ShapeDtypeStruct(rows, dtype)), h.shape)


def _check_function(
    name: str, function: Callable, given: tuple[jax.ShapeDtypeStruct, ...], expected: tuple
) -> None:
    call = f"{name} of shapes {' and '.join(str(list(array.shape)) for array in given)}"
    hint = (
        "a gradient g[...] meets a state h[..., state] as g[..., None]"
        if name == "transition"
        else "an update has the shape of the gradient, h[..., 0] for example"
    )
    try:
        found = jax.eval_shape(function, *given)
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise ValueError(
            f"{call} can't be traced by JAX: it has to compute with jax.numpy, without NumPy, float() or "
            f"if on values ({_first_line(error)})"
        ) from None
    except Exception as error:
        # Whatever the function does with shapes that it was not written for.
        raise ValueError(f"{call} fails ({_first_line(error)}); {hint}") from None
    if not hasattr(found, "shape"):
        raise ValueError(f"{call} returns {type(found).__name__}, expected one array")
    if found.shape != expected:
        raise ValueError(
            f"{call} returns the shape {list(found.shape)}, expected {list(expected)}; {hint}"
        )
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise ValueError(f"{call} returns {found.dtype}, expected floating point")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
