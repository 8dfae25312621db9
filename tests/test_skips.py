"""A skipped test fails the run in CI, and only there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="NO BROWSER")
def test_skips():
    raise AssertionError

@pytest.mark.xfail(reason="known", strict=True)
def test_fails_as_it_should():
    raise AssertionError
"""


@pytest.mark.parametrize(
    ("ci", "options", "status"),
    [
        ("true", (), 1),
        ("1", ("-n", "1"), 1),
        ("", (), 0),
        ("false", (), 0),
        ("true", ("-k", "not skips"), 0),
    ],
)
def test_a_skip_fails_the_run_in_ci_only(tmp_path, ci, options, status):
    (tmp_path / "test_some.py").write_text(TESTS)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "skips",
            "-p",
            "no:cacheprovider",
            *options,
            ".",
        ],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert ("which fails the run" in done.stdout) == bool(status)
    if status:
        assert "test_some.py::test_skips: Skipped: NO BROWSER" in done.stdout
