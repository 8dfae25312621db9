"""Coupled optimizers inside a run, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import lopt

pytestmark = pytest.mark.usefixtures("x64")


def params():
    return {"a": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "b": jnp.array([0.25])}


def loss(tree):
    return jnp.sum(tree["a"] ** 2) + 2.0 * jnp.sum(tree["b"] ** 2)


def flat(tree):
    return np.concatenate([np.asarray(tree["a"]).ravel(), np.asarray(tree["b"])])


CLIPPED = optax.chain(optax.clip_by_global_norm(1.5), optax.sgd(0.1))


def test_a_moment_is_where_a_loop_would_be():
    optimizer, tree = optax.adam(0.1), params()
    state = optimizer.init(tree)
    for _ in range(3):
        update, state = optimizer.update(jax.grad(loss)(tree), state, tree)
        tree = optax.apply_updates(tree, update)
    moment = lopt.run_to(loss, params(), optimizer, 3)
    np.testing.assert_allclose(flat(moment.params), flat(tree), rtol=1e-12)
    np.testing.assert_allclose(flat(moment.gradients), flat(jax.grad(loss)(tree)), rtol=1e-12)
    assert moment.iteration == 3 and float(moment.loss) == pytest.approx(float(loss(tree)))


def test_one_component_under_a_norm_over_all():
    with pytest.raises(ValueError, match="it couples components"):
        lopt.from_optax(CLIPPED)
    moment = lopt.run_to(loss, params(), CLIPPED, 2)
    g, i = flat(moment.gradients), 1
    assert np.linalg.norm(g) > 1.5
    grid = np.linspace(-9.0, 9.0, 19)
    found = lopt.probe(CLIPPED, moment, i, grid)
    others = np.sum(np.delete(g, i) ** 2)
    norms = np.sqrt(others + grid**2)
    np.testing.assert_allclose(found.updates, -0.1 * grid * np.minimum(1.0, 1.5 / norms), rtol=1e-9)
    norm = np.linalg.norm(g)
    assert found.gradient == pytest.approx(g[i])
    assert found.update == pytest.approx(-0.1 * 1.5 * g[i] / norm)
    slope = 0.1 * 1.5 / norm * (1.0 - g[i] ** 2 / norm**2)
    assert found.learning_rate == pytest.approx(slope)


def test_the_whole_systems_jacobian_and_its_spectrum():
    moment = lopt.run_to(loss, params(), CLIPPED, 2)
    g = flat(moment.gradients)
    norm = np.linalg.norm(g)
    truth = 0.15 / norm * (np.eye(5) - np.outer(g, g) / norm**2)
    found = lopt.preconditioner(CLIPPED, moment)
    np.testing.assert_allclose(found.matrix, truth, atol=1e-12)
    np.testing.assert_allclose(found.eigenvalues, [0.15 / norm] * 4 + [0.0], atol=1e-9)
    off = 1.0 - np.sum(np.diag(truth) ** 2) / np.sum(truth**2)
    assert found.coupling == pytest.approx(off)
    alone = lopt.preconditioner(optax.adam(0.1), lopt.run_to(loss, params(), optax.adam(0.1), 2))
    assert np.array_equal(alone.matrix, np.diag(np.diag(alone.matrix)))
    assert abs(alone.coupling) < 1e-15  # 1 minus the quotient of two sums, each rounded


def test_what_orthogonalizes_and_what_reads_the_loss_can_be_probed():
    for optimizer in (optax.contrib.muon(0.1), optax.polyak_sgd(), optax.lamb(0.1)):
        moment = lopt.run_to(loss, params(), optimizer, 2)
        found = lopt.preconditioner(optimizer, moment)
        probed = lopt.probe(optimizer, moment, 3, [-1.0, 1.0])
        assert found.coupling > 1e-3
        assert probed.learning_rate == pytest.approx(found.matrix[3, 3])


def test_what_is_wrong_is_named():
    moment = lopt.run_to(loss, params(), CLIPPED, 0)
    with pytest.raises(ValueError, match="component is 5, expected 0"):
        lopt.probe(CLIPPED, moment, 5, [0.0])
    with pytest.raises(ValueError, match="gradients is not strictly ascending"):
        lopt.probe(CLIPPED, moment, 0, [1.0, 0.0])
    with pytest.raises(ValueError, match="steps is -1"):
        lopt.run_to(loss, params(), CLIPPED, -1)
    with pytest.raises(ValueError, match="the moment is of a run of another transformation"):
        lopt.probe(optax.adam(0.1), moment, 0, [0.0])
    with pytest.raises(ValueError, match="the moment is None, expected what run_to returns"):
        lopt.preconditioner(CLIPPED, None)
    large = lopt.run_to(lambda x: jnp.sum(x**2), jnp.ones(5000), CLIPPED, 0)
    with pytest.raises(
        ValueError, match="there are 5000 parameters, and the matrix of at most 4096"
    ):
        lopt.preconditioner(CLIPPED, large)
