"""Optimizers in PyTorch's form, on a stand-in for PyTorch: the map, its run, the audit, the recorder."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch_stand_in
from known_mechanisms import gradients

import lopt
from lopt.analysis.impulses import run_learning_rates
from lopt.analysis.linearization import linearize


@pytest.fixture(autouse=True)
def torch(monkeypatch, x64):
    module = torch_stand_in.module()
    monkeypatch.setitem(sys.modules, "torch", module)
    return module


def test_momentum_with_decay_has_the_modes_of_its_closed_form(torch):
    component = lopt.from_torch(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.5)
    assert component.audit.state_names == ("momentum_buffer", "update")
    assert not component.audit.reads_parameter
    modes = linearize(component, component.initial_state)
    np.testing.assert_allclose(modes.momenta, [0.9, 0.0], atol=1e-9)
    np.testing.assert_allclose(modes.learning_rates, [0.05, 0.0], atol=1e-9)
    decayed = lopt.from_torch(torch.optim.SGD, lr=0.1, weight_decay=0.01, parameter=2.0)
    assert decayed.audit.reads_parameter
    assert str(decayed.audit.operating_point) == "a late step, parameter 2"
    after = decayed.transition(decayed.initial_state, jnp.asarray(0.0))
    np.testing.assert_allclose(decayed.readout(after), -0.1 * 0.01 * 2.0, rtol=1e-12)


def test_adam_is_optax_adam_late_and_early(torch):
    """Two implementations of one algorithm: values at an operating point, and whole runs."""
    settings = {"b1": 0.8, "b2": 0.95, "eps": 1e-3}
    for held in ("late", 0, 3, 20):
        mine = lopt.from_torch(
            torch.optim.Adam, held_step=held, lr=0.1, betas=(0.8, 0.95), eps=1e-3
        )
        theirs = lopt.from_optax(optax.adam(0.1, **settings), held_count=held)
        random = np.random.default_rng(0)
        h = np.concatenate([random.uniform(0.1, 0.9, (3, 2)), np.zeros((3, 1))], axis=1)
        g = random.normal(size=3)
        np.testing.assert_allclose(
            mine.transition(h, jnp.asarray(g)), theirs.transition(h, jnp.asarray(g)), rtol=1e-6
        )
    task = lopt.make_task("rosenbrock")
    problem = lopt.as_dtype(task.sample(jax.random.key(0)), jnp.float64)
    runs = [lopt.record(task, component, problem, 20) for component in (mine, theirs)]
    for name, found, truth in zip(runs[0]._fields, *runs, strict=True):
        np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-9, err_msg=name)
    # Its clock is real, too: the rate of a run without gradients is that of optax's.
    rates = [run_learning_rates(component, 4) for component in (mine, theirs)]
    np.testing.assert_allclose(rates[0][:1], 0.1 / 1e-3, rtol=1e-2)
    assert np.all(np.isfinite(rates[0]))


def test_the_whole_analysis_and_a_first_step_of_its_own(torch):
    damped = lopt.from_torch(torch.optim.SGD, lr=0.1, momentum=0.8, dampening=0.5)
    driven = lopt.drive(damped, np.ones((2, 1)))
    np.testing.assert_allclose(driven.updates[:, 0], [-0.1, -0.1 * (0.8 + 0.5)], rtol=1e-12)
    found = lopt.analyze(damped, gradients()[:1, :30], starts=4, visited_states=40)
    told = {each.name: each.answer for each in found.answers}
    assert (told["momentum"], told["saturation"], told["one_point"]) == ("yes", "no", "yes")
    assert "the leading mode has momentum 0.8" in found.summary()
    # Heavy ball with rate 0.05: stable up to 2 (1 + beta) / alpha.
    assert "stable up to curvature 72" in found.summary()


def test_what_cannot_be_read_says_why(torch):
    optim = torch.optim

    class Normalized(optim.SGD):
        def step(self):
            for p in self.param_groups[0]["params"]:
                p.array[...] -= p.grad.array / np.linalg.norm(p.grad.array)

    class Counting(optim.SGD):
        count = 0

        def step(self):
            self.count += 1
            for p in self.param_groups[0]["params"]:
                p.array[...] -= 0.1 / self.count * p.grad.array

    class Asking(optim.SGD):
        def step(self, closure):
            return closure()

    class Listing(optim.SGD):
        def step(self):
            for p in self.param_groups[0]["params"]:
                self.state[p]["past"] = [1]

    class Noisy(optim.SGD):
        def step(self):
            for p in self.param_groups[0]["params"]:
                p.array[...] -= np.random.default_rng().normal(size=p.shape)

    class Common(optim.SGD):
        def step(self):
            for p in self.param_groups[0]["params"]:
                size = self.state[p].get("size", 0.0) + float(p.grad.array.flat[0] ** 2)
                self.state[p]["size"] = size
                p.array[...] -= 0.1 * p.grad.array

    for kind, message in (
        (Normalized, "it couples components: the updates of many"),
        (Counting, "it keeps something that is neither in its state nor in its param_groups"),
        (Asking, "its step asks for a closure"),
        (Listing, "past of its state is a list, expected a tensor of the parameter's shape"),
        (Noisy, "it is not a function of its state and gradients: the same run differs"),
        (Common, "it couples components: size of its state is common to all of them"),
        (lambda p: 3, "expected a torch.optim optimizer, got int"),
        (lambda p: 1 / 0, r"it does not run on a vector of parameters \(ZeroDivisionError"),
    ):
        with pytest.raises(ValueError, match=message):
            lopt.from_torch(kind)
    with pytest.raises(
        ValueError, match="held_step is -1, expected a whole number of at least 0, or 'late'"
    ):
        lopt.from_torch(optim.SGD, held_step=-1)
    with pytest.raises(ValueError, match="parameter is inf, expected a finite number"):
        lopt.from_torch(optim.SGD, parameter=np.inf)


def test_without_pytorch_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"this needs PyTorch: pip install 'lopt\[torch\]'"):
        lopt.from_torch(object)


def loop(torch, length, closures=False, **settings):
    """A training loop as people write them; what it met besides."""
    parameters = [
        torch.Tensor(np.linspace(1.0, -1.0, 6, dtype=np.float32).reshape(2, 3), True),
        torch.Tensor(np.array(0.5, np.float32), True),
        torch.Tensor(np.ones(2, np.float32), True),  # never has a gradient
    ]
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.5)
    recorder = lopt.torch_recorder(optimizer, **settings)
    met = []

    def closure():
        optimizer.zero_grad()
        for p, curvature in zip(parameters, (2.0, 6.0), strict=False):
            p.grad = torch.Tensor(np.float32(curvature) * p.array)
        return float(np.sum(parameters[0].array ** 2) + 3 * parameters[1].array ** 2)

    for _ in range(length):
        before = [p.array.copy() for p in parameters[:2]]
        if closures:
            loss = optimizer.step(closure)
        else:
            loss = closure()
            recorder.loss = loss
            optimizer.step()
        met.append((loss, before))
    return optimizer, recorder, met


@pytest.mark.parametrize("closures", [False, True])
def test_a_loop_is_recorded_and_analyzed(torch, tmp_path, closures):
    _, recorder, met = loop(torch, 8, closures, steps=6)
    lopt.save_recording(tmp_path / "run.npz", recorder)
    kept = lopt.load_recording(tmp_path / "run.npz")
    assert kept.gradients.shape == kept.x.shape == kept.updates.shape == (6, 7)
    np.testing.assert_allclose(kept.losses, [loss for loss, _ in met[:6]], rtol=1e-6)
    for row, (_, before) in zip(kept.x, met, strict=False):
        np.testing.assert_allclose(row, np.concatenate([b.reshape(-1) for b in before]))
    np.testing.assert_allclose(kept.gradients, kept.x * [2, 2, 2, 2, 2, 2, 6], rtol=1e-6)
    np.testing.assert_allclose(kept.x[1:], (kept.x + kept.updates)[:-1], atol=1e-6)
    mine = lopt.from_torch(torch.optim.SGD, lr=0.1, momentum=0.5)
    recorded = lopt.drive(mine, kept.gradients, kept.x)
    np.testing.assert_allclose(recorded.updates, kept.updates, atol=1e-6)


def test_a_sample_of_one_group(torch):
    parameters = [torch.Tensor(np.arange(9.0), True), torch.Tensor(np.arange(9.0) + 50, True)]
    groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.5}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    recorder = lopt.torch_recorder(optimizer, steps=3, components=4, group=1)
    for p in parameters:
        p.grad = torch.Tensor(np.ones(9))
    optimizer.step()
    kept = recorder.recorded_run()
    assert kept.x.shape == (1, 4) and np.all(kept.x >= 50) and np.isnan(kept.losses).all()
    np.testing.assert_allclose(kept.updates, -0.5)
    with pytest.raises(ValueError, match="group is 2, but the optimizer has 2"):
        lopt.torch_recorder(optimizer, steps=3, group=2)
    with pytest.raises(ValueError, match=r"expected a torch.optim optimizer of PyTorch"):
        lopt.torch_recorder(object(), steps=3)


def test_a_loop_in_numpy_tells_what_it_met(tmp_path):
    recorder, x, velocity = lopt.LoopRecorder(steps=5), np.linspace(-1.0, 1.0, 4), np.zeros(4)
    for _ in range(7):
        gradient = 3.0 * x
        velocity = 0.5 * velocity + gradient
        recorder.met(gradient, x, -0.1 * velocity, loss=1.5 * np.sum(x**2))
        x = x - 0.1 * velocity
    lopt.save_recording(tmp_path / "run.npz", recorder)
    kept = lopt.load_recording(tmp_path / "run.npz")
    assert kept.x.shape == (5, 4)
    np.testing.assert_allclose(kept.losses, 1.5 * np.sum(kept.x**2, axis=1), rtol=1e-12)
    driven = lopt.drive(lopt.from_optax(optax.sgd(0.1, momentum=0.5)), kept.gradients)
    np.testing.assert_allclose(driven.updates, kept.updates, rtol=1e-12)
    several = lopt.LoopRecorder(steps=2, components=3)
    parts = [np.ones((2, 2)), np.zeros(5)]
    several.met(parts, parts, parts)
    assert several.recorded_run().gradients.shape == (1, 3)
    with pytest.raises(ValueError, match=r"updates have shapes \[\(4,\)\], but the gradients"):
        several.met(np.ones(3), np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match=r"have \[9\] entries, but at the first step they had"):
        several.met(np.ones(9), np.ones(9), np.ones(9))
    for wrong in (None, [], "abc", {"w": np.ones(3)}, 1j * np.ones(3)):
        with pytest.raises(ValueError, match="updates should be an array of real numbers"):
            lopt.LoopRecorder(steps=2).met(np.ones(3), np.ones(3), wrong)
    with pytest.raises(ValueError, match="loss is 'low', expected a number"):
        lopt.LoopRecorder(steps=2).met(np.ones(3), np.ones(3), np.ones(3), "low")
    with pytest.raises(ValueError, match="the recorder has met no step yet"):
        lopt.save_recording(tmp_path / "run.npz", lopt.LoopRecorder(steps=2))
    with pytest.raises(ValueError, match="components is 0, expected a whole number of at least 1"):
        lopt.LoopRecorder(steps=2, components=0)
