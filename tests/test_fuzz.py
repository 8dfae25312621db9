"""A few seconds of what `make fuzz` does for as long as you like (tests/fuzz)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz"
GENERATORS = sorted(path.stem for path in FUZZ.glob("*.py") if path.stem != "__main__")


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_short_run_finds_nothing(generator: str) -> None:
    done = subprocess.run(
        [sys.executable, FUZZ, "--seconds", "3", generator],
        cwd=FUZZ.parents[1],
        env={**os.environ, "PYTHONPATH": str(FUZZ.parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 found" in done.stdout


def test_what_is_found_is_told_with_its_seed(tmp_path: Path) -> None:
    copy = tmp_path / "fuzz"
    copy.mkdir()
    (copy / "__main__.py").write_text((FUZZ / "__main__.py").read_text())
    (copy / "faulty.py").write_text(
        "def attempt(random, folder):\n    assert random.random() < 2, folder\n    {}['raw']\n"
    )
    done = subprocess.run(
        [sys.executable, copy, "--seed", "5"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "KeyError: 'raw'" in done.stdout
    assert "python tests/fuzz --seed 5 faulty" in done.stdout and "1 found" in done.stdout
