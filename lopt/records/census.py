"""What the stages of a census store: NamedTuples of NumPy arrays that know neither JAX nor files.

A *variant* is a kind of optimizer of a task, a family of one size trained by one recipe; a census trains
each with several seeds. ``NOT_LEARNED`` marks what was not meta-trained. Conventions as in
``lopt.records.analysis``.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int

__all__ = ["ANSWERS", "FAILED", "NOT_LEARNED", "Dynamics", "HandMade", "Similarity", "Spectrum"]

NOT_LEARNED = -1
"""The seed of what was not meta-trained."""
FAILED = "failed"
"""The answer of an optimizer whose training failed, to every question."""
ANSWERS = ("yes", "no", "unknown", FAILED)


class Spectrum(NamedTuple):
    """The modes of one optimizer at its convergence point, as ``Linearization`` has them."""

    eigenvalues: Complex[np.ndarray, " mode"]
    complex_learning_rates: Complex[np.ndarray, " mode"]
    clusters: Int[np.ndarray, " mode"]


class Dynamics(NamedTuple):
    """Optimizers by what they do: updates after the same gradients, and modes (``dynamics.npz``).

    Only those are in it of which both are known.
    """

    optimizers: np.ndarray
    """Their names: the variant's, or the baselines'."""
    seeds: Int[np.ndarray, " optimizer"]
    updates: Float[np.ndarray, "optimizer sequence steps"]
    eigenvalues: Complex[np.ndarray, "optimizer mode"]
    complex_learning_rates: Complex[np.ndarray, "optimizer mode"]
    """0 for places beyond an optimizer's own modes."""
    clusters: Int[np.ndarray, "optimizer mode"]

    def spectrum(self, row: int) -> Spectrum:
        """Return the modes of one optimizer."""
        return Spectrum(self.eigenvalues[row], self.complex_learning_rates[row], self.clusters[row])


class HandMade(NamedTuple):
    """The tuned baselines of a task on the census's problems (``hand_made.npz``)."""

    optimizers: np.ndarray
    losses: Float[np.ndarray, "optimizer problems steps_plus_1"]
    gradients: Float[np.ndarray, "sequence steps"]
    """Met by single components in their runs: what all optimizers of the task are fed."""


class Similarity(NamedTuple):
    """Distances between all optimizers of a task (``similarity.npz``): ``lopt.analysis.similarity``."""

    optimizers: np.ndarray
    """Variants and baselines by name."""
    seeds: Int[np.ndarray, " optimizer"]
    """Training seed, ``NOT_LEARNED`` for baselines."""
    behavior: Float[np.ndarray, "optimizer optimizer"]
    """Distances of their updates after the same gradients."""
    spectra: Float[np.ndarray, "optimizer optimizer"]
    """Distances of their modes."""
    coordinates: Float[np.ndarray, "optimizer 2"]
    """A map of ``behavior``."""
    shares: Float[np.ndarray, "2"]
    """What its two axes show of it."""
