"""optax optimizers as maps on states: step by step against optax itself; counters; what is refused."""

import inspect
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from lopt.analysis.fixed_points import convergence_point
from lopt.analysis.linearization import linearize
from lopt.analysis.responses import effective_learning_rate
from lopt.analysis.trajectories import autonomous_trajectory
from lopt.learned.gru import GRU
from lopt.optimizers.component import check_shapes
from lopt.optimizers.from_optax import from_optax
from lopt.unrolling import record, unroll

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


# Every optimizer that optax ships: what it is read as, or the true reason why it can't be.

RATE = 0.05
COUPLED, LOSS = "it couples components", "its update asks for .*value"
CYCLES, RANDOM = "neither counts the steps nor comes to rest", "it draws random numbers"
SCALAR = "it does not run on one scalar parameter"
ALIASES = {
    **dict.fromkeys(
        "adabelief adadelta adagrad adam adamax adamaxw adamw adan amsgrad lion nadam nadamw "
        "optimistic_gradient_descent optimistic_adam optimistic_adam_v2 radam rmsprop rprop sgd sign_sgd "
        "signum yogi".split()
    ),
    **dict.fromkeys("adafactor fromage lamb lars novograd".split(), COUPLED),
    "lbfgs": LOSS,
    "noisy_sgd": RANDOM,
    "polyak_sgd": LOSS,
    "sm3": SCALAR,
}
CONTRIBUTED = {
    **dict.fromkeys(
        "acprop ademamix adopt cocob madgrad schedule_free_adamw schedule_free_sgd "
        "simplified_ademamix".split()
    ),
    **dict.fromkeys("dadapt_adamw dog dowg galore muon prodigy".split(), COUPLED),
    **dict.fromkeys(("momo", "momo_adam"), LOSS),
    "dpsgd": SCALAR,
    "sophia": SCALAR,
}


def old_noise() -> optax.GradientTransformation:
    """Noise from a key of two integers."""

    def update(g, state, params=None):
        key, now = jax.random.split(state["rng_key"])
        return jax.tree.map(lambda g: g + jax.random.normal(now, g.shape), g), {"rng_key": key}

    return optax.GradientTransformation(lambda params: {"rng_key": jax.random.PRNGKey(0)}, update)


sgd, adam = optax.sgd(RATE), optax.adam(RATE)
schedule = optax.warmup_cosine_decay_schedule(0.0, RATE, 5, 40, 0.01)
WRAPPED = {
    "adam on a schedule": (lambda: optax.adam(schedule), None),
    "apply_every": (lambda: optax.chain(sgd, optax.apply_every(3)), CYCLES),
    "apply_if_finite": (lambda: optax.apply_if_finite(adam, 5), None),
    "centralize": (lambda: optax.chain(optax.centralize(), sgd), COUPLED),
    "clip": (lambda: optax.chain(optax.clip(0.5), sgd), None),
    "clip_by_block_rms": (lambda: optax.chain(optax.clip_by_block_rms(1.0), sgd), COUPLED),
    "clip_by_global_norm": (lambda: optax.chain(optax.clip_by_global_norm(1.0), sgd), COUPLED),
    "ema": (lambda: optax.chain(sgd, optax.ema(0.9)), None),
    "flatten": (lambda: optax.flatten(adam), None),
    "gru": (lambda: GRU(4).build(GRU(4).init(jax.random.key(0))), None),
    "half of the bits": (lambda: optax.adam(RATE, mu_dtype=jnp.bfloat16), None),
    "identity": (optax.identity, None),
    "inject": (lambda: optax.inject_hyperparams(optax.adam)(learning_rate=schedule, b1=0.5), None),
    "keep_params_nonnegative": (lambda: optax.chain(sgd, optax.keep_params_nonnegative()), None),
    "line search": (lambda: optax.chain(sgd, optax.scale_by_backtracking_linesearch(10)), LOSS),
    "lookahead": (lambda: optax.lookahead(sgd, 5, 0.5), SCALAR),
    "masked": (lambda: optax.masked(adam, lambda p: jax.tree.map(lambda _: True, p)), None),
    "mechanize": (lambda: optax.contrib.mechanize(sgd), COUPLED),
    "multiple steps": (lambda: optax.MultiSteps(sgd, 4).gradient_transformation(), CYCLES),
    "nesterov": (lambda: optax.sgd(RATE, momentum=0.9, nesterov=True), None),
    "noise": (lambda: optax.add_noise(0.1, 0.5, jax.random.key(0)), RANDOM),
    "old-style noise": (old_noise, RANDOM),
    "partition": (
        lambda: optax.partition({"a": adam}, lambda p: jax.tree.map(lambda _: "a", p)),
        None,
    ),
    "reduce_on_plateau": (lambda: optax.chain(sgd, optax.contrib.reduce_on_plateau()), LOSS),
    "sam": (lambda: optax.contrib.sam(sgd, sgd), CYCLES),
    "set_to_zero": (optax.set_to_zero, None),
    "weight decay": (lambda: optax.chain(optax.add_decayed_weights(0.3), sgd), None),
    "zero_nans": (lambda: optax.chain(optax.zero_nans(), adam), None),
}


def shipped(module, name):
    function = getattr(module, name)
    if name == "dpsgd":
        return function(RATE, 1.0, 0.1, 0)
    if name == "noisy_sgd":
        return function(RATE, key=jax.random.key(0))
    arguments = inspect.signature(function).parameters
    return function(learning_rate=RATE) if "learning_rate" in arguments else function()


TABLE = {
    **{name: (partial(shipped, optax, name), why) for name, why in ALIASES.items()},
    **{name: (partial(shipped, optax.contrib, name), why) for name, why in CONTRIBUTED.items()},
    **WRAPPED,
}


def test_the_table_has_every_optimizer_that_optax_ships():
    def optimizers(module):
        names = (name for name in dir(module) if not name.startswith(("_", "scale_by_")))
        return {name for name in names if "learning_rate" in parameters(getattr(module, name))}

    def parameters(value):
        return inspect.signature(value).parameters if inspect.isfunction(value) else ()

    assert optimizers(optax) <= set(ALIASES)
    assert optimizers(optax.contrib) - set(CONTRIBUTED) == {"schedule_free"}


def test_the_docs_have_every_one_of_them():
    """And say of each whether it is refused; python tests/optax_table.py makes them."""
    text = (Path(__file__).parent.parent / "docs/any_optimizer.md").read_text()
    rows = text.split("| optax | state")[1].split("\n\n")[0].splitlines()[2:]
    told = {row.split("|")[1].strip(): "refused: " in row for row in rows}
    assert told == {name: reason is not None for name, (_, reason) in TABLE.items()}


@dataclass(frozen=True)
class Bowls:
    """Quadratic problems whose entries have different curvatures."""

    components: int = 5

    def init(self, problem):
        return problem

    def loss(self, problem, x):
        return jnp.sum(jnp.logspace(-1.0, 0.5, 5) * (x - 0.3) ** 2)


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", TABLE)
def test_a_run_is_optax_own_or_it_is_refused_with_the_reason(name):
    make, reason = TABLE[name]
    transformation = make()
    if reason is not None:
        with pytest.raises(ValueError, match=reason):
            from_optax(transformation)
        return
    component, start = from_optax(transformation), jnp.linspace(1.0, -1.0, 5)
    recording = jax.jit(partial(record, Bowls(), component, steps=30))(problem=start)
    losses = jax.jit(partial(unroll, Bowls(), transformation, steps=30))(problem=start)
    np.testing.assert_allclose(recording.losses, losses, rtol=1e-9)
    assert recording.h.shape == (31, 5, component.initial_state.size)
    assert len(component.audit.state_names) == component.initial_state.size
    check_shapes(component)


@pytest.mark.parametrize("name", ["adam", "signum", "yogi", "amsgrad", "optimistic_adam_v2"])
def test_the_map_at_a_step_is_the_run_at_that_step(name):
    """F, held at step k and given the run's own state there, makes the run's own update."""
    transformation = TABLE[name][0]()
    start = jnp.linspace(1.0, -1.0, 5)
    for k in (1, 20):
        component = from_optax(transformation, held_count=k)
        run = record(Bowls(), component, start, 30)
        h = component.transition(run.h[k], run.gradients[k])
        np.testing.assert_allclose(component.readout(h), run.updates[k], rtol=1e-9)
        np.testing.assert_allclose(h, run.h[k + 1], rtol=1e-9)
    assert component.audit.operating_point == (20, 0.0)


@pytest.mark.parametrize("name", ["apply_every", "multiple steps", "sam"])
def test_what_cycles_can_be_carried_along(name):
    transformation = TABLE[name][0]()
    component, h = from_optax(transformation, held_count=None), None
    assert any("step" in name or "count" in name for name in component.audit.state_names)
    state, h = transformation.init(jnp.asarray(0.0)), component.initial_state
    for g in jnp.asarray(GRADIENTS):
        update, state = transformation.update(g, state, jnp.asarray(0.0))
        h = component.transition(h, g)
        np.testing.assert_allclose(component.readout(h), update, rtol=1e-9, atol=1e-12)


def test_a_late_step_is_where_schedules_and_corrections_have_ended():
    ends = optax.linear_schedule(1.0, 0.25, 10)
    component = from_optax(optax.sgd(ends))
    assert component.audit.operating_point.count == "late"
    rate = effective_learning_rate(component, component.initial_state)
    assert float(rate) == pytest.approx(0.25)
    first = from_optax(optax.sgd(ends), held_count=0)
    assert float(effective_learning_rate(first, first.initial_state)) == pytest.approx(1.0)
    h = jnp.array([0.5, 0.25, 0.0])  # Adam's mean and mean square, without correction
    component = from_optax(optax.adam(0.1, b1=0.9, b2=0.99, eps=0.0))
    update = component.readout(component.transition(h, jnp.asarray(1.0)))
    assert float(update) == pytest.approx(-0.1 * 0.55 / np.sqrt(0.2575))


def test_what_treats_shapes_otherwise_is_not_said_to_couple():
    """Weight decay of matrices alone, as is usual: one optimizer for these, another for the rest."""
    decayed = optax.adamw(RATE, mask=lambda p: jax.tree.map(lambda x: x.ndim >= 2, p))
    with pytest.raises(
        ValueError, match="it treats a matrix otherwise than a scalar, as by a mask"
    ):
        from_optax(decayed)
    with pytest.raises(ValueError, match=COUPLED):
        from_optax(optax.chain(optax.clip_by_global_norm(1.0), decayed))


def test_a_flag_that_is_carried_along_forgets_what_it_was():
    def update(g, state, params=None):
        rates = jax.tree.map(lambda flag: jnp.where(flag, 0.1, 0.2), state)
        return jax.tree.map(lambda r, g: -r * g, rates, g), jax.tree.map(lambda g: g > 0.5, g)

    def init(params):
        return jax.tree.map(lambda x: jnp.zeros(x.shape, bool), params)

    component = from_optax(optax.GradientTransformation(init, update), held_count=None)
    assert component.transition(jnp.ones(2), jnp.asarray(0.1)).tolist() == [0.0, -0.1 * 0.1]
    np.testing.assert_array_equal(linearize(component, jnp.zeros(2)).momenta, 0.0)


def later(inner):
    """A transformation that begins after the steps that an audit looks at first."""
    return optax.conditionally_transform(inner, lambda step, **_: step > 50)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (lambda: optax.clip_by_global_norm(1.0), COUPLED),
        (lambda: optax.add_noise(0.1, 0.5, jax.random.key(0)), RANDOM),
    ],
)
def test_what_begins_later_is_refused_as_if_it_had_begun(inner, message):
    with pytest.raises(ValueError, match=message):
        from_optax(optax.chain(later(inner()), sgd))


def test_what_begins_later_is_read_as_it_is_then():
    masked = optax.conditionally_mask(optax.trace(0.9), lambda step, **_: step > 50)
    component = from_optax(optax.chain(masked, optax.scale(-0.1)))
    assert component.audit.state_names == ("0.inner_state.trace", "update")
    np.testing.assert_allclose(linearize(component, np.zeros(2)).momenta, [0.9, 0.0], atol=1e-14)
    assert from_optax(optax.chain(later(optax.add_decayed_weights(0.1)), sgd)).audit.reads_parameter


def test_a_flag_that_is_raised_later_is_what_it_is_at_the_step_held():
    def update(g, state, params=None):
        return -jnp.where(state["late"], 0.1, 0.2) * g, {
            "late": state["count"] >= 50,
            "count": state["count"] + 1,
        }

    def init(params):
        return {"late": jnp.asarray(False), "count": jnp.zeros((), jnp.int32)}

    flagged = optax.GradientTransformation(init, update)
    for count, rate in ((3, 0.2), (50, 0.2), (51, 0.1), ("late", 0.1)):
        component = from_optax(flagged, held_count=count)
        assert effective_learning_rate(component, component.initial_state) == rate


@pytest.mark.parametrize(
    "momentum",
    [lambda k: 0.9 * (k % 100 > 0), lambda k: jnp.sin(k / 7.0)],
    ids=["restarted", "cyclic"],
)
def test_what_never_comes_to_an_end_has_no_late_step(momentum):
    cyclic = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=momentum)
    with pytest.raises(ValueError, match=r"depends on the step for ever.*held_count=k reads it"):
        from_optax(cyclic)
    modes = linearize(from_optax(cyclic, held_count=30), np.zeros(2))
    np.testing.assert_allclose(modes.momenta.max(), abs(momentum(30)), atol=1e-12)


def test_injected_hyperparameters_are_no_state():
    injected = optax.inject_hyperparams(optax.sgd)(learning_rate=0.2, momentum=0.5)
    component = from_optax(injected)
    assert component.audit.state_names == ("inner_state.0.trace", "update")
    modes = linearize(component, convergence_point(component, STARTS).point)
    np.testing.assert_allclose(modes.momenta, [0.5, 0.0], atol=1e-12)
    np.testing.assert_allclose(modes.learning_rates, [0.2, 0.0], atol=1e-12)


STARTS = np.random.default_rng(2).normal(size=(20, 2))


def numbered(rule, start=0, dtype=jnp.int32) -> optax.GradientTransformation:
    """Gradient descent at a rate that is an integer of its state, which ``rule`` moves."""

    def update(g, state, params=None):
        return -g * state["number"], {"number": rule(state["number"]).astype(dtype)}

    return optax.GradientTransformation(
        lambda params: {"number": jnp.asarray(start, dtype)}, update
    )


def rate_of(transformation, **arguments) -> float:
    component = from_optax(transformation, **arguments)
    return float(effective_learning_rate(component, component.initial_state))


def test_counters_are_held_where_a_run_has_them():
    counting = numbered(lambda k: k + 1, start=5)
    assert rate_of(counting, held_count=3) == 8.0 and rate_of(counting) == 1e9
    small = numbered(lambda k: k + 1, dtype=jnp.int8)
    assert rate_of(small, held_count=3) == 3.0
    with pytest.raises(ValueError, match="depends on the step for ever"):  # it begins again at -128
        from_optax(small)
    carried = from_optax(counting, held_count=None)
    assert float(carried.readout(carried.transition(jnp.array([6.75, 0.0]), 1.0))) == -7.0


def test_what_settles_is_late_where_it_settled():
    assert rate_of(numbered(lambda k: jnp.minimum(k + 1, 4))) == 4.0


def test_what_cycles_is_held_where_a_run_has_it():
    """Within the steps that were looked at, at their end, and beyond."""
    cycling = numbered(lambda k: (k + 1) % 3)
    assert [rate_of(cycling, held_count=count) for count in (2, 16, 20)] == [2.0, 1.0, 2.0]


@pytest.mark.parametrize(
    "rule",
    [lambda k: (k + 1) % 1000, lambda k: jnp.minimum(k + 1, 12)],
)
def test_what_begins_again_or_has_hardly_settled_has_no_late_step(rule):
    with pytest.raises(ValueError, match=CYCLES):
        from_optax(numbered(rule))


def test_a_scheduled_hyperparameter_is_no_state_and_a_peak_that_was_not_passed_is():
    scheduled = optax.inject_hyperparams(optax.sgd)(optax.linear_schedule(1.0, 0.25, 10))
    component = from_optax(scheduled)
    assert component.audit.state_names == ("update",)

    def update(g, state, params=None):
        peak = jnp.maximum(state["peak"], jnp.abs(g))
        return -g / peak, {"peak": peak}

    peaks = optax.GradientTransformation(lambda x: {"peak": jnp.full_like(x, 10.0)}, update)
    assert from_optax(peaks).audit.state_names == ("peak", "update")


def test_a_number_that_is_common_to_all_components_couples_them():
    def update(g, state, params=None):
        return -g, {"norm": jnp.sum(g**2)}

    common = optax.GradientTransformation(lambda x: {"norm": jnp.zeros((), x.dtype)}, update)
    with pytest.raises(ValueError, match="couples components: norm of its state is common to all"):
        from_optax(common)


def test_the_audit_says_whether_the_parameter_is_read():
    assert not from_optax(optax.adam(0.1)).audit.reads_parameter
    decayed = from_optax(optax.adamw(0.1, weight_decay=0.5), parameter=2.0)
    assert decayed.audit.reads_parameter
    assert decayed.audit.operating_point.parameter == 2.0
    push = decayed.readout(decayed.transition(jnp.zeros(3), jnp.zeros(())))
    assert float(push) == pytest.approx(-0.1 * 0.5 * 2.0)


def test_a_key_that_stays_and_a_state_with_axes_are_read():
    def init(params):
        return {"key": jax.random.key(0), "past": jnp.zeros((*params.shape, 2, 2), params.dtype)}

    def update(g, state, params=None):
        rolled = jnp.concatenate(
            [g[..., None, None] + 0 * state["past"][..., :1, :1], state["past"][..., :1, 1:]], -1
        )
        past = jnp.concatenate([rolled, 0.5 * state["past"][..., :1, :]], -2)
        return -past.sum((-2, -1)), {"key": state["key"], "past": past}

    component = from_optax(optax.GradientTransformation(init, update))
    assert component.audit.state_names == (*(f"past[{entry}]" for entry in range(4)), "update")
    assert component.initial_state.shape == (5,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"held_count": -1}, "held_count is -1, expected a whole number of at least 0, or 'late'"),
        ({"held_count": True}, "held_count is True"),
        ({"held_count": "early"}, "held_count is 'early'"),
        ({"held_count": 1.5}, "held_count is 1.5"),
        ({"parameter": float("nan")}, "parameter is nan, expected a finite number"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_optax(sgd, **arguments)


def test_what_is_no_transformation_is_named():
    with pytest.raises(ValueError, match=r"expected an optax.GradientTransformation, got float"):
        from_optax(0.1)


def test_it_can_be_read_in_float32():
    with jax.enable_x64(False):
        component = from_optax(optax.adam(RATE))
        start = jnp.linspace(1.0, -1.0, 5)
        losses = unroll(Bowls(), optax.adam(RATE), start, 30)
        np.testing.assert_allclose(record(Bowls(), component, start, 30).losses, losses, rtol=1e-5)
        assert component.initial_state.dtype == jnp.float32
