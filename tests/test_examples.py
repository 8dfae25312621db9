"""The examples run, and say what is true."""

import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from workflow_project import ROOT, environment

from lopt.learned.planted_gru import plant_gru
from lopt.optimizers.planted import plant_modes
from lopt.records import store
from lopt.tasks import as_dtype


def run(example: str, *arguments: Path | str, folder: Path = ROOT) -> str:
    finished = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / example, *arguments],
        env=environment(ROOT),
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_analyze_your_optimizer():
    printed = run("analyze_your_optimizer.py")
    assert "100% of the runs end at" in printed
    assert "momenta [0.9 0. ] learning rates [0.3 0. ]" in printed
    assert "saturates at 0.150000, half of it at |g| = 0.250000" in printed  # 0.3 x 0.5, 0.5 / 2
    half_cosine = 0.15 * (1 + np.cos(np.linspace(0, np.pi, 5)))
    rates = [float(rate) for rate in re.findall(r"[\d.]+", printed.splitlines()[-1])[-5:]]
    np.testing.assert_allclose(rates, half_cosine, atol=1e-6)


def test_the_analysis_is_twenty_lines():
    code = (ROOT / "examples/analyze_your_optimizer.py").read_text().split('"""', 2)[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


def test_use_a_trained_optimizer(tmp_path, x64):
    planted(tmp_path / "theta.npz")
    printed = run("use_a_trained_optimizer.py", tmp_path / "theta.npz")
    losses = [float(value) for value in re.findall(r"loss ([\d.]+)", printed)]
    x = np.linspace(-1, 1, 50)
    assert losses[0] == np.round(0.5 * np.mean((2 * x - 1) ** 2), 6)
    assert len(losses) == 6 and losses[-1] < 1e-3 * losses[0]


def test_examples_are_short():
    for path in (ROOT / "examples").glob("*.py"):
        code = path.read_text().split('"""', 2)[2]
        assert len([line for line in code.splitlines() if line.strip()]) < 25, path


def test_a_recorded_loop(tmp_path):
    printed = run("a_recorded_loop.py", folder=tmp_path)
    assert "1 x 300 steps x 48 components, which this optimizer made" in printed
    assert "the leading mode has momentum 0.9" in printed
    assert "its update changes with the parameter" in printed  # decoupled weight decay


def planted(path: Path) -> None:
    """Store a GRU that acts as momentum 0.5 with learning rate 0.2 near its fixed point."""
    random = np.random.default_rng(0)
    modes = plant_modes(random, [0.5, 0.3, 0.1], [0.2, 0.0, 0.0])
    theta = as_dtype(plant_gru(random, jnp.zeros(3), *modes), jnp.float32)
    optimizer = {"units": 3, "input_scale": 1.0, "output_scale": 1.0}
    store.save(path, jax.tree.map(np.asarray, theta), {"optimizer": optimizer})


@pytest.mark.mechanisms
def test_one_call(tmp_path):
    printed = run("one_call.py", folder=tmp_path)
    assert "operating point: step 20, parameter 0" in printed
    assert "momentum 0.9 and 100 % of the learning rate 0.3" in printed
    assert "it is 0 at the start, rises to 0.3 until iteration 20 and falls to 0" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"momentum.png", "mine.html"}


@pytest.mark.mechanisms
def test_an_mlp_optimizer(tmp_path):
    printed = run("an_mlp_optimizer.py", folder=tmp_path)
    assert "momentum: yes; 90 % of what a gradient does" in printed
    assert "momentum and RMSProp: yes; its slope" in printed
    assert (tmp_path / "adaptation.png").exists()


@pytest.mark.mechanisms
def test_your_own_lstm(tmp_path):
    printed = run("your_own_lstm.py", "5", folder=tmp_path)
    assert printed.startswith(
        "LSTM linear_regression 0, on Linear Regression: 8 problems, 50 steps"
    )
    assert (tmp_path / "lstm.npz").exists()


@pytest.mark.mechanisms
def test_away_from_home(tmp_path, x64):
    planted(tmp_path / "theta.npz")
    arguments = (tmp_path / "theta.npz", "linear_regression", "rosenbrock")
    printed = run("away_from_home.py", *arguments, folder=tmp_path)
    beyond = [float(share) for share in re.findall(r"([\d.e+-]+) % of the gradients", printed)]
    assert beyond[0] <= 0.1 and beyond[1] > 10.0
