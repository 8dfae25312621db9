r"""Three ways towards h = F(h, g), for what each is good at; ``newton`` ends what they begin.

* ``run_map`` applies the map: cheap, and ends where runs of the optimizer end.
* ``mix`` is Anderson's mixing, a nonlinear GMRES for many starts at once and without derivatives:
  with f = F(h) - h the next state is

      h + f - sum_i gamma_i (dh_i + df_i),      gamma = argmin ||f - sum_i gamma_i df_i||

  over the last ``memory`` differences. It removes the few slow directions in which I - J is nearly
  singular, where running on would take thousands of steps.
* ``polish`` minimizes the speed q = 1/2 ||f||^2 from one start with the dense Jacobian: Newton's
  step wherever it lowers q by four or more, otherwise the better of it and a
  Levenberg-Marquardt step, which descends to a minimum of q: to fixed points that Newton's method
  alone misses, and to slow points.

Rows are starts. Everything is jitted per transition (hashed by identity) and sizes. A polish
iteration costs one n x n Jacobian and one factorisation, 10 to 20 ms at n = 256 on one core.

Sources: Walker and Ni 2011 (Anderson's mixing); Sussillo and Barak 2013 (speed, slow points).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, overload

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import ArrayLike

from lopt.optimizers.shared import jit_by_function

__all__ = [
    "MEMORY",
    "STAGNANT_STEPS",
    "Polished",
    "Transition",
    "float64",
    "jacobian",
    "mix",
    "polish",
    "run_map",
    "speed",
]

Transition = Callable[[Float[Array, "... state"], Float[Array, "..."]], Float[Array, "... state"]]

STAGNATION = 1e-4  # a step that lowers the speed by less than this share is no progress
STAGNANT_STEPS = 8  # that many in a row end the polish
MEMORY = 12  # differences kept by the mixing


@overload
def speed(residual: Float[np.ndarray, "*rows state"]) -> Float[np.ndarray, "*rows"]: ...
@overload
def speed(residual: Float[Array, "*rows state"]) -> Float[Array, "*rows"]: ...
def speed(residual: Any) -> Any:
    """Return q = 1/2 ||f||^2 (NumPy in, NumPy out), infinite where that is too large."""
    with np.errstate(over="ignore"):
        return 0.5 * (residual * residual).sum(axis=-1)


@jit_by_function("transition")
def run_map(
    transition: Transition, h: Float[Array, "row state"], g: float, *, steps: int
) -> Float[Array, "row state"]:
    """Apply h <- F(h, g) ``steps`` times to every row."""
    gradients = jnp.full(h.shape[:-1], g, h.dtype)
    return jax.lax.fori_loop(0, steps, lambda _, h: transition(h, gradients), h)


class _Mixing(NamedTuple):
    h: Float[Array, "row state"]
    last_h: Float[Array, "row state"]
    last_f: Float[Array, "row state"]
    h_differences: Float[Array, "row memory state"]
    f_differences: Float[Array, "row memory state"]
    best_h: Float[Array, "row state"]
    best_f: Float[Array, "row state"]
    length: Float[Array, "row 1"]
    step: Int[Array, ""]
    unfinished: Bool[Array, ""]


@jit_by_function("transition", static=("steps", "memory"))
def mix(
    transition: Transition,
    h: Float[Array, "row state"],
    g: float,
    target: float,
    *,
    steps: int,
    memory: int,
) -> tuple[Float[Array, "row state"], Float[Array, " row"], Int[Array, ""]]:
    """Return each row's best state after Anderson's mixing, its speed, and the evaluations spent.

    Ends after ``steps`` evaluations, or when the speed of every row is below ``target``. A row
    whose residual more than doubles its best goes back there and mixes by a quarter as much.
    """
    gradients = jnp.full(h.shape[:-1], g, h.dtype)
    rows, size = h.shape

    def step(c: _Mixing) -> _Mixing:
        f = transition(c.h, gradients) - c.h
        best, now = speed(c.best_f), speed(f)
        lost, better = ~(now <= 4.0 * best)[:, None], (now < best)[:, None]
        best_h, best_f = jnp.where(better, c.h, c.best_h), jnp.where(better, f, c.best_f)
        # A row that got lost goes back to its best state and tries a shorter step from there. The
        # first difference would be one with the zeros that the loop started from.
        keep, slot = ~lost & (c.step > 0), c.step % memory
        dh = jnp.where(keep, c.h - c.last_h, c.h_differences[:, slot])
        df = jnp.where(keep, f - c.last_f, c.f_differences[:, slot])
        dh, df = c.h_differences.at[:, slot].set(dh), c.f_differences.at[:, slot].set(df)
        h, f = jnp.where(lost, best_h, c.h), jnp.where(lost, best_f, f)
        length = jnp.where(lost, 0.25 * c.length, jnp.minimum(1.0, 2.0 * c.length))
        gram = jnp.einsum("rin,rjn->rij", df, df)
        squares = jnp.diagonal(gram, axis1=-2, axis2=-1)
        # Empty slots have zero rows: a unit diagonal gives them gamma = 0.
        diagonal = 1e-14 * jnp.sum(squares, axis=-1, keepdims=True) + (squares == 0.0)
        gamma = jnp.linalg.solve(
            gram + diagonal[..., None] * jnp.eye(memory, dtype=h.dtype),
            jnp.einsum("rin,rn->ri", df, f)[..., None],
        )[..., 0]
        h_next = h + f - length * jnp.einsum("rin,ri->rn", dh + df, gamma)
        unfinished = jnp.any(~(speed(best_f) <= target))
        return _Mixing(h_next, h, f, dh, df, best_h, best_f, length, c.step + 1, unfinished)

    buffer = jnp.zeros((rows, memory, size), h.dtype)
    start = _Mixing(
        h=h,
        last_h=h,
        last_f=h,
        h_differences=buffer,
        f_differences=buffer,
        best_h=h,
        best_f=jnp.full_like(h, jnp.inf),
        length=jnp.ones((rows, 1), h.dtype),
        step=jnp.array(0),
        unfinished=jnp.array(True),
    )
    end = jax.lax.while_loop(lambda c: c.unfinished & (c.step < steps), step, start)
    return end.best_h, speed(end.best_f), end.step


class Polished(NamedTuple):
    """Where a polish ended; ``stagnant`` counts the last steps without progress."""

    h: Float[Array, " state"]
    residual: Float[Array, " state"]
    damping: Float[Array, ""]
    iterations: Int[Array, ""]
    stagnant: Int[Array, ""]


@jit_by_function("transition", static=("iterations",))
def polish(
    transition: Transition,
    start: Float[Array, " state"],
    g: float,
    target: float,
    *,
    iterations: int,
) -> Polished:
    """Minimize the speed from one start.

    Ends when the speed is below ``target`` (or rounding), when ``STAGNANT_STEPS`` steps in a row
    brought no progress (a slow point, or rounding), or after ``iterations``.
    """
    identity = jnp.eye(len(start), dtype=start.dtype)
    rounding = jnp.finfo(start.dtype).eps ** 2
    gradient = jnp.asarray(g, start.dtype)

    def residual(h: Array) -> Array:
        return transition(h, gradient) - h

    def attempt(h: Array) -> tuple[Array, Array, Array]:
        f = residual(h)
        return h, f, jnp.nan_to_num(speed(f), nan=jnp.inf)

    def step(c: Polished) -> Polished:
        a, now = jax.jacfwd(residual)(c.h), speed(c.residual)
        newton = attempt(c.h - jnp.linalg.solve(a, c.residual))

        def levenberg_marquardt() -> tuple[Array, Array, Array]:
            normal = a.T @ a
            damping = c.damping * jnp.trace(normal) / len(normal) + rounding
            factor = jax.scipy.linalg.cho_factor(normal + damping * identity)
            return attempt(c.h - jax.scipy.linalg.cho_solve(factor, a.T @ c.residual))

        damped = jax.lax.cond(newton[2] < 0.25 * now, lambda: newton, levenberg_marquardt)
        h, f, best = jax.tree.map(partial(jnp.where, newton[2] <= damped[2]), newton, damped)
        accept = best < now
        return Polished(
            jnp.where(accept, h, c.h),
            jnp.where(accept, f, c.residual),
            jnp.clip(jnp.where(accept, c.damping / 10.0, c.damping * 10.0), 1e-14, 1e14),
            c.iterations + 1,
            jnp.where(best < (1.0 - STAGNATION) * now, 0, c.stagnant + 1),
        )

    def unfinished(c: Polished) -> Array:
        now = speed(c.residual)
        least = jnp.maximum(target, rounding * jnp.max(jnp.abs(c.h)) ** 2)
        going = (c.iterations < iterations) & (c.stagnant < STAGNANT_STEPS)
        return going & (now > least) & jnp.isfinite(now)

    damping, zero = jnp.array(1e-3, start.dtype), jnp.array(0)
    return jax.lax.while_loop(
        unfinished, step, Polished(start, residual(start), damping, zero, zero)
    )


def float64(states: ArrayLike) -> Array | np.ndarray:
    """Return ``states`` as a float64 array that compiled functions take.

    NumPy's own arrays stay what they are: moving a few numbers to JAX takes longer than what they are for.

    Raises:
        ValueError: if JAX runs without 64-bit numbers.
    """
    wide = jnp.result_type(float) == jnp.float64
    if wide and isinstance(states, np.ndarray) and states.dtype == np.float64:
        return states
    states = jnp.asarray(states, jnp.result_type(float))
    if not wide:
        raise ValueError("fixed points need float64: run with JAX_ENABLE_X64=1")
    return states


@jit_by_function("transition")
def jacobian(
    transition: Transition, h: Float[Array, " state"], g: Float[ArrayLike, ""]
) -> tuple[Float[Array, "state state"], Float[Array, " state"]]:
    """Return dF/dh and dF/dg at one state."""
    return jax.jacfwd(transition, argnums=(0, 1))(h, jnp.asarray(g, h.dtype))
