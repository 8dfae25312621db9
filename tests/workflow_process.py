"""Run the workflow in a process of its own, as a user does, interrupt it, and look at what it left."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import yaml

__all__ = [
    "LOG",
    "ROOT",
    "THETA",
    "command",
    "output_of",
    "run",
    "same_theta",
    "started",
    "training_process",
    "wait_for_training",
]

ROOT = Path(__file__).parent.parent
# One short training that stores a checkpoint at every meta-step: whenever it is interrupted, there is one.
THETA = "results/smoke/meta_training/linear_regression/seed_0/theta.npz"
LOG = "results/smoke/logs/meta_train/linear_regression_seed_0.log"
TRAINING = {
    "meta_steps": 400,
    "problems": 1,
    "chunk": 1,
    "validation_problems": 1,
    "checkpoint_seconds": 0,
}
TINY = {"steps": 5, "optimizer": {"units": 2}, "meta_training": TRAINING}


def command(folder: Path, *arguments: object, configuration: tuple[Path, ...] = ()) -> list[str]:
    """The command line of the workflow at the smoke scale, with its results in ``folder``."""
    tiny = folder / "tiny.yaml"
    tiny.write_text(
        yaml.safe_dump({"scales": {"smoke": {"settings": {"linear_regression": TINY}}}})
    )
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--config", "scale=smoke"),
        *("--configfile", str(ROOT / "config.yaml"), str(tiny), *map(str, configuration)),
        *map(str, arguments),
    ]


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C reach what is started meanwhile, even where the tests themselves ignore it.

    A shell starts what runs in its background that way, and children inherit it. A handler they do not
    inherit: they begin with the default. (Setting it between fork and exec would fork JAX's threads.)
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start it in a session of its own, as a terminal would; ``output_of`` reads what it prints.

    Nothing of it is left running at the end.
    """
    with open(folder / "output.txt", "w") as output, interruptible():
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def output_of(folder: Path) -> str:
    """What the last process that was started printed."""
    return (folder / "output.txt").read_text()


def run(command: list[str], folder: Path, seconds: float = 600) -> tuple[int, str]:
    """Run it to its end; return its exit status and what it printed."""
    with started(command, folder) as process:
        return process.wait(timeout=seconds), output_of(folder)


def training_process(folder: Path) -> psutil.Process | None:
    """The process that trains in ``folder``, wherever it was started."""
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
            if arguments[1:] and arguments[-1].endswith("meta_train.py"):
                if "python" in arguments[0] and process.cwd() == str(folder):
                    return process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return None


def wait_for_training(folder: Path, seconds: float = 300) -> psutil.Process:
    """Wait for the first checkpoint, then suspend the training: it can't end before it is interrupted."""
    checkpoint = (folder / THETA).with_name("checkpoint.npz")
    deadline = time.monotonic() + seconds
    process = None
    while time.monotonic() < deadline:
        # Found while it still imports: looking through all processes may take as long as the training.
        process = process or training_process(folder)
        if process is not None and checkpoint.exists():
            process.suspend()
            assert not (folder / THETA).exists(), "the training ended before it could be suspended"
            return process
        time.sleep(0.05 if process is None else 0.002)
    raise AssertionError(f"no checkpoint after {seconds} s:\n{output_of(folder)}")


def same_theta(one: Path, other: Path) -> bool:
    """Whether two files hold the same arrays, bit by bit (their metadata has run times in it)."""
    with np.load(one) as a, np.load(other) as b:
        names = [name for name in a.files if name != "metadata"]
        assert sorted(a.files) == sorted(b.files)
        return all(a[name].tobytes() == b[name].tobytes() for name in names)
