"""optax optimizers as maps on states: step by step against optax itself; counters; what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lopt.analysis.linearization import linearize
from lopt.analysis.responses import effective_learning_rate
from lopt.analysis.trajectories import autonomous_trajectory
from lopt.optimizers.from_optax import from_optax

pytestmark = pytest.mark.usefixtures("x64")
GRADIENTS = np.random.default_rng(0).normal(size=6)
OPTIMIZERS = {
    "adam": optax.adam(0.1),
    "adamw": optax.adamw(0.1, weight_decay=0.3),
    "lion": optax.lion(0.1),
    "adagrad": optax.adagrad(0.1),
    "nesterov on a schedule": optax.sgd(
        optax.cosine_decay_schedule(0.5, 5), momentum=0.9, nesterov=True
    ),
    "clipped chain": optax.chain(optax.clip(0.5), optax.trace(0.9), optax.scale(-0.1)),
    "injected": optax.inject_hyperparams(optax.sgd)(learning_rate=0.2, momentum=0.5),
}


def run_optax(transformation, parameter=0.0):
    """Updates of one scalar that is held in place, and the states before each."""
    state, updates, states = transformation.init(jnp.asarray(parameter)), [], []
    for g in GRADIENTS:
        states.append(state)
        update, state = transformation.update(jnp.asarray(g), state, jnp.asarray(parameter))
        updates.append(float(update))
    return updates, states


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_its_counter_carried_along_it_is_the_same_optimizer(name):
    truth, _ = run_optax(OPTIMIZERS[name], parameter=2.0)
    component = from_optax(OPTIMIZERS[name], held_count=None, parameter=2.0)
    h, updates = component.initial_state, []
    for g in GRADIENTS:
        h = component.transition(h, jnp.asarray(g))
        updates.append(float(component.readout(h)))
    np.testing.assert_allclose(updates, truth, rtol=1e-6, atol=1e-9)


def test_with_its_counter_held_it_is_the_optimizer_at_that_step():
    truth, states = run_optax(OPTIMIZERS["adam"])
    for k in (0, 3):
        component = from_optax(OPTIMIZERS["adam"], held_count=k)
        assert component.initial_state.shape == (3,)  # mean, mean square, last update
        h = jnp.array([states[k][0].mu, states[k][0].nu, 0.0])
        update = component.readout(component.transition(h, jnp.asarray(GRADIENTS[k])))
        assert float(update) == pytest.approx(truth[k], rel=1e-9)


def test_it_maps_rows_of_states():
    component = from_optax(OPTIMIZERS["adam"], held_count=5)
    random = np.random.default_rng(1)
    h, g = jnp.asarray(random.uniform(0.1, 1, (2, 4, 3))), jnp.asarray(random.normal(size=(2, 4)))
    rows = component.transition(h, g)
    assert rows.shape == (2, 4, 3) and component.readout(rows).shape == (2, 4)
    one = component.transition(h[1, 2], g[1, 2])
    np.testing.assert_allclose(rows[1, 2], one, rtol=1e-12)


def test_a_schedule_shows_along_the_autonomous_trajectory():
    schedule = optax.exponential_decay(2.0, transition_steps=3, decay_rate=0.5)
    component = from_optax(optax.sgd(schedule), held_count=None)
    rates = effective_learning_rate(component, autonomous_trajectory(component, 8))
    np.testing.assert_allclose(rates, 2.0 * 0.5 ** (np.arange(9) / 3), rtol=1e-6)


def test_a_carried_counter_has_an_eigenvalue_of_one():
    component = from_optax(optax.sgd(optax.constant_schedule(0.1)), held_count=None)
    modes = linearize(component, component.initial_state)
    np.testing.assert_allclose(modes.momenta, [1.0, 0.0], atol=1e-14)
    modes = linearize(from_optax(optax.sgd(0.3, momentum=0.8)), np.zeros(2))
    np.testing.assert_allclose(modes.momenta, [0.8, 0.0], atol=1e-14)
    np.testing.assert_allclose(modes.learning_rates, [0.3, 0.0], atol=1e-14)


def test_what_does_not_act_on_one_component_is_refused():
    with pytest.raises(ValueError, match="does not act on one component alone"):
        from_optax(optax.add_noise(0.1, 0.5, jax.random.key(0)))
    with pytest.raises(ValueError, match=r"shape \(10,\)"):
        from_optax(optax.lbfgs(0.1, memory_size=10, linesearch=None))
