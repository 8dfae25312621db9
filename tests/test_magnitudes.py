"""Sizes of gradients: counted in runs, stored with what was trained, compared elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lopt.keys import stream
from lopt.learned.gru import GRU
from lopt.magnitudes import count_magnitudes, default_magnitude_edges, share_outside, span_of
from lopt.meta_training.loop import validation_problems
from lopt.meta_training.outcome import LEVELS, gradients_met
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.unrolling import record


def test_gradients_met_are_those_of_the_runs():
    task, family, steps = Rosenbrock(), GRU(3, input_scale=0.1, output_scale=0.01), 20
    theta = family.init(stream(1, "theta"))
    problems = validation_problems(task, 16)
    met = gradients_met(task, family, theta, problems, steps=steps)
    runs = jax.vmap(lambda problem: record(task, family.component(theta), problem, steps))(problems)
    sizes = np.abs(np.asarray(runs.gradients)[:, :-1])  # the last one comes after the last update
    for name, level in LEVELS.items():
        share = np.mean(sizes < met[name])
        assert abs(share - level) <= 0.01, (name, share)
    assert met["smallest"] < met["median"] < met["largest"]
    # Beyond each end is one gradient in a thousand, of 640.
    assert np.mean(sizes < met["smallest"]) < 0.003 and np.mean(sizes > met["largest"]) < 0.003


def test_what_is_not_finite_is_not_counted_and_zeros_are_the_smallest():
    edges = default_magnitude_edges()
    counts = jnp.zeros(len(edges) - 1, jnp.int32)
    given = jnp.array([jnp.nan, jnp.inf, -jnp.inf, 0.0, -1.5, 1e30])
    counts = np.asarray(count_magnitudes(counts, given, span_of(edges)))
    assert counts.sum() == 3 and counts[0] == counts[-1] == 1
    assert counts[np.searchsorted(edges, np.log10(1.5)) - 1] == 1


def test_the_share_outside_is_that_of_the_distribution():
    random = np.random.default_rng(0)
    sizes, edges = 10.0 ** random.uniform(-4.0, 0.0, size=100_000), default_magnitude_edges()
    counts = np.histogram(np.log10(sizes), edges)[0]
    for low, high in ((1e-3, 1e-1), (1e-9, 1e9), (0.03, 0.05), (0.0, 0.05)):
        expected = np.mean(sizes < low) + np.mean(sizes > high)
        assert share_outside(counts, edges, low, high) == pytest.approx(expected, abs=2e-3)
