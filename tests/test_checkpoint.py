"""Checkpoints: the same state comes back or none does, and only one process computes."""

import errno
import fcntl
import math
import os
import signal
import subprocess
import sys
from typing import NamedTuple

import jax
import numpy as np
import pytest

from lopt import checkpoint
from lopt.checkpoint import Checkpoint, CheckpointLockedError
from lopt.records import store

IDENTITY = {
    "task": "rosenbrock",
    "seed": 3,
    "versions": {"jax": "1", "lopt": "2"},
    "widths": (4, 4),
}
ROWS = [[5, 0.1 + 0.2, math.nan, 1e-30, 0], [10, 0.5, 0.25, math.inf, 1]]


class Inner(NamedTuple):
    flag: np.ndarray
    count: np.ndarray


def state():
    random = np.random.default_rng(0)
    return {
        "weights": random.normal(size=(3, 4)).astype(np.float32),
        "inner": Inner(np.array(True), np.array(7, np.int32)),
        "odd": np.float32([np.nan, -0.0, np.inf, 1e-45]),
        "empty": np.zeros((0, 2), np.float32),
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder/checkpoint.npz"


def load(path, template=None, identity=IDENTITY):
    with Checkpoint.locked(path, identity) as found:
        return found.load(state() if template is None else template), found.refusal


@pytest.fixture
def saved(path):
    with Checkpoint.locked(path, IDENTITY) as new:
        assert new.save(state(), ROWS, now=True)
    return path


def test_a_state_comes_back_byte_for_byte(saved):
    template = jax.tree.map(np.zeros_like, state())
    (found, rows), refusal = load(saved, template)
    assert refusal is None and repr(rows) == repr(ROWS)
    assert jax.tree.structure(found) == jax.tree.structure(state())
    for leaf, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(state()), strict=True):
        assert leaf.dtype == wanted.dtype and leaf.shape == wanted.shape
        assert np.asarray(leaf).tobytes() == wanted.tobytes()


def test_there_is_none_at_first(path):
    assert load(path) == (None, None)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 4}, "seed"),
        ({"versions": {"jax": "1", "lopt": "3"}}, "versions"),
        ({"task": "two_moons", "seed": 4}, "task, seed"),
        ({"code": "new"}, "code"),
    ],
)
def test_another_identity_is_refused_and_named(saved, change, named):
    found, refusal = load(saved, identity=IDENTITY | change)
    assert found is None
    assert refusal == f"{saved}: made with another {named}"


def test_what_the_identity_no_longer_has_is_named_too(saved):
    fewer = {key: IDENTITY[key] for key in ("task", "seed", "versions")}
    assert load(saved, identity=fewer) == (None, f"{saved}: made with another widths")


@pytest.mark.parametrize(
    "template",
    [
        {"weights": np.zeros((3, 4), np.float32)},
        state() | {"weights": np.zeros((4, 4), np.float32)},
        state() | {"weights": np.zeros((3, 4), np.float64)},
        state() | {"more": np.zeros(1)},
        # As many bytes together.
        state() | {"weights": np.zeros((3, 3), np.float32), "odd": np.zeros(7, np.float32)},
    ],
)
def test_a_state_of_another_form_is_refused(saved, template):
    found, refusal = load(saved, template)
    assert found is None and "holds a state of another form" in refusal


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    found, refusal = load(saved)
    assert found is None and f"{saved}: damaged" in refusal


def test_a_damaged_file_is_refused(saved):
    content = bytearray(saved.read_bytes())
    content[content.index(state()["weights"].tobytes()[:16])] ^= 1
    saved.write_bytes(bytes(content))
    found, refusal = load(saved)
    assert found is None and "damaged" in refusal


def test_a_foreign_file_is_refused(path):
    store.save(path, Inner(np.array(True), np.array(1)))
    found, refusal = load(path)
    assert found is None and "holds Inner" in refusal


def test_it_is_written_at_intervals(path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    with Checkpoint.locked(path, IDENTITY, seconds=30.0) as new:
        written = []
        for clock[0] in (10.0, 29.0, 31.0, 50.0, 62.0):
            written.append(new.save(state(), ROWS))
        assert written == [False, False, True, False, True]
        assert new.save(state(), ROWS, now=True)
        new.remove()
        assert not path.exists()
        new.remove()


# The lock.


def test_nothing_is_left_beside_the_results(saved):
    assert list(saved.parent.iterdir()) == [saved]
    with Checkpoint.locked(saved, IDENTITY) as found:
        found.remove()
    assert list(saved.parent.iterdir()) == []


def test_what_cannot_be_removed_costs_no_results(path):
    path.mkdir(parents=True)
    with Checkpoint.locked(path, IDENTITY) as checkpoint:
        assert checkpoint.load(()) is None and "can't be read" in checkpoint.refusal
        checkpoint.remove()


def test_the_lock_excludes_a_second_holder(path):
    with Checkpoint.locked(path, IDENTITY):
        with pytest.raises(CheckpointLockedError, match="another process is computing this"):
            load(path)
    load(path)


def test_the_lock_goes_with_an_error(path):
    with pytest.raises(RuntimeError, match="stop"):
        with Checkpoint.locked(path, IDENTITY):
            raise RuntimeError("stop")
    load(path)


def test_the_lock_of_a_killed_process_is_free_and_its_half_written_file_goes(path):
    program = (
        "import sys, time; from lopt.checkpoint import Checkpoint\n"
        "from lopt.records import store\n"
        f"with Checkpoint.locked({str(path)!r}, {{}}):\n"
        "    def write(file):\n"
        "        file.write(b'half'); file.flush(); print('writing', flush=True); time.sleep(600)\n"
        f"    store.write_atomically({str(path)!r}, write)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        with pytest.raises(CheckpointLockedError, match="is locked"):
            load(path)
        os.kill(process.pid, signal.SIGKILL)
    assert len(list(path.parent.iterdir())) == 2  # the lock file and the half
    assert load(path) == (None, None)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_named_with_advice(path, monkeypatch, error):
    def refuse(*arguments):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(store.StoreError, match="has no locks") as caught:
        load(path)
    assert str(path) in str(caught.value) and os.strerror(error) in str(caught.value)
    assert "on a local disk" in str(caught.value)


def test_a_folder_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file/seed_0/checkpoint.npz"
    with pytest.raises(store.StoreError, match="can't be written") as caught:
        load(path)
    assert str(path.parent) in str(caught.value) and "make it writable" in str(caught.value)


def test_a_checkpoint_without_its_entries_is_refused(saved):
    leaves, metadata = store.load(saved, checkpoint._Leaves)
    for change in ({"identity": None}, {"identity": [1]}):
        store.save(saved, leaves, metadata | change)
        assert load(saved)[0] is None and "identity is" in load(saved)[1]
    del metadata["notes"]
    store.save(saved, leaves, metadata)
    assert load(saved)[0] is None
    store.save(saved, leaves._replace(data=leaves.data[:-1]), metadata | {"notes": []})
    assert "another form" in load(saved)[1]


def test_a_lock_file_deleted_between_opening_and_locking_is_not_held(path, monkeypatch):
    """A opens the file that the last holder then deletes; without a second look A would lock a file
    without a name, and C, who makes a new one, would hold the lock too."""
    lock_file = path.with_name(path.name + ".lock")
    flock, left = fcntl.flock, [2]

    def flock_after_the_last_holder_left(file, operation):
        if left[0]:
            left[0] -= 1
            lock_file.unlink()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock_after_the_last_holder_left)
    with Checkpoint.locked(path, IDENTITY):
        assert left == [0] and lock_file.exists()
        with pytest.raises(CheckpointLockedError):
            load(path)
