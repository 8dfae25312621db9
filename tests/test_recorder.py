"""Recording any optax loop: what is kept is what was met, and the loop does not notice."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lopt
from lopt.records.store import StoreError

PARAMS = {"a": jnp.linspace(1.0, -1.0, 6).reshape(2, 3), "b": jnp.array(0.5)}


def loss_of(params):
    return jnp.sum(params["a"] ** 2) + 3.0 * params["b"] ** 2


def run(optimizer, steps=8, **extra):
    """A user's loop, compiled: end, state, and every value that was met."""

    def step(carry, _):
        params, state = carry
        loss, gradient = jax.value_and_grad(loss_of)(params)
        told = {"value": loss} if extra.get("tells") else {}
        update, state = optimizer.update(gradient, state, params, **told)
        met = (loss, gradient, params, update)
        return (optax.apply_updates(params, update), state), met

    return jax.lax.scan(step, (PARAMS, optimizer.init(PARAMS)), length=steps)


def entries(tree):
    return np.concatenate(
        [np.asarray(leaf).reshape(8, -1) for leaf in jax.tree.leaves(tree)], axis=1
    )


def test_the_loop_is_the_same_and_what_it_met_is_kept(tmp_path):
    inside = optax.adam(0.1)
    (plain, _), (losses, *met) = run(inside)
    recorded = optax.with_extra_args_support(lopt.recorder(inside, steps=20))
    (end, state), _ = run(recorded, tells=True)
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(end), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)  # compiled otherwise
    lopt.save_recording(tmp_path / "run.npz", state)
    kept = lopt.load_recording(tmp_path / "run.npz")
    assert kept.gradients.shape == (8, 7)
    np.testing.assert_allclose(kept.losses, losses, rtol=1e-6)
    for found, truth in zip((kept.gradients, kept.x, kept.updates), met, strict=True):
        # Of all seven entries, in another order.
        np.testing.assert_allclose(
            np.sort(found, axis=1), np.sort(entries(truth), axis=1), rtol=1e-6
        )
    # The three records follow the same entries: gradients are 2 x or 6 x.
    ratios = np.sort(kept.gradients[0] / kept.x[0])
    np.testing.assert_allclose(ratios, [2, 2, 2, 2, 2, 2, 6], rtol=1e-6)


def test_a_sample_and_the_first_steps_only(tmp_path):
    (_, state), _ = run(lopt.recorder(optax.sgd(0.1), steps=5, components=3))
    lopt.save_recording(tmp_path / "run.npz", state)
    kept = lopt.load_recording(tmp_path / "run.npz")
    assert kept.gradients.shape == kept.x.shape == kept.updates.shape == (5, 3)
    assert np.isnan(kept.losses).all()
    np.testing.assert_allclose(kept.updates, -0.1 * kept.gradients, rtol=1e-6)
    np.testing.assert_allclose(kept.x[1:], kept.x[:-1] + kept.updates[:-1], rtol=1e-5)


def test_the_analysis_takes_it_in_place_of_a_task(tmp_path):
    inside = optax.adamw(0.1, weight_decay=0.1)  # reads the parameter
    (_, state), _ = run(lopt.recorder(inside, steps=8))
    lopt.save_recording(tmp_path / "run.npz", state)
    found = lopt.analyze(inside, tmp_path / "run.npz", starts=4, visited_states=20)
    assert found.source == "a recorded run: 1 x 8 steps x 7 components, which this optimizer made"
    assert found.answer("momentum").answer == found.answer("reads_parameter").answer == "yes"
    assert int(found.trajectories.problems) == 1
    assert np.all(np.isnan(found.trajectories.mean_losses))


def test_another_optimizer_is_told(tmp_path):
    (_, state), _ = run(lopt.recorder(optax.sgd(0.1), steps=8))
    lopt.save_recording(tmp_path / "run.npz", state)
    other = lopt.ComponentOptimizer(
        jnp.zeros(1), lambda h, g: -0.2 * g[..., None] + 0.0 * h, lambda h: h[..., 0]
    )
    found = lopt.analyze(other, str(tmp_path / "run.npz"), starts=4, visited_states=20)
    assert found.source.endswith("which another optimizer made: updates differ by 100 %")


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(ValueError, match="steps is 0, expected a whole number of at least 1"):
        lopt.recorder(optax.sgd(0.1), steps=0)
    inside = lopt.recorder(optax.sgd(0.1), steps=3)
    state = inside.init(PARAMS)
    with pytest.raises(ValueError, match="a recorder needs the parameters"):
        inside.update(PARAMS, state)
    with pytest.raises(ValueError, match="the recorder has met no step yet"):
        lopt.save_recording(tmp_path / "run.npz", state)
    with pytest.raises(ValueError, match="expected the state of a recorder, got ScaleByAdamState"):
        lopt.save_recording(tmp_path / "run.npz", optax.scale_by_adam().init(PARAMS))
    with pytest.raises(StoreError, match=r"run.npz: there is no such file"):
        lopt.analyze(optax.sgd(0.1), tmp_path / "run.npz")
    with pytest.raises(ValueError, match="losses has shape"), jax.enable_x64(True):
        lopt.drive(lopt.from_optax(optax.sgd(0.1)), np.ones((3, 2)), losses=np.ones(4))


def test_numbers_that_are_no_arrays_and_a_loss_that_is_none_are_recorded(tmp_path):
    recorded = lopt.recorder(optax.sgd(0.1), steps=3)
    state = recorded.init({"rate": 2.0})
    _, state = recorded.update({"rate": 1.0}, state, {"rate": 2.0}, value=None)
    lopt.save_recording(tmp_path / "run.npz", state)
    kept = lopt.load_recording(tmp_path / "run.npz")
    assert kept.x.tolist() == [[2.0]] and np.isnan(kept.losses).all()


def test_what_a_recorder_cannot_follow_is_told_at_once(tmp_path):
    recorded = lopt.recorder(optax.sgd(0.1), steps=3)
    with pytest.raises(ValueError, match="the parameters have no entries"):
        recorded.init({"a": jnp.zeros((0, 3))})
    with pytest.raises(ValueError, match="some parameters are complex"):
        recorded.init({"a": jnp.ones(2, jnp.complex64)})
    with pytest.raises(ValueError, match=r"value has shape \[2\], expected one loss"):
        recorded.update(PARAMS, recorded.init(PARAMS), PARAMS, value=jnp.ones(2))
    states = jax.vmap(recorded.init)(jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), PARAMS))
    with pytest.raises(ValueError, match="the state is of 2 runs at once, as vmap makes them"):
        lopt.save_recording(tmp_path / "run.npz", states)
