r"""Meta-training: gradient descent on the parameters of an optimizer.

One meta-step draws ``problems`` fresh problems from the task, computes the gradient of

    mean over problems of [ 1/(T+1) sum_k f(x_k) / f(x_0) ]  +  theta_penalty * ||theta||_2

through the full unroll (``meta_gradient``), clips it element-wise and applies Adam with an
exponentially decaying learning rate (arXiv 2011.02159, appendix; the authors' released
configuration). A meta-gradient that is not finite is skipped and counted. Two things are not the authors'.
With ``adjoint_bound`` what is propagated back through a problem's run stays in bounds
(``lopt.learned.adjoint_bound``): without it trainings become unstable sooner or later. With ``problem_clip``
every problem's meta-gradient is clipped by its norm before the mean is taken: on two moons a few problems'
would drown all others. docs/meta_search.md shows both.

Many meta-steps run as one jitted ``lax.scan`` (a chunk); the host loop around it measures a validation
meta-objective on held-out problems, and keeps the best theta by it: a deviation from the
authors, who keep the last, for runs as short as ours end anywhere on a noisy curve. With ``averaging`` = d
what is measured and kept is not theta but its moving average,

    average <- d_k average + (1 - d_k) theta,        d_k = min(d, (1 + k) / (10 + k)),

at meta-step k = 1, 2, ... (Polyak and Juditsky 1992, with the weights of an exponential average): where
theta moves about a valley, the average lies nearer to its floor.

The state after a chunk is a function of the settings, the seed and the chunk's index alone, whichever
process computed it: a run that resumes from a stored state ends with the same bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from lopt.config import MetaTrainingSettings
from lopt.keys import stream
from lopt.learned.base import LearnedFamily
from lopt.learned.theta import named
from lopt.meta_training.gradient import block_length, clipped_meta_gradient, meta_gradient
from lopt.tasks import Task, sample_batch
from lopt.tasks.flat import check_first_losses
from lopt.unrolling import evaluate, meta_objective

__all__ = [
    "ChunkRecord",
    "CurvePoint",
    "MetaTrainingError",
    "State",
    "Training",
    "check_learned",
    "curve_point",
    "initial_state",
    "meta_train",
    "train_chunk",
    "validation_problems",
]


class MetaTrainingError(RuntimeError):
    """Meta-training cannot go on; the message says at which meta-step and what to try."""


@dataclass(frozen=True)
class Training:
    """What is meta-trained, on what, and how; with a seed it determines the run.

    Attributes:
        task: the distribution of problems to train on.
        family: the optimizer's family.
        settings: how to train.
        steps: updates per problem (T).
    """

    task: Task
    family: LearnedFamily
    settings: MetaTrainingSettings
    steps: int

    def block(self) -> int:
        """Return how many steps the meta-gradient keeps at a time, within the memory budget.

        Raises:
            ValueError: if the budget is too small for any division into blocks.
        """
        rows = self.settings.problems * self.task.components
        return block_length(self.family, rows, self.steps, self.settings.memory_budget_gb * 1e9)


class State(NamedTuple):
    """Everything a run needs to resume: all of it is arrays.

    ``average`` is the moving average of theta, or nothing where the settings ask for none.
    """

    step: Int[Array, ""]
    theta: PyTree
    optimizer: PyTree
    average: PyTree | tuple[()]
    best_theta: PyTree
    best_validation: Float[Array, ""]
    best_step: Int[Array, ""]


class ChunkRecord(NamedTuple):
    """What happened at each meta-step of a chunk.

    ``skipped_in_a_row`` counts the meta-gradients up to this one that were not finite: 0 where the
    update was made.
    """

    meta_objectives: Float[Array, " chunk"]
    gradient_norms: Float[Array, " chunk"]
    skipped_in_a_row: Int[Array, " chunk"]


class CurvePoint(NamedTuple):
    """One row of the training curve, the mean over one chunk; skipped steps are a running total."""

    step: int
    meta_objective: float
    validation_meta_objective: float
    gradient_norm: float
    skipped_steps: int


def _optimizer(settings: MetaTrainingSettings) -> optax.GradientTransformation:
    schedule = optax.exponential_decay(
        settings.learning_rate, settings.decay_steps, settings.decay_factor
    )
    # The number of errors in a row is judged by the host, which can say something about it.
    return optax.apply_if_finite(
        optax.chain(
            optax.clip(settings.clip),
            optax.adam(schedule, b1=settings.b1, b2=settings.b2, eps=settings.epsilon),
        ),
        max_consecutive_errors=np.iinfo(np.int32).max,
    )


def initial_state(training: Training, seed: int, theta: PyTree | None = None) -> State:
    """Return the state before the first meta-step, at ``theta`` (default: the seed's random one).

    Raises:
        ValueError: if theta is empty, or no pytree of float32 arrays with a name each: it could not be
            stored.
    """
    settings = training.settings
    first: Any = training.family.init(stream(seed, "theta")) if theta is None else theta
    arrays = named(first)
    for name, leaf in arrays.items():
        if getattr(leaf, "dtype", None) != np.float32:
            found = getattr(leaf, "dtype", type(leaf).__name__)
            raise ValueError(
                f"{training.family}: theta's {name} is {found}, expected an array of float32, which is what "
                "is stored"
            )
    if not sum(leaf.size for leaf in arrays.values()):
        raise ValueError(f"{training.family}: theta has no entries, so there is nothing to train")
    return State(
        step=jnp.zeros((), jnp.int32),
        theta=first,
        optimizer=_optimizer(settings).init(first),
        average=() if settings.averaging is None else first,
        best_theta=first,
        best_validation=jnp.full((), jnp.inf, jnp.float32),
        best_step=jnp.zeros((), jnp.int32),
    )


@partial(jax.jit, static_argnames=("training",))
def train_chunk(
    state: State, seed: Int[Array, ""], *, training: Training
) -> tuple[State, ChunkRecord]:
    """Run ``settings.chunk`` meta-steps; return the state and a record of each meta-step.

    ``vmap`` over ``state`` and ``seed`` trains several seeds in one program.
    """
    task, settings, block = training.task, training.settings, training.block()
    optimizer = _optimizer(settings)
    if settings.problem_clip is None:
        gradient_of = meta_gradient
    else:
        gradient_of = partial(clipped_meta_gradient, norm=settings.problem_clip)

    def meta_step(state: State, _: None) -> tuple[State, ChunkRecord]:
        problems = sample_batch(task, stream(seed, "train", state.step), settings.problems)
        objective, gradient = gradient_of(
            task,
            training.family,
            state.theta,
            problems,
            training.steps,
            block,
            settings.adjoint_bound,
        )
        scale = settings.theta_penalty / jnp.maximum(optax.tree.norm(state.theta), 1e-30)
        gradient = jax.tree.map(lambda g, leaf: g + scale * leaf, gradient, state.theta)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer)
        theta, step = optax.apply_updates(state.theta, updates), state.step + 1
        state = state._replace(
            step=step,
            theta=theta,
            optimizer=optimizer_state,
            average=_average(state.average, theta, step, settings.averaging),
        )
        norm = optax.tree.norm(gradient)
        return state, ChunkRecord(objective, norm, state.optimizer.notfinite_count)

    return jax.lax.scan(meta_step, state, length=settings.chunk)


def _average(
    average: PyTree | tuple[()], theta: PyTree, step: Int[Array, ""], decay: float | None
) -> PyTree | tuple[()]:
    """Return the moving average after meta-step ``step``; early on it looks back less far."""
    if decay is None:
        return average
    weight = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, new: weight * old + (1.0 - weight) * new, average, theta)


def meta_train(
    training: Training,
    seed: int,
    *,
    state: State | None = None,
    after_chunk: Callable[[State, CurvePoint], None] = lambda state, point: None,
) -> State:
    """Meta-train one optimizer and return the final state.

    Args:
        training: what is trained, on what, and how.
        seed: names all random streams of this run.
        state: where to resume from (default: the beginning).
        after_chunk: called with the state and the curve's new row after every chunk.

    Raises:
        MetaTrainingError: after ``settings.skipped_in_a_row`` meta-gradients in a row that are
            not finite.
        ValueError: if the memory budget is too small for any division into blocks, or a loss is no positive
            number at the start of a problem.
    """
    settings = training.settings
    reached = initial_state(training, seed) if state is None else state
    with jax.default_matmul_precision(settings.precision):
        validation = validation_problems(training.task, settings.validation_problems)
        while int(reached.step) < settings.meta_steps:
            before = int(reached.step)
            reached, chunk = train_chunk(reached, jnp.asarray(seed, jnp.uint32), training=training)
            _check_skipped(np.asarray(chunk.skipped_in_a_row), before, settings)
            step = int(reached.step)
            validation_objective = np.nan
            if step % settings.validation_interval == 0:
                reached, validation_objective = _validate(training, reached, validation)
            after_chunk(reached, curve_point(reached, chunk, validation_objective))
    return reached


def curve_point(state: State, chunk: ChunkRecord, validation: float) -> CurvePoint:
    """Return the curve's row of a chunk that ended in ``state``.

    Skipped steps have no objective to average; a chunk of nothing else shows as nan.
    """
    objectives, norms, skipped_in_a_row = map(np.asarray, chunk)
    done = skipped_in_a_row == 0
    return CurvePoint(
        step=int(state.step),
        meta_objective=_mean(objectives[done]),
        validation_meta_objective=float(validation),
        gradient_norm=_mean(norms[done]),
        skipped_steps=int(state.optimizer.total_notfinite),
    )


def check_learned(training: Training, seed: int, state: State, start: State | None = None) -> None:
    """Raise if a finished training learned nothing: nothing of it is worth keeping.

    Args:
        training: what was trained, and how.
        seed: of the training.
        state: that it ended in.
        start: that it began with (default: ``initial_state`` of the seed).

    Raises:
        MetaTrainingError: if no validation meta-objective of the run was finite, or the best is not
            below that of what it began with, on the same problems.
    """
    settings, best = training.settings, float(state.best_validation)
    advice = "try a smaller learning_rate, clip or output_scale for this task, or other seeds"
    with jax.default_matmul_precision(settings.precision):
        untrained = start or initial_state(training, seed)
        before = _validate(
            training, untrained, validation_problems(training.task, settings.validation_problems)
        )[1]
    if not np.isfinite(best):
        if not np.isfinite(before):
            advice = (
                f"nor was that of what it began with, {before:g}: are the losses of this task finite, "
                "and not 0 at the start?"
            )
        raise MetaTrainingError(
            f"seed {seed} learned nothing: of the validation meta-objectives, one every "
            f"{settings.validation_interval} of {int(state.step)} meta-steps, none was finite; {advice}"
        )
    # Means of float32 ratios: equal to rounding is not better.
    if np.isfinite(before) and not best < before - 1e-5 * abs(before):
        raise MetaTrainingError(
            f"seed {seed} learned nothing: the best validation meta-objective of {int(state.step)} "
            f"meta-steps is {best:.6g}, that of what it began with {before:.6g}; train for more "
            f"meta_steps, or {advice}"
        )


def validation_problems(task: Task, count: int) -> PyTree:
    """Every seed is validated on the same problems: seeds are compared by this number.

    Raises:
        ValueError: if the loss at the start of one is no positive number.
    """
    problems = sample_batch(task, stream(0, "validation"), count)
    check_first_losses(task, problems)
    return problems


def _check_skipped(
    skipped_in_a_row: Int[np.ndarray, " chunk"], before: int, settings: MetaTrainingSettings
) -> None:
    """Raise if too many meta-gradients in a row were not finite in the chunk after step ``before``."""
    too_many = skipped_in_a_row >= settings.skipped_in_a_row
    if too_many.any():
        step = before + 1 + int(np.argmax(too_many))
        raise MetaTrainingError(
            f"{settings.skipped_in_a_row} meta-gradients in a row (skipped_in_a_row), up to that of "
            f"meta-step {step} of {settings.meta_steps}, were not finite; try a smaller learning_rate, "
            "clip or output_scale for this task"
        )


def _validate(training: Training, state: State, problems: PyTree) -> tuple[State, float]:
    """Measure theta, or its average, on the validation problems and keep it if it is the best so far."""
    theta = state.average or state.theta
    losses = evaluate(training.task, training.family, theta, problems, steps=training.steps)
    objective = float(jnp.mean(meta_objective(losses)))
    if objective < float(state.best_validation):
        state = state._replace(
            best_theta=theta,
            best_validation=jnp.asarray(objective, jnp.float32),
            best_step=state.step,
        )
    return state, objective


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
