"""Compiled programs on disk: entries appear whole, and one that is cut off is made anew, in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lopt.process import compiled

PROGRAM = """
from lopt.process import prepare
prepare(compiled="kept")
import jax, jax.numpy as jnp
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
jax.jit(lambda x: jnp.sin(x @ x.T).sum())(jnp.arange(64.0).reshape(8, 8) / 7.0)
print(events.count("/jax/compilation_cache/cache_hits"))
"""


def run(folder: Path, program: str = PROGRAM) -> int:
    """Run the program; it must say nothing but the number of programs that it did not compile."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("JAX")}
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return int(done.stdout)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("kept/*/*"))


def test_an_entry_that_is_cut_off_is_made_anew(tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    whole = {path: path.read_bytes() for path in entries(tmp_path)}
    assert whole and all(path.name.endswith("-cache") for path in whole)
    for share in (0.0, 0.5, 0.99):
        for path, content in whole.items():
            path.write_bytes(content[: int(share * len(content))])
        assert run(tmp_path) == 0, share
        assert entries(tmp_path) == list(whole)
        assert run(tmp_path) == len(whole), share


def test_an_entry_is_whole_as_soon_as_it_has_its_name(tmp_path: Path) -> None:
    """Whatever writes must not write to a file that another process may read."""
    watching = PROGRAM.replace(
        "events = []",
        """
import pathlib
events, write = [], pathlib.Path.write_bytes
def write_bytes(path, content):
    assert not path.name.endswith("-cache"), path
    return write(path, content)
pathlib.Path.write_bytes = write_bytes
""",
    )
    assert run(tmp_path, watching) == 0
    assert entries(tmp_path)


def test_a_folder_that_takes_nothing_costs_only_the_compilation(tmp_path: Path) -> None:
    full = PROGRAM.replace(
        "events = []",
        """
import pathlib
events = []
def write_bytes(path, content):
    raise OSError(28, "No space left on device")
pathlib.Path.write_bytes = write_bytes
""",
    )
    assert run(tmp_path, full) == 0
    assert entries(tmp_path) == []


def test_other_warnings_are_not_silenced(tmp_path: Path) -> None:
    program = "from lopt.process import prepare; prepare(); import warnings; warnings.warn('this')"
    with pytest.raises(AssertionError, match="this"):
        run(tmp_path, program)


def test_what_a_kill_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    for name, age in ((".a.part", 2), (".b.part", 0), ("c-cache", 2)):
        (tmp_path / name).touch()
        moment = (tmp_path / name).stat().st_mtime - age * compiled.HOUR
        os.utime(tmp_path / name, (moment, moment))
    compiled.keep_in("elsewhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.part", "c-cache"]


def test_a_jax_without_this_cache_is_left_as_it_is() -> None:
    class Other:
        """Nothing like it."""

    compiled._write_whole_entries(None)
    compiled._write_whole_entries(Other)
    assert not hasattr(Other, "get") and not hasattr(Other, "put")
