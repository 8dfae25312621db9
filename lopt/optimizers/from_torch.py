r"""Any ``torch.optim`` optimizer as a map on the state of one component.

    h = (the entries that optimizer.state has for a component; the last update)
    F(h, g) = what ``step()`` makes of them,        readout(h') = h'[-1]

    lopt.from_torch(torch.optim.Adam, lr=1e-3)
    lopt.from_torch(lambda parameters: Mine(parameters, rate=0.1))

Values are PyTorch's own, in float64; derivatives are central differences, as of ``from_numpy``. The numbers
that all components share (``step``, NAdam's ``mu_product``) are frozen at an operating point: "late", where
counters stand at 10^9 and what follows them has come to its end, or any step. So is the parameter, which
weight decay reads. A *run* freezes nothing, and begins with PyTorch's own first step; of that one the map
knows nothing (momentum's buffer begins undamped).

It is audited as optax's are (``optax_audit``): what couples components (Adafactor, Muon), asks for a closure
(LBFGS), draws random numbers, or keeps what is not in ``state`` and ``param_groups`` is refused with the
reason. A scheduler of learning rates is no part of the optimizer: ``lr`` is where it is read.

A second moment can't be below 0, where its root is: differences don't go there.
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from lopt.arguments import finite, whole_or_late
from lopt.optimizers.component import ComponentOptimizer, Run
from lopt.optimizers.from_numpy import FIRST, from_numpy
from lopt.optimizers.from_optax import OperatingPoint
from lopt.optimizers.host_callback import call_host
from lopt.optimizers.optax_audit import LATE, Audit, Unreadable
from lopt.optimizers.torch_step import Observed, TorchStep, observe, require_torch

__all__ = ["from_torch"]

STEPS, SIDE = 16, 12  # of the runs that are looked at, and of their matrix of parameters
SAME = 1e-9  # relative; above rounding, far below any coupling
ROOTS = 1e-6  # how small entries that can't be negative are taken to be, beside their size in a run
SETTLING = 10_000  # steps in which numbers that follow a counter come to their end


def from_torch(
    optimizer: Callable[..., Any],
    *,
    held_step: int | Literal["late"] = "late",
    parameter: float = 0.0,
    scales: Float[ArrayLike, " state_plus_1"] | None = None,
    **settings: Any,
) -> ComponentOptimizer:
    """Return an optimizer of PyTorch, applied to one scalar parameter, as a ``ComponentOptimizer``.

    Args:
        optimizer: a class of ``torch.optim``, or what makes an optimizer of a list of parameters.
        held_step: the step at which the analysis sees it, for what depends on the step.
        parameter: the value of the parameter at which the analysis sees it.
        scales: sizes of the entries of the state, and last of the gradient, for the differences (default:
            1, and of entries that are never negative much less).
        **settings: what the class takes besides the parameters: ``lr``, ...

    Raises:
        ImportError: if PyTorch is not installed.
        ValueError: if it can't be read like that; the message says why.
    """
    require_torch()
    held_step = whole_or_late("held_step", held_step)
    parameter = finite("parameter", parameter)

    def make(parameters: list) -> Any:
        made = optimizer(parameters, **settings)
        if not all(hasattr(made, part) for part in ("param_groups", "state", "step")):
            raise Unreadable(
                f"expected a torch.optim optimizer, got {type(made).__name__}: param_groups, state and "
                "step are what is read"
            )
        return made

    found, step = _audited(make)
    start = _start(step, found)
    held = _held(step, found, held_step, start)
    reads_parameter = _reads_parameter(step, found)

    def map_step(h: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        after, _, update = step(h, held, g, np.full(len(g), float(parameter)))
        return after, update

    never = np.array([all((at[name] >= 0.0).all() for at in found.own) for name in step.own], bool)
    sizes = np.append(np.where(never, ROOTS, 1.0), 1.0) if scales is None else scales
    component = from_numpy(
        start,
        map_step,
        names=step.own,
        scales=sizes,
        lowest=np.where(never, 0.0, -np.inf),
    )
    return component._replace(
        run=_run(step, start),
        audit=Audit(
            (),
            reads_parameter=reads_parameter,
            state_names=(*step.own, "update"),
            operating_point=OperatingPoint(held_step, float(parameter)),
        ),
    )


def _audited(make: Callable) -> tuple[Observed, TorchStep]:
    """Run it on a vector, on a matrix and on single entries; return what it keeps, and its step."""
    random = np.random.default_rng(0)
    count = SIDE * SIDE
    x = random.normal(size=count)
    gradients = random.normal(size=count) + 0.3 * random.normal(size=(STEPS, count))
    # Of all sizes, so that thresholds are passed; none of them 0.
    gradients[:, :3] *= 10.0 ** random.uniform(-2.0, 0.5, (STEPS, 1))
    found = _try(lambda: observe(make, x, gradients), "a vector of parameters")
    again = _try(lambda: observe(make, x, gradients), "a vector of parameters")
    if not np.array_equal(found.updates, again.updates):
        raise Unreadable("it is not a function of its state and gradients: the same run differs")
    few = np.arange(4)
    # Of two entries, since one has no state that differs from a number; the second is the first again.
    alone = [
        observe(make, np.repeat(x[row], 2), np.repeat(gradients[:, row, None], 2, axis=1))
        for row in few
    ]
    apart = np.stack([each.updates[:, 0] for each in alone], axis=1)

    def refuse_coupling(updates: np.ndarray) -> None:
        if not _same(updates.reshape(STEPS, count)[:, few], apart):
            raise Unreadable(
                "it couples components: the updates of many parameters are not those of each alone, as with "
                "a norm over all of them; one component has no map of its own"
            )

    refuse_coupling(found.updates)
    square = x.reshape(SIDE, SIDE), gradients.reshape(STEPS, SIDE, SIDE)
    refuse_coupling(_try(lambda: observe(make, *square).updates, "a matrix of parameters"))
    for each in alone:
        for name, value in found.shared[-1].items():
            if not _same(each.shared[-1].get(name, np.nan), value):
                raise Unreadable(
                    f"it couples components: {name} of its state is common to all of them, and depends on "
                    "their gradients"
                )
    step = TorchStep(make, tuple(found.own[-1]), tuple(found.shared[-1]), found.templates)
    _refuse_hidden(step, found, x, gradients)
    return found, step


def _refuse_hidden(step: TorchStep, found: Observed, x: np.ndarray, gradients: np.ndarray) -> None:
    """Go on from the first step with what it left behind, and compare with the optimizer's own run."""
    own, shared, update = step(None, None, gradients[0], x)
    for g, expected in zip(gradients[1:], found.updates[1:], strict=True):
        x = x + update
        own, shared, update = step(own, shared, g, x)
        if not _same(update, expected):
            raise Unreadable(
                "it keeps something that is neither in its state nor in its param_groups: given these, it "
                "goes on differently"
            )


def _start(step: TorchStep, found: Observed) -> Float[np.ndarray, " own"]:
    """Return the entries of one component before the first step, met by a gradient of 0 at 0."""
    still = observe(step.make, np.zeros(2), np.zeros((1, 2)))
    return np.array([still.own[0].get(name, still.own[1][name])[0] for name in step.own], float)


def _held(
    step: TorchStep, found: Observed, held_step: int | str, start: np.ndarray
) -> Float[np.ndarray, " shared"]:
    """Return the shared numbers as they are in a run before ``held_step``, or late."""

    def numbers(at: int) -> np.ndarray:
        return np.array([found.shared[at].get(name, 0.0) for name in step.shared])

    if not step.shared:
        return np.zeros(0)
    history = np.stack([numbers(at) for at in range(STEPS + 1)])
    one, zero = np.ones(1), np.zeros(1)
    if isinstance(held_step, int):
        if held_step <= STEPS:
            return history[held_step]
        own, shared, _ = step(None, None, one, zero)
        for _ in range(held_step - 1):
            own, shared, _ = step(own, shared, one, zero)
        return shared
    counters = np.all(np.diff(history, axis=0) == 1.0, axis=0)
    held, own = np.where(counters, float(LATE), history[-1]), start[None]
    after = held
    sizes = np.abs(history).max(axis=0)
    for _ in range(SETTLING):
        _, after, _ = step(own, held, one, zero)
        after = np.where(counters, held, after)
        if np.all(np.abs(after - held) <= 1e-15 * sizes):
            return after
        held = after
    moving = [name for name, a, b in zip(step.shared, held, after, strict=True) if a != b]
    raise Unreadable(
        f"{', '.join(moving)} of its state does not come to rest: it has no map at a late step. "
        "held_step= reads it at another"
    )


def _reads_parameter(step: TorchStep, found: Observed) -> bool:
    random = np.random.default_rng(1)
    own, shared, updates = None, None, []
    for x in (np.zeros(4), np.full(4, 0.7)):
        own, shared, total = None, None, []
        generator = np.random.default_rng(1)
        place = x.copy()
        for _ in range(4):
            own, shared, update = step(own, shared, generator.normal(size=4), place)
            place = place + update
            total.append(update)
        updates.append(np.array(total))
    if not _same(*updates):
        return True
    g = random.normal(size=4)
    two = (step(own, shared, g, place + shift)[2] for shift in (0.0, 0.7))
    return not _same(*two)


def _run(step: TorchStep, start: Float[np.ndarray, " own"]) -> Run:
    """The optimizer itself, on every entry of an array: with its first step, and the real parameter."""
    entries, numbers = len(step.own), len(step.shared)

    def called(
        count: np.ndarray, own: np.ndarray, shared: np.ndarray, g: np.ndarray, x: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = own.reshape(-1, entries), shared
        known = rows if int(count) else (None, None)
        after, common, update = step(*known, g.reshape(-1), x.reshape(-1))
        return after.reshape(*g.shape, entries), common, update.reshape(g.shape)

    def advanced(count: Array, own: Array, shared: Array, g: Array, x: Array) -> tuple:
        shapes = [jax.ShapeDtypeStruct(part.shape, g.dtype) for part in (own, shared, g)]
        return call_host(called, shapes, count, own, shared, g, x, vmap_method="sequential")

    advance = jax.custom_jvp(advanced)

    def slope(primals: tuple, tangents: tuple) -> tuple[tuple, tuple]:
        count, own, shared, g, x = primals
        for along in (*tangents[1:3], tangents[4]):
            if not isinstance(along, jax.custom_derivatives.SymbolicZero):
                raise NotImplementedError(
                    "a run of an optimizer of PyTorch is differentiated by the gradient it meets only"
                )
        length = FIRST * jnp.maximum(1.0, jnp.abs(g))
        ahead, behind = (advanced(count, own, shared, g + s * length, x) for s in (1.0, -1.0))
        turned = tangents[3]
        if isinstance(turned, jax.custom_derivatives.SymbolicZero):
            turned = jnp.zeros_like(g)
        rate = turned / (2.0 * length)
        own_change = (ahead[0] - behind[0]) * rate[..., None]
        moved = (own_change, jnp.zeros_like(shared), (ahead[2] - behind[2]) * rate)
        return advance(*primals), moved

    advance.defjvp(slope, symbolic_zeros=True)

    def begin(x: Float[Array, "..."]) -> tuple[Array, Array, Array, Array]:
        kind = jnp.promote_types(jnp.result_type(float), jnp.result_type(x))
        own = jnp.broadcast_to(jnp.asarray(start, kind), (*jnp.shape(x), entries))
        return jnp.zeros((), jnp.int32), own, jnp.zeros(numbers, kind), jnp.zeros_like(x, kind)

    def go(state: tuple, g: Float[Array, "..."], x: Float[Array, "..."]) -> tuple:
        count, own, shared, _ = state
        given = (part.astype(own.dtype) for part in (g, jnp.asarray(x)))
        own, shared, update = advance(count, own, shared, *given)
        return (count + 1, own, shared, update), update.astype(jnp.result_type(x))

    def read(state: tuple) -> Float[Array, "... state"]:
        _, own, _, update = state
        return jnp.concatenate([own, update[..., None]], axis=-1)

    return Run(begin, go, read)


def _try(run: Callable[[], Any], what: str) -> Any:
    try:
        return run()
    except Unreadable:
        raise
    except Exception as error:
        # It is somebody else's code: whatever goes wrong in it is the reason.
        text = (str(error).splitlines() or [""])[0]
        if isinstance(error, TypeError) and "closure" in text:
            raise Unreadable(
                "its step asks for a closure, which only a run on a problem has: it can't be read from "
                "gradients and states alone"
            ) from None
        raise Unreadable(f"it does not run on {what} ({type(error).__name__}: {text})") from None


def _same(first: Any, second: Any) -> bool:
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    scale = np.nanmax(np.abs(second), initial=0.0)
    return bool(np.allclose(first, second, rtol=0.0, atol=SAME * scale, equal_nan=True))
