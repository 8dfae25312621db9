"""Summaries of runs against full recordings of the same runs; divergence; bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quadratics import quadratics

from lopt.analysis.trajectories import autonomous_trajectory, summarize_trajectories
from lopt.learned.gru import GRU, GRUTheta
from lopt.optimizers import ComponentOptimizer
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.records import store
from lopt.records.analysis import Trajectories
from lopt.tasks.linear_regression import LinearRegression
from lopt.unrolling import record

TASK, STEPS, PROBLEMS = LinearRegression(dimension=3), 12, 5
EDGES = np.linspace(-2.0, 2.0, 9)


def optimizer(dtype=jnp.float64) -> ComponentOptimizer:
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(GRU(4).init, jax.random.key(0))
    arrays = (0.5 * random.normal(size=leaf.shape) for leaf in shapes)
    return GRU(4).component(GRUTheta(*(jnp.asarray(array, dtype) for array in arrays)))


@pytest.fixture(scope="module")
def runs() -> tuple[Trajectories, dict[str, np.ndarray]]:
    """A summary in float64, and the full recording of the same runs."""
    with jax.enable_x64(True):
        problems = quadratics(PROBLEMS, 3)
        component = optimizer()
        summary = summarize(component, problems, visited_states=1000, late_states=6)
        recording = jax.vmap(lambda problem: record(TASK, component, problem, STEPS))(problems)
        return summary, {name: np.asarray(value) for name, value in recording._asdict().items()}


def summarize(component, problems, **changes) -> Trajectories:
    arguments = {"steps": STEPS, "key": jax.random.key(2), "gradient_edges": EDGES, **changes}
    return summarize_trajectories(TASK, component, problems, **arguments)


def test_losses_and_their_errors(runs):
    summary, recording = runs
    np.testing.assert_allclose(summary.mean_losses, recording["losses"].mean(0))
    errors = recording["losses"].std(0, ddof=1) / PROBLEMS**0.5
    np.testing.assert_allclose(summary.loss_standard_errors, errors)


def test_total_variance_is_the_trace_of_the_covariance(runs):
    summary, recording = runs
    for k in range(STEPS + 1):
        rows = recording["h"][:, k].reshape(-1, 4)
        truth = np.trace(np.cov(rows.T, bias=True))
        np.testing.assert_allclose(summary.total_variance[k], truth, atol=1e-15)


def test_gradient_histograms_count_every_gradient_met_once(runs):
    summary, recording = runs
    met = recording["gradients"][:, :STEPS].ravel()
    np.testing.assert_array_equal(summary.gradient_counts, np.histogram(met, EDGES)[0])
    outside = [np.sum(met < EDGES[0]), np.sum(met >= EDGES[-1])]
    np.testing.assert_array_equal(summary.gradients_outside, outside)
    magnitudes = np.log10(np.abs(met))
    np.testing.assert_array_equal(
        summary.magnitude_counts, np.histogram(magnitudes, summary.magnitude_edges)[0]
    )
    exact = np.quantile(magnitudes, summary.gradient_quantile_levels)
    # The median and quartiles, to two bins of 1/40 decade and the spacing of 180 samples.
    np.testing.assert_allclose(np.log10(summary.gradient_quantiles)[3:6], exact[3:6], atol=0.1)


def test_kept_states_are_states_of_the_runs(runs):
    summary, recording = runs
    for state, k in zip(summary.visited_states, summary.visited_iterations, strict=True):
        candidates = recording["h"][:, k].reshape(-1, 4)
        assert np.min(np.abs(candidates - state).max(axis=1)) < 1e-12
    # Uniform over iterations: each holds a thirteenth of all.
    counts = np.bincount(summary.visited_iterations, minlength=STEPS + 1)
    assert counts.min() == counts.max()
    last = recording["h"][:, -1].reshape(-1, 4)
    distances = np.abs(last[:, None] - summary.late_states).max(axis=2).min(axis=0)
    assert len(summary.late_states) == 6 and distances.max() < 1e-12
    assert len(np.unique(summary.late_states, axis=0)) == 6


def test_the_autonomous_trajectory_runs_without_gradient(x64):
    component = optimizer()
    h, truth = component.initial_state + 0.3, []
    component = component._replace(initial_state=h)
    for _ in range(5):
        truth.append(h)
        h = component.transition(h, jnp.zeros(()))
    np.testing.assert_allclose(autonomous_trajectory(component, 4), truth, rtol=1e-12)


def test_batches_change_nothing(runs):
    summary, _ = runs
    with jax.enable_x64(True):
        problems = quadratics(PROBLEMS, 3)
        batched = summarize(optimizer(), problems, visited_states=1000, late_states=6, batch_size=2)
    for name, one, other in zip(summary._fields, summary, batched, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14, err_msg=name)


def test_diverged_runs_are_counted_and_left_out(tmp_path):
    problems = quadratics(PROBLEMS, 3, jnp.float32)
    broken = problems._replace(start=problems.start.at[2].set(jnp.inf))
    kept = jax.tree.map(lambda leaf: jnp.delete(leaf, 2, axis=0), problems)
    component = Momentum().component(MomentumTheta(0.1, 0.9))
    summary, truth = summarize(component, broken), summarize(component, kept)
    assert (summary.problems, summary.diverged, truth.diverged) == (5, 1, 0)
    for name in ("mean_losses", "total_variance", "gradient_counts", "magnitude_counts"):
        np.testing.assert_allclose(getattr(summary, name), getattr(truth, name), rtol=1e-5)
    assert np.isfinite(summary.visited_states).all() and np.isfinite(summary.late_states).all()
    store.save(tmp_path / "trajectories.npz", summary)
    store.load(tmp_path / "trajectories.npz", Trajectories)
    with pytest.raises(ValueError, match="all 5 runs became non-finite"):
        summarize(component, problems._replace(start=problems.start * jnp.nan))


def test_bad_input_is_named():
    problems, component = quadratics(2, 3, jnp.float32), optimizer(jnp.float32)
    for changes, words in (
        ({"gradient_edges": []}, "gradient_edges has shape .* 2 or more"),
        ({"gradient_edges": [1.0, 0.0]}, "gradient_edges is not strictly ascending"),
        ({"magnitude_edges": [0.0, 1.0, 3.0]}, "magnitude_edges is not equally spaced"),
        ({"steps": 0}, "steps is 0"),
        ({"visited_states": 0}, "visited_states is 0"),
    ):
        with pytest.raises(ValueError, match=words):
            summarize(component, problems, **changes)
