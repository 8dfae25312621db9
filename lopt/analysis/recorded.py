r"""What recorded runs looked like: trajectories from a recording or from gradients, without a task.

    summarize_recording(recording)       of one run, or of many stacked, as ``lopt.record`` returns
    drive(component, gradients)          the optimizer fed with gradients that were met elsewhere

``drive`` is the open loop: states and updates are the optimizer's own answers to the gradients it is given,
whatever its updates would have led to. Without a task there are no losses, which are NaN.

Everything is kept in memory, unlike in ``trajectories``, which summarizes runs while they go on.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from lopt.analysis.checks import check_grid
from lopt.analysis.trajectories import DivergedError, autonomous_trajectory
from lopt.magnitudes import QUANTILE_LEVELS, default_magnitude_edges, magnitude_quantiles
from lopt.optimizers.component import ComponentOptimizer, check_shapes, running
from lopt.records.analysis import Trajectories
from lopt.unrolling import Recording

__all__ = ["drive", "summarize_recording"]


def drive(
    component: ComponentOptimizer,
    gradients: Float[ArrayLike, "*runs steps components"],
    x: Float[ArrayLike, "*runs steps components"] | None = None,
    losses: Float[ArrayLike, "*runs steps"] | None = None,
) -> Recording:
    """Return what ``component`` does with gradients that were met elsewhere.

    Args:
        component: the optimizer.
        gradients: g[0] ... g[steps - 1], for any number of components and runs.
        x: the parameters at which they were met (default: 0 throughout, for optimizers that do not read
            them). The recording's own x, gradients and losses end with a repetition of the last entry.
        losses: that were met there (default: not known).

    Raises:
        ValueError: if the gradients are not finite, have no steps or no components, or if ``x`` has
            another shape; if the optimizer reads a loss that is not known, or a function of it has wrong
            shapes.
    """
    check_shapes(component)
    given = np.asarray(gradients)
    if given.ndim < 2 or not given.size:
        raise ValueError(
            f"gradients has shape {list(given.shape)}, expected [..., steps, components], none of them 0"
        )
    if not np.issubdtype(given.dtype, np.number):
        raise ValueError(f"gradients is an array of {given.dtype}, expected numbers")
    finite = np.isfinite(given).all(axis=(*range(given.ndim - 2), -1))
    if not finite.all():
        step = int(np.argmin(finite))
        raise ValueError(
            f"gradients holds what is not a finite number, first at step {step}; "
            "what comes before can be read"
        )
    places = np.zeros_like(given, float) if x is None else np.asarray(x)
    if places.shape != given.shape:
        raise ValueError(
            f"x has shape {list(places.shape)}, but the gradients have {list(given.shape)}"
        )
    known = np.full(given.shape[:-1], np.nan) if losses is None else np.asarray(losses, float)
    if known.shape != given.shape[:-1]:
        raise ValueError(f"losses has shape {list(known.shape)}, expected {list(given.shape[:-1])}")
    run, dtype = running(component), jnp.asarray(component.initial_state).dtype
    if run.reads_loss and np.isnan(known).any():
        raise ValueError("this optimizer reads the loss, which is not known here")

    @jax.jit
    def every(gradients: Array, places: Array, losses: Array) -> tuple[Array, Array]:
        def step(state: Array, met: tuple[Array, ...]) -> tuple[Array, tuple[Array, Array]]:
            after, update = run.advance(state, *met)
            return after, (run.read(state), update)

        def one(*met: Array) -> tuple[Array, Array]:
            last, (states, updates) = jax.lax.scan(step, run.start(met[1][0]), met)
            return jnp.concatenate([states, run.read(last)[None]]), updates

        return jax.vmap(one)(gradients, places, losses)

    runs = int(np.prod(given.shape[:-2]))
    flat = [
        jnp.asarray(a, dtype).reshape(runs, *a.shape[given.ndim - 2 :])
        for a in (given, places, known)
    ]
    states, updates = every(*flat)
    steps, components = given.shape[-2:]

    def extended(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, array[..., -1:, :]], axis=-2)

    return Recording(
        losses=np.concatenate([known, known[..., -1:]], axis=-1),
        x=extended(places),
        gradients=extended(given),
        h=np.asarray(states).reshape(*given.shape[:-2], steps + 1, components, -1),
        updates=np.asarray(updates).reshape(given.shape),
    )


def summarize_recording(
    component: ComponentOptimizer,
    recording: Recording,
    *,
    gradient_edges: Float[ArrayLike, " gradient_edge"],
    visited_states: int = 2000,
    late_states: int = 100,
    seed: int = 0,
) -> Trajectories:
    """Return what recorded runs of ``component`` looked like.

    Args:
        component: the optimizer that was recorded.
        recording: of one run, or of many stacked along the leading axes.
        gradient_edges: ascending edges of the histogram of g.
        visited_states: how many visited states to keep (fewer if there were fewer).
        late_states: how many states at the end of runs to keep (likewise).
        seed: of the choice.

    Raises:
        ValueError: if no run stayed finite, or states are not those of ``component``.
    """
    size = check_shapes(component)
    edges = check_grid("gradient_edges", gradient_edges, least=2)
    losses, gradients, h = (
        np.asarray(part, np.float64)
        for part in (recording.losses, recording.gradients, recording.h)
    )
    if h.ndim < 3 or h.shape[-1] != size:
        raise ValueError(
            f"the recorded states have shape {list(h.shape)}, but the optimizer has {size} state variables: "
            "it is another one, or another reading of it, that was recorded"
        )
    if h.shape[:-1] != gradients.shape or losses.shape != gradients.shape[:-1]:
        raise ValueError(
            f"the recording's losses, gradients and states have shapes {list(losses.shape)}, "
            f"{list(gradients.shape)} and {list(h.shape)}, expected [..., steps + 1], that with components, "
            "and that with components and state"
        )
    steps, components = gradients.shape[-2] - 1, gradients.shape[-1]
    losses = losses.reshape(-1, steps + 1)
    gradients = gradients.reshape(-1, steps + 1, components)
    h = h.reshape(-1, steps + 1, components, size)
    finite = np.all(np.isfinite(h), axis=(1, 2, 3)) & np.all(np.isfinite(gradients), axis=(1, 2))
    finite &= ~np.any(np.isinf(losses), axis=1)
    known = not np.isnan(losses).all()  # NaN throughout: gradients alone were recorded
    if known:
        finite &= ~np.isnan(losses).any(axis=1)
    count = len(finite)
    if not finite.any():
        raise DivergedError(count, f"all {count} recorded runs became non-finite")
    losses, gradients, h = losses[finite], gradients[finite], h[finite]

    generator = np.random.default_rng(seed)
    rows = h.reshape(-1, size)
    visited = generator.permutation(len(rows))[:visited_states]
    late = h[:, -1].reshape(-1, size)
    met = gradients[:, :-1].reshape(-1)  # the last gradient is met by no optimizer
    inside = np.histogram(met, edges)[0]
    outside = np.array([np.sum(met < edges[0]), np.sum(met > edges[-1])])
    magnitudes = default_magnitude_edges()
    with np.errstate(divide="ignore"):
        exponents = np.clip(np.log10(np.abs(met)), magnitudes[0], magnitudes[-1])
    magnitude_counts = np.histogram(exponents, magnitudes)[0]
    errors = losses.std(axis=0, ddof=1) / len(losses) ** 0.5 if len(losses) > 1 else 0.0
    everyone = h.transpose(1, 0, 2, 3).reshape(steps + 1, -1, size)
    return Trajectories(
        mean_losses=losses.mean(axis=0),
        loss_standard_errors=np.broadcast_to(errors, steps + 1).astype(np.float64),
        total_variance=everyone.var(axis=1).sum(axis=-1),
        visited_states=rows[visited],
        visited_iterations=(visited // components) % (steps + 1),
        late_states=late[generator.permutation(len(late))[:late_states]],
        gradient_edges=edges,
        gradient_counts=inside.astype(np.int64),
        gradients_outside=outside.astype(np.int64),
        magnitude_edges=magnitudes,
        magnitude_counts=magnitude_counts.astype(np.int64),
        gradient_quantile_levels=np.array(QUANTILE_LEVELS),
        gradient_quantiles=magnitude_quantiles(magnitude_counts, magnitudes),
        autonomous_states=np.asarray(autonomous_trajectory(component, steps)),
        problems=np.array(count),
        diverged=np.array(count - int(finite.sum())),
    )
