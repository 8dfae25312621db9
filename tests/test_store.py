"""Files: what is stored comes back, what is damaged or foreign is refused, no write is half done."""

import errno
import fcntl
import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tracemalloc
import zipfile
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jaxtyping import Array, Bool, Float, Int

from lopt.records import checksums, store


class Sample(NamedTuple):
    """One array of every kind that the project stores."""

    point: Float[Array, " units"]
    matrix: Float[Array, "units units"]
    counts: Int[np.ndarray, " runs"]
    converged: Bool[np.ndarray, " runs"]
    curves: Float[np.ndarray, "*batch runs 2"]
    names: np.ndarray
    scalar: Float[Array, ""]


class Other(NamedTuple):
    """The same fields under another name."""

    point: Float[Array, " units"]


def sample(**changes) -> Sample:
    return Sample(
        point=np.array([np.nan, -0.0, np.inf]),
        matrix=jnp.eye(3, dtype=jnp.float32),
        counts=np.array([1, 2**40]),
        converged=np.array([True, False]),
        curves=np.arange(16.0).reshape(2, 2, 2, 2),
        names=np.array(["learned", "momentum"]),
        scalar=np.float32(0.1),
    )._replace(**changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder/sample.npz"


def test_arrays_and_metadata_come_back(path):
    metadata = {"seed": 3, "versions": {"jax": "0"}, "wall_seconds": 0.1, "ranking": [1, None]}
    store.save(path, sample(), metadata)
    loaded, found = store.load(path, Sample)
    for name, array, wanted in zip(Sample._fields, loaded, sample(), strict=True):
        assert array.dtype == np.asarray(wanted).dtype, name
        np.testing.assert_array_equal(array, wanted)
    assert metadata.items() <= found.items()
    assert found["schema"] == "Sample" and found["schema_version"] == store.SCHEMA_VERSION


def test_a_file_needs_no_pickle_and_states_its_schema(path):
    """Readable by NumPy alone."""
    store.save(path, sample())
    with np.load(path, allow_pickle=False) as arrays:
        assert json.loads(str(arrays["metadata"]))["schema"] == "Sample"


def test_the_same_content_is_the_same_bytes(path):
    store.save(path, sample(), {"b": 1, "a": 2})
    first = path.read_bytes()
    store.save(path, sample(), {"a": 2, "b": 1})
    assert path.read_bytes() == first


WRONG = {
    "shape": (sample(point=np.zeros((3, 1))), r"point has shape \(3, 1\), expected \[units\]"),
    "size": (sample(point=np.zeros(4)), r"matrix has shape \(3, 3\).*with units = 4"),
    "between fields": (sample(counts=np.zeros(5, int)), r"converged has shape.*runs = 5"),
    "fixed size": (sample(curves=np.zeros((2, 3))), r"curves has shape \(2, 3\).*with 2 = 2"),
    "rank": (sample(curves=np.zeros(2)), r"curves has shape \(2,\), expected \[\*batch runs 2\]"),
    "scalar": (sample(scalar=np.zeros(1)), r"scalar has shape \(1,\), expected \[\]"),
    "dtype": (sample(point=np.zeros(3, int)), r"point is int64, expected Float"),
    "integers": (sample(counts=np.zeros(2)), r"counts is float64, expected Int"),
    "booleans": (sample(converged=np.zeros(2)), r"converged is float64, expected Bool"),
    "objects": (sample(names=np.array([{}, None])), "names holds Python objects"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_array_is_not_stored(path, wrong):
    record, message = WRONG[wrong]
    with pytest.raises(store.StoreError, match=message) as caught:
        store.save(path, record)
    assert str(path) in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("wrong", sorted(set(WRONG) - {"objects"}))
def test_a_wrong_array_is_not_loaded(path, wrong):
    """The file was written by hand, past the checks of ``save``."""
    record, message = WRONG[wrong]
    metadata = {"schema": "Sample", "schema_version": store.SCHEMA_VERSION}
    path.parent.mkdir()
    np.savez(path, metadata=np.array(json.dumps(metadata)), **record._asdict())
    with pytest.raises(store.StoreError, match=message) as caught:
        store.load(path, Sample)
    assert str(path) in str(caught.value)


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def described(**entries) -> np.ndarray:
    return np.array(json.dumps({"schema": "Other", "schema_version": 1} | entries))


def npz_entry(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


class Trap:
    """Unpickling it would create a file."""

    def __reduce__(self):
        return open, ("trap", "w")


BAD_FILES = {
    "empty": (b"", "damaged, or not an array file"),
    "text": (b"point,units\n", "damaged, or not an array file"),
    "pickle": (pickle.dumps(Trap()), "damaged, or not an array file"),
    "pickled array": (npz(point=np.array([Trap()])), "damaged, or not an array file"),
    "no metadata": (npz(point=np.zeros(2)), "no metadata entry"),
    "metadata not JSON": (npz(point=np.zeros(2), metadata=np.array("{")), "no metadata entry"),
    "metadata a list": (npz(point=np.zeros(2), metadata=np.array("[]")), "no metadata entry"),
    "schema": (
        npz(point=np.zeros(2), metadata=described(schema="Sample")),
        r"holds Sample \(version 1\), expected Other \(version 1\)",
    ),
    "version": (
        npz(point=np.zeros(2), metadata=described(schema_version=9)),
        r"holds Other \(version 9\), expected Other",
    ),
    "missing array": (npz(metadata=described()), r"missing or unknown arrays \['point'\]"),
    "unknown array": (
        npz(point=np.zeros(2), x=np.zeros(2), metadata=described()),
        r"missing or unknown arrays \['x'\] for Other",
    ),
}


@pytest.mark.parametrize("content", BAD_FILES)
def test_a_foreign_file_is_refused(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    data, message = BAD_FILES[content]
    path = tmp_path / "file.npz"
    path.write_bytes(data)
    with pytest.raises(store.StoreError, match=message) as caught:
        store.load(path, Other)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "trap").exists()


def archive(**contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in contents.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def compressed(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


TRAPS = {
    "a bomb": compressed(point=np.zeros(10**7), metadata=described()),
    "a larger array than the file": archive(
        metadata=npz_entry(described()),
        point=npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
    ),
    "sizes that wrap around": archive(
        metadata=npz_entry(described()),
        point=npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"),
    ),
    "a negative size": archive(
        metadata=npz_entry(described()),
        point=npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
    ),
    "brackets without end": archive(metadata=npz_entry(described()), point=npy("{" + "(" * 9000)),
    "a string without end": archive(
        metadata=npz_entry(described()), point=npy("{'descr': " + "'" * 3)
    ),
    "deep metadata": npz(point=np.zeros(2), metadata=np.array("[" * 100_000)),
    "metadata of a number with many digits": npz(
        point=np.zeros(2), metadata=np.array('{"a": 1' + "0" * 5000 + "}")
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_is_refused_before_it_is_unpacked(tmp_path, trap):
    path = tmp_path / "file.npz"
    path.write_bytes(TRAPS[trap])
    tracemalloc.start()
    with pytest.raises(store.StoreError, match=re.escape(str(path))):
        store.load(path, Other)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**23


def test_unknown_names_are_refused_before_anything_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "file.npz"
    path.write_bytes(npz(metadata=described(), point=np.zeros(2), large=np.zeros(2**20)))
    read, arrays = np.lib.format.read_array, []
    monkeypatch.setattr(
        np.lib.format, "read_array", lambda *a, **k: arrays.append(read(*a, **k)) or arrays[-1]
    )
    with pytest.raises(store.StoreError, match=r"unknown arrays \['large'\]"):
        store.load(path, Other)
    assert [array.shape for array in arrays] == [()]  # the metadata


def test_metadata_is_compared_with_what_is_asked_for(path):
    store.save(path, Other(np.zeros(2)), {"task": "rosenbrock", "seed": 3})
    asked = {"task": "rosenbrock", "seed": 3}
    assert store.load(path, Other, expect=asked)[1]["seed"] == 3
    for change, message in (
        ({"seed": 4}, "its seed is 3, expected 4"),
        ({"task": "two_moons"}, 'its task is "rosenbrock", expected "two_moons"'),
        ({"scale": "laptop"}, 'its scale is missing, expected "laptop"'),
    ):
        with pytest.raises(store.StoreError, match=message) as caught:
            store.load(path, Other, expect=asked | change)
        assert str(path) in str(caught.value)


def test_one_and_true_are_told_apart(path):
    for stored, asked, told in ((True, 1, "true, expected 1"), (1, True, "1, expected true")):
        store.save(path, Other(np.zeros(2)), {"seed": stored})
        with pytest.raises(store.StoreError, match=f"its seed is {told}"):
            store.load(path, Other, expect={"seed": asked})


def test_what_is_no_file_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    for load in (lambda path: store.load(path, Other), store.load_json, store.load_table):
        with pytest.raises(store.StoreError, match="folder: can't be read"):
            load(tmp_path / "folder")


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(store.StoreError, match="a single array"):
        store.load(tmp_path / "array.npy", Other)


def test_a_missing_file_is_named(tmp_path):
    for load in (lambda path: store.load(path, Other), store.load_json, store.load_table):
        with pytest.raises(store.StoreError, match=r"nowhere: there is no such file"):
            load(tmp_path / "nowhere")


def test_a_damaged_array_is_noticed_by_whom_the_metadata_alone_concerns(path):
    stored = np.arange(5000.0)  # more than is read with its header
    store.save(path, Other(stored), {"seed": 1})
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(stored.tobytes()) + stored.nbytes - 1] ^= 1
    path.write_bytes(bytes(damaged))
    with pytest.raises(store.StoreError, match="damaged"):
        store.load_metadata(path)


def test_a_damaged_file_is_refused_or_read_right(path):
    """Truncated at any length, or a bit of any byte flipped: never an array that was not stored."""
    store.save(path, Other(np.arange(3.0)), {"seed": 1})
    whole = path.read_bytes()
    damaged = [whole[:length] for length in range(len(whole))]
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        damaged.append(bytes(flipped))
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            loaded, metadata = store.load(path, Other)
        except store.StoreError:
            refused += 1
        else:
            np.testing.assert_array_equal(loaded.point, np.arange(3.0))
            assert metadata["seed"] == 1
    assert refused > 0.6 * len(damaged)  # the rest hits dates and the like


# Every write is atomic.


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, error):
    store.write_atomically(path, lambda file: file.write(b"old"))

    def write(file):
        file.write(b"ne")
        file.flush()
        raise error("stop")

    with pytest.raises(error, match="stop"):
        store.write_atomically(path, write)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(path):
    store.write_atomically(path, lambda file: file.write(b"old"))

    def write(file):
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"

    store.write_atomically(path, write)
    assert path.read_bytes() == b"new"


def test_a_file_is_on_the_disk_before_it_is_moved_into_place(path, monkeypatch):
    """Else a machine that loses its power could keep the name and not the content."""
    done, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: done.append("on disk") or fsync(file))
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("in place") or replace(*paths))
    store.save_json(path, {})
    assert done == ["on disk", "in place"]


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o007, 0o000])
def test_a_file_has_the_permissions_that_the_umask_leaves(path, umask):
    before = os.umask(umask)
    try:
        store.save_json(path, {})
        store.save_table(path.with_name("table.csv"), pd.DataFrame({"seed": [0]}))
    finally:
        os.umask(before)
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o666 & ~umask, file


def test_a_file_system_that_refuses_permissions_locks_and_fsync_still_takes_files(
    path, monkeypatch
):
    def refuse(*arguments):
        raise OSError(errno.ENOSYS, "Function not implemented")

    for name in ("chmod", "fchmod", "fsync"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(fcntl, "flock", refuse)
    store.save_json(path, {"a": 1})
    assert store.load_json(path) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]


WRITE_AND_WAIT = """
import sys, time
from lopt.records import store
def write(file):
    file.write(b"half"); file.flush(); print("writing", flush=True); time.sleep(600)
store.write_atomically(sys.argv[1], write)
"""


def test_the_next_writer_removes_what_a_killed_one_left(path):
    """But neither what another one is writing now, nor other files' temporary files."""
    path.parent.mkdir()
    others = [path.with_name(f".{name}.0123abcd") for name in ("other.npz", "sample.npz.old")]
    for other in others:
        other.touch()
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"writing\n"
        store.save_json(path, 1)
        assert len(list(path.parent.iterdir())) == 4
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    assert len(list(path.parent.iterdir())) == 4
    store.save_json(path, 2)
    assert sorted(path.parent.iterdir()) == sorted([path, *others])
    assert store.load_json(path) == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_without_space_is_a_message(path):
    def write(file):
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(store.StoreError, match="No space left on device") as caught:
        store.write_atomically(path, write)
    assert str(path) in str(caught.value) and "run the same command again" in str(caught.value)
    assert not list(path.parent.iterdir())


# Checksums, tables and JSON.


def test_a_line_that_is_no_checksum_is_named(tmp_path):
    sums = tmp_path / checksums.SUMS
    sums.write_text(f"{'0' * 64}  a\n{'f' * 64}  b c\n")
    assert checksums.stated(tmp_path) == {"a": "0" * 64, "b c": "f" * 64}
    for line in ("g" * 64 + "  a", "F" * 64 + "  a", "0" * 64, ""):
        sums.write_text(f"{'0' * 64}  a\n{line}\n")
        with pytest.raises(store.StoreError, match="SHA256SUMS, line 2: expected a SHA-256"):
            checksums.stated(tmp_path)


def test_a_table_comes_back(path):
    """Whole: text, integers, missing numbers, and every digit of a float32."""
    numbers = np.float32([0.1, 1e-30, 16777217.0, np.nan, 3.4e38, -np.inf])
    table = pd.DataFrame({"task": list("abcdef"), "seed": range(6), "loss": numbers})
    store.save_table(path, table)
    loaded = store.load_table(path, ("seed", "loss"))
    assert list(loaded) == ["task", "seed", "loss"] and loaded["seed"].dtype == np.int64
    np.testing.assert_array_equal(loaded["loss"].astype(np.float32), numbers)
    assert list(loaded["task"]) == list("abcdef")


def test_a_table_without_a_column_or_without_sense_is_refused(path):
    store.save_table(path, pd.DataFrame({"seed": [0]}))
    with pytest.raises(store.StoreError, match=r"lacks the columns \['loss'\]; it has \['seed'\]"):
        store.load_table(path, ("seed", "loss"))
    for content in (b"", b"a,b\n1,2\n1,2,3\n", b"\xff\xfe\x00"):
        path.write_bytes(content)
        with pytest.raises(store.StoreError, match="not a readable table"):
            store.load_table(path)


def test_json_comes_back(path):
    value = {"selected": 1, "ranking": [{"seed": 0, "meta_objective": 0.1 + 0.2}], "none": None}
    store.save_json(path, value)
    assert store.load_json(path) == value
    path.write_text("{")
    with pytest.raises(store.StoreError, match="not JSON"):
        store.load_json(path)


def test_an_archive_that_python_can_read_is_what_it_seems(path):
    """One uncompressed entry an array: other programs can map it."""
    store.save(path, sample())
    with zipfile.ZipFile(path) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert set(archive.namelist()) == {f"{name}.npy" for name in (*Sample._fields, "metadata")}
