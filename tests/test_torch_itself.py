"""PyTorch itself (make test-torch): what each of its optimizers reads as, and the recorded loop.

The locked environment has no PyTorch; ``test_from_torch.py`` has the same on a stand-in.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lopt

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("x64")]
ROOT = Path(__file__).parent.parent

# How it is made, and what its state has: or why it can't be read.
READ = {
    "SGD": ({"lr": 0.1, "momentum": 0.9, "dampening": 0.5}, "momentum_buffer"),
    "Adam": ({"lr": 0.05}, "exp_avg exp_avg_sq"),
    "AdamW": ({"lr": 0.05}, "exp_avg exp_avg_sq"),
    "Adamax": ({"lr": 0.05}, "exp_avg exp_inf"),
    "NAdam": ({"lr": 0.05}, "exp_avg exp_avg_sq"),
    "RAdam": ({"lr": 0.05}, "exp_avg exp_avg_sq"),
    "RMSprop": (
        {"lr": 0.05, "momentum": 0.9, "centered": True},
        "square_avg momentum_buffer grad_avg",
    ),
    "Rprop": ({"lr": 0.05}, "prev step_size"),
    "Adagrad": ({"lr": 0.05}, "sum"),
    "Adadelta": ({"lr": 0.5}, "square_avg acc_delta"),
    "ASGD": ({"lr": 0.05}, "ax"),
}
REFUSED = {
    "Adafactor": "it couples components",
    "LBFGS": "its step asks for a closure",
    "SparseAdam": "does not support dense gradients",
    "Muon": "only supports 2D parameters",
}


@pytest.mark.parametrize("name", READ)
def test_it_is_read_and_runs_as_it_does(name):
    import torch

    settings, entries = READ[name]
    component = lopt.from_torch(getattr(torch.optim, name), **settings)
    assert component.audit.state_names == (*entries.split(), "update")
    gradients = np.random.default_rng(0).normal(size=(12, 3))
    p = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer, places = getattr(torch.optim, name)([p], **settings), []
    for g in gradients:
        places.append(p.detach().numpy().copy())
        p.grad = torch.from_numpy(g)
        optimizer.step()
    places.append(p.detach().numpy().copy())
    driven = lopt.drive(component, gradients, np.array(places[:-1]))
    np.testing.assert_allclose(driven.updates, np.diff(places, axis=0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_can_not_read_says_why(name):
    import torch

    if hasattr(torch.optim, name):
        with pytest.raises(ValueError, match=REFUSED[name]):
            lopt.from_torch(getattr(torch.optim, name))


def test_every_optimizer_of_pytorch_is_in_the_table():
    import torch

    there = {
        name
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
    }
    assert there - {"Optimizer"} <= READ.keys() | REFUSED.keys()


def test_the_example(tmp_path):
    command = [sys.executable, "-W", "error", ROOT / "examples/a_pytorch_loop.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 x 300 steps x 49 components, which this optimizer made" in done.stdout
    assert "yes        Does it read the parameter (weight decay)?" in done.stdout
