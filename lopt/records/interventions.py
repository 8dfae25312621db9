"""What the stages on causes store: NamedTuples of NumPy arrays that know neither JAX nor files.

Conventions as in ``lopt.records.analysis``. A curvature is an eigenvalue of a Hessian.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

__all__ = ["INTACT", "InterventionRuns", "Stability"]

INTACT = "intact"
"""How the optimizer itself is named among its interventions."""


class InterventionRuns(NamedTuple):
    """One optimizer with one mechanism removed at a time, on some of the evaluation's problems."""

    names: np.ndarray
    """The interventions, one a row of ``losses``."""
    modes: Int[np.ndarray, " intervention"]
    """How many modes each keeps, -1 for all."""
    losses: Float[np.ndarray, "intervention problem steps_plus_1"]
    problems: Int[np.ndarray, " problem"]
    """Their numbers among the evaluation's."""
    start_curvatures: Float[np.ndarray, "problem 2"]
    """Smallest and largest eigenvalue of the Hessian at the start."""
    start_gradients: Float[np.ndarray, " problem"]
    """Norm of the gradient there."""


class Stability(NamedTuple):
    """Optimizers in the closed loop with f = 1/2 lambda x^2, at their convergence points.

    A row per optimizer and seed; NaN where an optimizer could not be linearized.
    """

    optimizers: np.ndarray
    """"learned", the tuned baselines by name, and "heavy_ball": the fastest on the task's curvatures."""
    seeds: Int[np.ndarray, " row"]
    """Training seed, -1 for what was not meta-trained."""
    curvatures: Float[np.ndarray, " curvature"]
    """lambda, ascending."""
    spectral_radii: Float[np.ndarray, "row curvature"]
    """Of the joint map of (x, h - h*)."""
    rates: Float[np.ndarray, "row curvature"]
    """Largest |eigenvalue| among the modes that x takes part in: x shrinks by it each iteration."""
    stable_up_to: Float[np.ndarray, " row"]
    """Below this lambda x decays (infinite: on the whole grid; 0: not even at its first)."""
    largest_stable: Float[np.ndarray, " row"]
    """The largest lambda at which it does; beyond ``stable_up_to`` where there are unstable bands."""
    learning_rates: Float[np.ndarray, " row"]
    """Effective learning rate at h*."""
    drifts: Float[np.ndarray, " row"]
    """dx at h* and g = 0."""
    stationary_errors: Float[np.ndarray, "row curvature"]
    """|x| where the loop comes to rest, drift / (lambda * sum of learning rates over 1 - momentum)."""
    met_curvatures: Float[np.ndarray, " met"]
    """Eigenvalues of the Hessian along test runs of the learned optimizer, ..."""
    met_weights: Float[np.ndarray, " met"]
    """... each with its share of the spectrum (1 / count where the whole spectrum was computed), ..."""
    met_iterations: Int[np.ndarray, " met"]
    """... and the iteration that it belongs to."""
