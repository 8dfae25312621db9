"""Many optimizers of a task, measured alike and cheaply: what a census does with each of them.

    runner = Runner(task, ...)                     one compiled program for all thetas of a family
    runner.losses(family, theta)                   on the evaluation's problems
    runner.analyze(family, theta)                  the stages of the analysis
    runner.moves(family, theta, gradients, found)  updates after given gradients, and modes
    hand_made(task, tuned, ...)                    the tuned baselines, and the gradients that they met
    similarity(parts)                              distances between all of them, and a map

The gradients that all optimizers are fed are those that single components met in runs of the baselines, a
third each where there are three: they are the same whichever learned optimizers there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from lopt.analysis.linearization import linearize
from lopt.analysis.similarity import (
    behavior,
    behavior_distance,
    classical_scaling,
    pairwise_distances,
    spectral_distance,
)
from lopt.analysis.stages import Gathered, gather, study_stages
from lopt.analysis.trajectories import autonomous_trajectory
from lopt.keys import stream
from lopt.optimizers import make_baseline
from lopt.optimizers.shared import shared_component
from lopt.records.analysis import Linearization
from lopt.records.census import NOT_LEARNED, Dynamics, HandMade, Similarity, Spectrum
from lopt.tasks import Task, as_dtype, sample_batch
from lopt.unrolling import evaluate, record

__all__ = ["Runner", "hand_made", "similarity", "stack"]

SEQUENCES = 60  # gradient sequences that all optimizers are fed
RUNS = 5  # problems per baseline, in whose runs they were met
LEAST_SHARE = 1e-3  # of the total gain: modes with less of it count for nothing in a distance

Moves = tuple[np.ndarray, Spectrum | None]


@dataclass(frozen=True)
class Runner:
    """How every optimizer of a task is measured."""

    task: Task
    steps: int
    evaluation: Mapping[str, Any]
    analysis: Mapping[str, Any]
    constant_gradients: Float[np.ndarray, " constant_grid"]
    gradient_edges: Float[np.ndarray, " gradient_edge"]
    update_gradients: Float[np.ndarray, " update_grid"]

    def losses(self, family: Any, theta: Any) -> Float[np.ndarray, "problems steps_plus_1"]:
        """Return the losses on the evaluation's problems, in float32 as trained."""
        return _losses(self.task, family, as_dtype(theta, np.float32), self.steps, self.evaluation)

    def analyze(self, family: Any, theta: Any) -> Gathered:
        """Return the stages of the analysis that this optimizer has."""
        settings = self.analysis
        return gather(
            study_stages(
                self.task,
                family,
                theta,
                steps=self.steps,
                problems=settings["problems"],
                batch_size=settings["batch_size"],
                sample_states=settings["sample_states"],
                starts=settings["starts"],
                constant_gradients=self.constant_gradients,
                gradient_edges=self.gradient_edges,
                update_gradients=self.update_gradients,
            )
        )

    def moves(
        self,
        family: Any,
        theta: Any,
        gradients: Float[np.ndarray, "sequence steps"],
        found: Gathered,
    ) -> Moves:
        """Return the updates after ``gradients``, and the modes where they are known."""
        component = shared_component(family, as_dtype(theta, np.float64))
        modes, spectrum = found.stages.get("linearization"), None
        if isinstance(modes, Linearization):
            spectrum = Spectrum(modes.eigenvalues, modes.complex_learning_rates, modes.clusters)
        return behavior(component, gradients), spectrum


def _losses(
    task: Task, family: Any, theta: Any, steps: int, evaluation: Mapping[str, Any]
) -> np.ndarray:
    count, size = evaluation["problems"], evaluation["batch_size"]
    problems = sample_batch(task, stream(0, "evaluation"), count)
    losses = []
    for start in range(0, count, size):
        batch = jax.tree.map(lambda leaf, at=start: leaf[at : at + size], problems)
        losses.append(np.asarray(evaluate(task, family, theta, batch, steps=steps)))
    return np.concatenate(losses)


def hand_made(
    task: Task,
    tuned: Mapping[str, Mapping[str, float]],
    *,
    steps: int,
    problems: int,
    batch_size: int,
) -> tuple[HandMade, Dynamics]:
    """Return a task's tuned baselines on the evaluation's problems, and what they do.

    Args:
        task: the task.
        tuned: hyperparameters by baseline.
        steps: updates per problem.
        problems: of the evaluation.
        batch_size: of them at a time.

    Raises:
        ValueError: if there is no baseline, or none of their runs stayed finite.
    """
    if not tuned:
        raise ValueError("there is no tuned baseline to take gradients from")
    losses, met = [], []
    evaluation = {"problems": problems, "batch_size": batch_size}
    share = -(-SEQUENCES // len(tuned))
    rng = np.random.default_rng(0)
    runs = sample_batch(task, stream(0, "census", "gradients"), RUNS)
    for name, hyperparameters in tuned.items():
        family, theta = make_baseline(name, hyperparameters, np.float32)
        losses.append(_losses(task, family, theta, steps, evaluation))
        component = family.component(theta)
        recording = jax.jit(jax.vmap(lambda one, c=component: record(task, c, one, steps)))(runs)
        # The last gradient is met by no optimizer.
        sequences = np.asarray(recording.gradients)[:, :-1].transpose(0, 2, 1).reshape(-1, steps)
        sequences = sequences[np.all(np.isfinite(sequences), axis=1)]
        met.append(sequences[rng.permutation(len(sequences))[:share]])
    gradients = np.concatenate(met).astype(np.float64)
    if not len(gradients):
        raise ValueError("no run of a baseline stayed finite: there are no gradients to feed")
    moves = []
    for name, hyperparameters in tuned.items():
        component = make_component(name, hyperparameters)
        try:
            at = np.asarray(autonomous_trajectory(component, steps))[-1]
            modes = linearize(component, at)
            spectrum = Spectrum(modes.eigenvalues, modes.complex_learning_rates, modes.clusters)
        except ValueError:  # not differentiable where it comes to rest
            spectrum = None
        moves.append((name, NOT_LEARNED, behavior(component, gradients), spectrum))
    known = HandMade(np.array(list(tuned)), np.stack(losses), gradients)
    return known, stack(moves, len(gradients), steps)


def make_component(name: str, hyperparameters: Mapping[str, float]) -> Any:
    """Return a tuned baseline as a component optimizer in float64."""
    family, theta = make_baseline(name, hyperparameters, np.float64)
    return family.component(theta)


def stack(
    moves: Sequence[tuple[str, int, np.ndarray, Spectrum | None]], sequences: int, steps: int
) -> Dynamics:
    """Return the moves of several optimizers as one record; those that are not finite are left out.

    Args:
        moves: name, seed, updates and modes of each; without modes, none has a gain.
        sequences: gradient sequences that they were fed.
        steps: of each.
    """
    kept = [move for move in moves if np.all(np.isfinite(move[2]))]
    size = max((len(move[3].eigenvalues) for move in kept if move[3]), default=1)
    values, alphas = np.zeros((2, len(kept), size), complex)
    clusters = np.tile(np.arange(size), (len(kept), 1))
    for row, (_, _, _, spectrum) in enumerate(kept):
        if spectrum:
            count = len(spectrum.eigenvalues)
            values[row, :count] = spectrum.eigenvalues
            alphas[row, :count] = spectrum.complex_learning_rates
            clusters[row, :count] = spectrum.clusters
        else:
            alphas[row] = np.nan
    updates = np.reshape([move[2] for move in kept], (len(kept), sequences, steps))
    return Dynamics(
        np.array([move[0] for move in kept], dtype=str),
        np.array([move[1] for move in kept], dtype=int),
        updates.astype(np.float64),
        values,
        alphas,
        clusters,
    )


def similarity(parts: Sequence[Dynamics]) -> Similarity:
    """Return the distances between all optimizers of a task, and a map of their behavior.

    The distance of modes is NaN where those of one of the two are not known.
    """
    subjects = [(part, row) for part in parts for row in range(len(part.optimizers))]
    names = [str(part.optimizers[row]) for part, row in subjects]
    updates = [part.updates[row] for part, row in subjects]
    spectra = [part.spectrum(row) for part, row in subjects]

    def between_modes(one: Spectrum, other: Spectrum) -> float:
        known = np.isfinite([*one.complex_learning_rates, *other.complex_learning_rates]).all()
        return spectral_distance(one, other, least_share=LEAST_SHARE) if known else np.nan

    distances = pairwise_distances(updates, behavior_distance)
    coordinates, shares = classical_scaling(distances)
    return Similarity(
        np.array(names),
        np.array([int(part.seeds[row]) for part, row in subjects]),
        distances,
        pairwise_distances(spectra, between_modes),
        coordinates,
        shares,
    )
