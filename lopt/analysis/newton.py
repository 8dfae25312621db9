r"""Newton's method for h = F(h, g) that says how exact its answer is, entry by entry.

With f = F(h, g) - h and A = I - dF/dh the step is A^-1 f. It is damped by the natural monotonicity
test: the next residual, measured through the same inverse, must be smaller. Steps, tests and the
error are relative to each entry's scale, the largest of |h_i|, the terms that F_i is summed from
(|J| |h| + |j g|)_i, and 1e-12 of the starts' spread: multiplying an entry by a constant changes
nothing. The error bound

    e = |A^-1| (|f| + rounding),      rounding_i = eps (|h_i| + |F_i| + terms_i)

is of first order in f, and of the size of what rounding can do where f happens to vanish.

* Entries that F does not depend on (the last update, the last gradient) have no memory: they are
  left out of the system and filled in by one application of F.
* Where A is singular to working precision (an eigenvalue 1) the step is the smallest one, and the
  point keeps its place along the null direction.
* Where F jumps there may be no zero of f but a place at which f changes its sign: states chatter
  about it. ``bracket`` looks for one along f, and its error is what is left of the bracket.

Sources: Deuflhard 2004, Newton Methods for Nonlinear Problems, ch. 3 (natural monotonicity test);
Higham 2002, Accuracy and Stability, sections 7.2 and 12.1 (componentwise error bounds); Filippov
1988 (what a jump means for a fixed point).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from lopt.analysis.readings import FLOOR
from lopt.analysis.root_search import STAGNANT_STEPS, Transition, float64, polish, run_map
from lopt.optimizers.shared import jit_by_function

__all__ = ["Root", "bracket", "find_root", "linear_part", "newton", "scaled_size"]

EPSILON, TINY = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)
SINGULAR = 1e-12  # singular values of the scaled A below this are taken for 0
DAMPINGS = 10  # halvings of a step before Newton's method gives up
SECTIONS = 64  # points that ``bracket`` looks at at a time
ROUNDS = 4  # of ``bracket``, each from where the last one ended


class LinearPart(NamedTuple):
    """F and its derivatives at one state."""

    value: Float[np.ndarray, " state"]
    jacobian: Float[np.ndarray, "state state"]
    input_vector: Float[np.ndarray, " state"]


class Root(NamedTuple):
    """Where Newton's method ended, and what it knows about that place."""

    point: Float[np.ndarray, " state"]
    residual: Float[np.ndarray, " state"]
    """F(h, g) - h."""
    error: Float[np.ndarray, " state"]
    """Bound of |h_i - h*_i|; infinite where it is no root."""
    scale: Float[np.ndarray, " state"]
    """What errors of each entry are measured by."""
    found: bool
    """Whether it is a root (or a place that F jumps across) as far as rounding lets one tell."""
    singular: bool
    """Whether I - dF/dh is singular there to working precision."""
    jumps: bool
    """Whether F jumps across this point."""
    iterations: int
    inverse: Float[np.ndarray, "kept kept"]
    """A^-1 on the entries with memory (the pseudo-inverse where A is singular)."""
    kept: Bool[np.ndarray, " state"]
    """Entries with memory."""
    input_vector: Float[np.ndarray, " state"]
    """dF/dg there."""
    jacobian: Float[np.ndarray, "state state"]
    """dF/dh there."""


@jit_by_function("transition")
def _linear_part(
    transition: Transition, h: Float[Array, " state"], g: Float[ArrayLike, ""]
) -> tuple[Array, Array, Array]:
    g = jnp.asarray(g, h.dtype)
    return transition(h, g), *jax.jacfwd(transition, argnums=(0, 1))(h, g)


def linear_part(transition: Transition, h: Float[np.ndarray, " state"], g: float) -> LinearPart:
    """Return F, dF/dh and dF/dg at one state."""
    return LinearPart(*map(np.asarray, _linear_part(transition, float64(h), g)))


def scaled_size(
    step: Float[np.ndarray, "*rows state"], scale: Float[np.ndarray, "*#rows state"]
) -> Float[np.ndarray, "*rows"]:
    """Return max_i |step_i| / scale_i, with 0 / 0 = 0 (and 0 for a state of no entries)."""
    step = np.abs(step)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(step == 0.0, 0.0, step / scale)
    return np.max(np.nan_to_num(shares, nan=np.inf, posinf=np.inf), axis=-1, initial=0.0)


def _invert(
    a: Float[np.ndarray, "kept kept"], scale: Float[np.ndarray, " kept"]
) -> tuple[Float[np.ndarray, "kept kept"], bool]:
    """Return the inverse of ``a``, or its pseudo-inverse in units of ``scale``, and whether it is."""
    if not len(a):
        return a, False
    # An entry without a scale depends on none that has one, for that would give it terms; those may depend
    # on it.
    unit = np.where(scale > 0.0, scale, np.min(scale, initial=np.inf, where=scale > 0.0))
    unit = np.where(np.isfinite(unit), unit, 1.0)
    unit = np.maximum(
        unit, 1e-150 * unit.max()
    )  # the ratio of two is a number, whatever has died out
    scaled = a * unit / unit[:, None]
    try:
        inverse = np.linalg.inv(scaled)
    except np.linalg.LinAlgError:
        inverse = np.full_like(scaled, np.inf)
    size = np.linalg.norm(inverse, 1)
    singular = not size * SINGULAR < 1.0
    if singular:
        left, values, right = np.linalg.svd(scaled)
        kept = values > SINGULAR * max(1.0, values[0])
        singular = not kept.all()
        inverse = (right[kept].T / values[kept]) @ left[:, kept].T
    return inverse * unit[:, None] / unit, singular


def newton(
    transition: Transition,
    start: Float[np.ndarray, " state"],
    g: float,
    spread: Float[np.ndarray, " state"],
    *,
    iterations: int,
) -> Root:
    """Return where Newton's method leads from ``start``.

    Args:
        transition: F.
        start: one state.
        g: the constant gradient.
        spread: how large each entry is among the starts; a floor of the scales, so relative.
        iterations: the most steps.
    """
    h, spent, last = np.array(start, np.float64), 0, np.inf
    while True:
        part = linear_part(transition, h, g)
        if not all(np.all(np.isfinite(array)) for array in part):
            return _no_root(h, part, spread, spent)
        kept = np.any(part.jacobian != 0.0, axis=0)
        h = np.where(kept, h, part.value)
        f = np.where(kept, part.value - h, 0.0)
        terms = np.abs(part.jacobian) @ np.abs(h) + np.abs(part.input_vector * g)
        own = np.maximum(np.abs(h), terms)
        scale = np.maximum(own, FLOOR * spread)
        a = np.eye(int(kept.sum())) - part.jacobian[np.ix_(kept, kept)]
        inverse, singular = _invert(a, scale[kept])
        step = np.zeros_like(h)
        step[kept] = inverse @ f[kept]
        size, finest = float(scaled_size(step, scale)), float(scaled_size(step, own))
        # To rounding of each entry, however small beside the starts: until a step no longer halves.
        if finest <= 4.0 * EPSILON or spent >= iterations or (size <= 1e-9 and finest > 0.5 * last):
            break
        length, last = 1.0, finest
        for _ in range(DAMPINGS):
            trial = h + length * step
            residual = np.asarray(run_map(transition, float64(trial[None]), g, steps=1))[0] - trial
            simplified = np.zeros_like(h)
            simplified[kept] = inverse @ residual[kept]
            left = float(scaled_size(simplified, np.maximum(scale, np.abs(trial))))
            if size <= 1e-9 or left <= (1.0 - length / 2.0) * size:
                break
            length /= 2.0
        else:
            break  # no place for Newton's method
        h, spent = trial, spent + 1
    rounding = EPSILON * (np.abs(h) + np.abs(part.value) + terms)
    unresolved = f[kept] - a @ (inverse @ f[kept]) if singular else np.zeros(0)
    error = np.zeros_like(h)
    error[kept] = np.abs(inverse) @ (np.abs(f) + rounding)[kept]
    error[~kept] = np.abs(part.jacobian[np.ix_(~kept, kept)]) @ error[kept] + rounding[~kept]
    found = scaled_size(step, scale) <= 1e-4
    if singular:
        found &= bool(np.all(np.abs(unresolved) <= 10.0 * rounding[kept] + EPSILON * spread[kept]))
    return Root(
        h, part.value - h, error, scale, bool(found), singular, False, spent, inverse, kept,
        part.input_vector, part.jacobian,
    )  # fmt: skip


def _no_root(h: np.ndarray, part: LinearPart, spread: np.ndarray, spent: int) -> Root:
    """Return what there is to say of a state where F or its derivatives are not finite."""
    nothing = np.zeros((0, 0))
    return Root(
        h, part.value - h, np.full_like(h, np.inf), np.maximum(np.abs(h), spread), False, False,
        False, spent, nothing, np.zeros(len(h), bool), part.input_vector, part.jacobian,
    )  # fmt: skip


def bracket(
    transition: Transition, start: Float[np.ndarray, " state"], g: float
) -> tuple[Float[np.ndarray, " state"], Float[np.ndarray, " state"]] | None:
    """Return a place where f = F(h, g) - h changes its sign along itself, and the bracket's width.

    From h the map moves along d = f(h). Where d . f(h + t d) is negative for some t > 0 it comes
    back, and the place in between is bracketed to rounding; None if there is no such t, or the
    bracket does not settle.
    """
    h, width, rounds = np.array(start, np.float64), None, 0
    while True:
        rounds += 1
        direction = _residuals(transition, h[None], g)[0]
        # Entries that are at rest but for rounding stay where they are.
        direction = np.where(np.abs(direction) <= 8.0 * EPSILON * np.abs(h), 0.0, direction)
        moving = direction != 0.0
        if width is not None and not moving.any():
            return h, width + EPSILON * np.abs(h)  # the very place, where the sign of f is 0
        if not np.all(np.isfinite(direction)) or not moving.any():
            return None
        low, high = 0.0, np.inf
        reach = 2.0 ** np.arange(SECTIONS)
        for _ in range(12):
            states = h + reach[:, None] * direction
            # What does not move may be undefined on the way (a square root of what does).
            back = _residuals(transition, states, g)[:, moving] @ direction[moving]
            turned = np.flatnonzero(~(back >= 0.0))
            if not turned.size and not np.isfinite(high):
                return None
            if turned.size:
                first = int(turned[0])
                if not np.isfinite(back[first]):
                    return None
                high, low = reach[first], reach[first - 1] if first else low
            else:
                low = reach[-1]
            if np.all(np.abs((high - low) * direction) <= 2.0 * EPSILON * np.abs(h)):
                break
            reach = np.linspace(low, high, SECTIONS + 2)[1:-1]
        ends = h + np.array([[low], [high]]) * direction
        middle, width = ends.mean(axis=0), np.abs(ends[1] - ends[0])
        # The first bracket is as wide as rounding of a distant start; the next are finer.
        settled = np.all(np.abs(middle - h) <= 4.0 * EPSILON * np.abs(middle) + width)
        h = middle
        if rounds == ROUNDS or (settled and np.all(width <= 8.0 * EPSILON * np.abs(h))):
            break
    # The map comes back from there only if some mean of f on both sides is 0: where f is smooth,
    # it may just have turned at a right angle.
    below, above = _residuals(transition, ends, g)[:, moving]
    change = above - below
    share = np.clip(-(below @ change) / max(change @ change, TINY), 0.0, 1.0)
    left = np.linalg.norm(below + share * change)
    sizes = np.linalg.norm(below), np.linalg.norm(above)
    if not (left <= 1e-3 * max(sizes) or max(sizes) <= 1e-6 * np.linalg.norm(direction)):
        return None
    return h, width + EPSILON * np.abs(h)


def _residuals(
    transition: Transition, states: Float[np.ndarray, "row state"], g: float
) -> Float[np.ndarray, "row state"]:
    """Return F(h, g) - h of rows (always as many, so that one program serves)."""
    padded = np.resize(states, (SECTIONS, states.shape[1]))
    values = np.asarray(run_map(transition, float64(padded), g, steps=1))
    return values[: len(states)] - states


def find_root(
    transition: Transition,
    start: Float[np.ndarray, " state"],
    g: float,
    spread: Float[np.ndarray, " state"],
    *,
    iterations: int,
) -> tuple[Root, bool]:
    """Return the root that Newton's method finds from ``start``, after descent where it must be.

    Newton's method first; where that fails the speed is minimized (``root_search.polish``) and
    Newton's method tried from there; where that fails too, a jump of F is looked for. The second
    value says whether the descent ended at a minimum of the speed (a slow point).
    """
    first = newton(transition, start, g, spread, iterations=iterations)
    if first.found:
        return first, False
    polished = polish(transition, float64(start), g, 0.0, iterations=iterations)
    lowest, spent = np.asarray(polished.h), first.iterations + int(polished.iterations)
    second = newton(transition, lowest, g, spread, iterations=iterations)
    if second.found:
        return second._replace(iterations=spent + second.iterations), False
    residual = np.asarray(polished.residual)
    stagnant = int(polished.stagnant) >= STAGNANT_STEPS and bool(np.all(np.isfinite(residual)))
    # Newton's method has settled all but the direction in which F jumps.
    for place in (first.point, lowest) if stagnant else ():
        crossing = bracket(transition, place, g)
        if crossing is not None:
            end = newton(transition, crossing[0], g, spread, iterations=iterations)
            spent += 1 + end.iterations
            near = np.all(np.abs(end.point - crossing[0]) <= 1e-6 * end.scale)
            if end.found and not end.singular and near:
                return end._replace(iterations=spent), False
            if np.all(crossing[1] <= 1e-9 * np.maximum(np.abs(crossing[0]), FLOOR * spread)):
                at = newton(transition, crossing[0], g, spread, iterations=0)
                at = at._replace(error=crossing[1], found=True, jumps=True, iterations=spent)
                return at, False
    lowest_root = second._replace(
        point=lowest,
        residual=residual,
        error=np.full_like(lowest, np.inf),
        found=False,
        iterations=spent,
    )
    return lowest_root, stagnant
