"""GPUs that jobs share: numbers as CUDA has them, and only files that are ours."""

import os
import tempfile
from pathlib import Path

import pytest

from lopt.process import gpu_slots


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that puts device files into a /dev; the temporary folder is private to the test."""
    monkeypatch.setattr(gpu_slots, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(gpu_slots, "_held", [])
    for name in ("dev", "tmp", "run"):
        (tmp_path / name).mkdir()

    def put(*names: str) -> Path:
        for name in (*names, "nvidiactl", "nvidia-uvm"):
            (tmp_path / "dev" / name).touch()
        return tmp_path / "tmp" / f"lopt-gpu-slots-{os.getuid()}"

    yield put
    for slot in gpu_slots._held:
        os.close(slot)


def test_jobs_spread_over_gpus_then_share(machine):
    machine("nvidia0", "nvidia1")
    assert [gpu_slots.take_gpu() for _ in range(4)] == ["0", "1", "0", "1"]
    os.close(gpu_slots._held.pop(1))  # a job ends: its GPU is the least used
    assert gpu_slots.take_gpu() == "1"


def test_gpus_are_numbered_as_cuda_does(machine):
    """By their place among those that there are, and 10 comes after 9."""
    folder = machine("nvidia3")
    assert gpu_slots.take_gpu() == "0"
    machine("nvidia10", "nvidia9")
    assert [gpu_slots.take_gpu() for _ in range(3)] == ["1", "2", "0"]
    taken = ["nvidia10.0", "nvidia3.0", "nvidia3.1", "nvidia9.0"]
    assert sorted(path.name for path in folder.iterdir()) == taken


def test_there_may_be_none(machine):
    machine()
    with pytest.raises(gpu_slots.NoGPUError, match="none"):
        gpu_slots.take_gpu()


def test_too_many_share(machine):
    machine("nvidia0")
    for _ in range(gpu_slots.SHARES):
        gpu_slots.take_gpu()
    with pytest.raises(gpu_slots.NoGPUError, match="shared by 64 jobs"):
        gpu_slots.take_gpu()


@pytest.mark.parametrize("planted", ["a link to a folder", "an open folder", "a file"])
def test_what_is_not_ours_is_left_alone(machine, tmp_path, planted):
    """Somebody else was first in the folder that everybody may write to."""
    folder, victim = machine("nvidia0"), tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (victim / "nvidia0.0").write_text("precious")
    if planted == "a link to a folder":
        folder.symlink_to(victim)
    elif planted == "an open folder":
        folder.mkdir()
        folder.chmod(0o777)
        (folder / "nvidia0.0").symlink_to(victim / "nvidia0.0")
    else:
        folder.touch()
    assert gpu_slots.take_gpu() == "0"
    assert (victim / "nvidia0.0").read_text() == "precious"
    ours = tmp_path / "run/lopt-gpu-slots"
    assert [path.name for path in ours.iterdir()] == ["nvidia0.0"]
    assert ours.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_another_user_is_left_alone(machine, tmp_path, monkeypatch):
    folder = machine("nvidia0")
    folder.mkdir(mode=0o700)
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    theirs = folder.rename(folder.with_name(f"lopt-gpu-slots-{own + 1}"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert gpu_slots.take_gpu() == "0"
    assert not list(theirs.iterdir())


def test_a_slot_is_neither_followed_nor_emptied(machine, tmp_path):
    folder = machine("nvidia0")
    folder.mkdir(mode=0o700)
    (tmp_path / "mine").write_text("precious")
    (folder / "nvidia0.0").symlink_to(tmp_path / "mine")
    (folder / "nvidia0.1").write_text("precious too")
    assert gpu_slots.take_gpu() == "0"
    assert (tmp_path / "mine").read_text() == "precious"
    assert (folder / "nvidia0.1").read_text() == "precious too"
