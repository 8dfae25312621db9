"""benchmarks/: what they can't measure is refused in a line, and what is released can be measured."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"benchmarks/{script}.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (["meta_step", "--units", "0"], "--units: expected a whole number of at least 1"),
        (["meta_step", "--seconds", "nan"], "--seconds: expected a number, more than 0"),
        (["precision", "nowhere.npz"], "nowhere.npz: there is no such file"),
        (["side_by_side", "--results", "nowhere"], "nowhere/provenance has no records"),
        (
            ["published_curves", "--baselines", "nowhere"],
            "nowhere/linear_regression/adam/best.json",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_line(call, told):
    refused = run(*call)
    assert refused.returncode != 0 and told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_released_optimizer_has_meta_gradients_problem_by_problem():
    told = run("problem_gradients", "weights/rosenbrock/seed_0.npz", "--problems", "2")
    assert told.returncode == 0, told.stderr
    assert " 1.00" in told.stdout.splitlines()[-1]
