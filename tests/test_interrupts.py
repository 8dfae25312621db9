"""What ends a run, and what the next run makes of it: nothing is lost, and a message says what to do.

The oracle is a run that nothing interrupted: theta after any interruption equals its theta, bit by bit.
"""

import filecmp
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from workflow_process import (
    LOG,
    THETA,
    command,
    output_of,
    run,
    same_theta,
    started,
    wait_for_training,
)

needs_mounts = pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: mounting needs root")


def train(folder: Path) -> list[str]:
    return command(folder, "--cores", 1, "--", THETA)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    status, output = run(train(folder), folder)
    assert status == 0, output
    return folder / THETA


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose results lie on a disk of 100 kB."""
    results = tmp_path / "results"
    results.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", results], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", results], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder / "results"], check=True)


def assert_goes_on(folder: Path, undisturbed: Path) -> None:
    """The next run of the same command completes, from the checkpoint, with the same theta."""
    status, output = run(train(folder), folder)
    assert status == 0, output
    assert "going on from the checkpoint" in (folder / LOG).read_text()
    assert same_theta(folder / THETA, undisturbed)
    left = {path.name for path in (folder / THETA).parent.iterdir()}
    assert left == {"theta.npz", "curve.csv", ".curve.csv.sha256", "run.json"}
    assert filecmp.cmp(folder / THETA, undisturbed, shallow=False)


@pytest.mark.workflow
def test_kill_and_two_at_once(tmp_path: Path, undisturbed: Path) -> None:
    with started(train(tmp_path), tmp_path) as workflow:
        training = wait_for_training(tmp_path)
        status, output = run(train(tmp_path), tmp_path)
        assert status != 0
        assert "Directory cannot be locked" in output and "--unlock" in output

        workflow.kill()  # it alone: the training is an orphan and holds its checkpoint's lock
        workflow.wait()
        status, output = run([*train(tmp_path)[:-2], "--unlock"], tmp_path)
        assert status == 0, output
        status, output = run(train(tmp_path), tmp_path)
        assert status != 0
        assert "another process is computing this; wait for it or end it" in output
        training.kill()
    assert_goes_on(tmp_path, undisturbed)


@pytest.mark.interrupts
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_termination(number: signal.Signals, tmp_path: Path, undisturbed: Path) -> None:
    with started(train(tmp_path), tmp_path) as workflow:
        training = wait_for_training(tmp_path)
        os.killpg(workflow.pid, number)  # the whole group, as a terminal and a batch system do
        training.resume()
        assert workflow.wait(timeout=300) != 0, output_of(tmp_path)
    assert_goes_on(tmp_path, undisturbed)


@pytest.mark.interrupts
def test_termination_of_the_workflow_alone_lets_jobs_end(tmp_path: Path, undisturbed: Path) -> None:
    with started(train(tmp_path), tmp_path) as workflow:
        training = wait_for_training(tmp_path)
        workflow.terminate()
        training.resume()
        workflow.wait(timeout=300)
    assert same_theta(tmp_path / THETA, undisturbed)
    status, output = run(train(tmp_path), tmp_path)
    assert status == 0 and "Nothing to be done" in output


@pytest.mark.interrupts
def test_results_of_an_orphan_can_be_kept(tmp_path: Path, undisturbed: Path) -> None:
    with started(train(tmp_path), tmp_path) as workflow:
        training = wait_for_training(tmp_path)
        workflow.kill()
        workflow.wait()
        training.resume()
        training.wait(timeout=300)
    results = sorted(path.name for path in (tmp_path / THETA).parent.iterdir())
    assert results == [".curve.csv.sha256", "curve.csv", "run.json", "theta.npz"]
    run([*train(tmp_path)[:-2], "--unlock"], tmp_path)
    names = ("theta.npz", "curve.csv", "run.json")
    kept = ("--cleanup-metadata", *(THETA.replace("theta.npz", name) for name in names))
    run([*train(tmp_path)[:-2], *kept], tmp_path)  # complains that there is no metadata yet
    status, output = run(train(tmp_path), tmp_path)
    assert status == 0 and "Nothing to be done" in output
    assert same_theta(tmp_path / THETA, undisturbed)


@pytest.mark.interrupts
@needs_mounts
def test_full_disk(small_disk: Path, undisturbed: Path) -> None:
    status, output = run(train(small_disk), small_disk)
    assert status != 0
    assert "No space left on device" in output and "run the same command again" in output
    assert (small_disk / THETA).with_name("checkpoint.npz").exists()
    remount(small_disk, "size=10m")
    assert_goes_on(small_disk, undisturbed)


@pytest.mark.interrupts
@needs_mounts
def test_read_only_results(small_disk: Path, undisturbed: Path) -> None:
    remount(small_disk, "size=10m")
    with started(train(small_disk), small_disk) as workflow:
        wait_for_training(small_disk).kill()
        assert workflow.wait(timeout=60) != 0
    remount(small_disk, "ro")
    status, output = run(train(small_disk), small_disk)
    assert status != 0
    assert "Read-only file system" in output
    remount(small_disk, "rw")
    assert_goes_on(small_disk, undisturbed)
