"""The examples run, and say what is true."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from lopt.learned.planted_gru import plant_gru
from lopt.optimizers.planted import plant_modes
from lopt.records import store
from lopt.tasks import as_dtype

ROOT = Path(__file__).parent.parent


def run(example: str, *arguments: Path) -> str:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    finished = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / example, *arguments],
        env=environment,
        cwd=ROOT,
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
    # A GRU that acts as momentum 0.5 with learning rate 0.2 near its fixed point descends.
    random = np.random.default_rng(0)
    modes = plant_modes(random, [0.5, 0.3, 0.1], [0.2, 0.0, 0.0])
    theta = as_dtype(plant_gru(random, jnp.zeros(3), *modes), jnp.float32)
    optimizer = {"units": 3, "input_scale": 1.0, "output_scale": 1.0}
    store.save(tmp_path / "theta.npz", jax.tree.map(np.asarray, theta), {"optimizer": optimizer})
    printed = run("use_a_trained_optimizer.py", tmp_path / "theta.npz")
    losses = [float(value) for value in re.findall(r"loss ([\d.]+)", printed)]
    x = np.linspace(-1, 1, 50)
    assert losses[0] == np.round(0.5 * np.mean((2 * x - 1) ** 2), 6)
    assert len(losses) == 6 and losses[-1] < 1e-3 * losses[0]
