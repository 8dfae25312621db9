"""Optimizers in the safetensors format: bit by bit the same, readable without lopt, damage is told."""

import dataclasses
import json
import struct
from pathlib import Path

import jax
import numpy as np
import pytest

from lopt import command_line, load_optimizer
from lopt.learned import make_family
from lopt.learned.stored import export_safetensors, import_safetensors
from lopt.records import safetensors, store
from lopt.records.store import StoreError

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "weights/rosenbrock/seed_0.npz"


def decoded(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """The file read by the format's description alone: nothing of lopt."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    kinds = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "BOOL": "?", "U8": "u1"}
    arrays, texts = {}, header.pop("__metadata__", {})
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        data = content[8 + length + begin : 8 + length + end]
        arrays[name] = np.frombuffer(data, kinds[entry["dtype"]]).reshape(entry["shape"])
    return arrays, texts


def test_every_family_comes_back_bit_by_bit(tmp_path):
    for name in ("gru", "lstm", "mlp", "ugrnn", "vanilla_rnn"):
        family = make_family({"family": name, "units": 3})
        theta = jax.tree.map(np.array, family.init(jax.random.key(0)))
        theta.biases.flat[:3] = [np.nan, -0.0, 1e-42]  # whose bits differ from what equals them
        optimizer = {"family": name, **dataclasses.asdict(family)}
        path, other, back = (
            tmp_path / f"{name}{end}" for end in (".npz", ".safetensors", "_2.npz")
        )
        store.save(path, theta, {"optimizer": optimizer, "note": "é"})
        export_safetensors(path, other)
        arrays, texts = decoded(other)
        for key, value in theta._asdict().items():
            assert arrays[key].tobytes() == value.tobytes() and arrays[key].shape == value.shape
        assert json.loads(texts["lopt"])["note"] == "é"
        import_safetensors(other, back)
        assert back.read_bytes() == path.read_bytes()
        assert load_optimizer(other)[0] == family


def test_a_shipped_optimizer_through_the_command_line(tmp_path, capsys):
    other, back = tmp_path / "theta.safetensors", tmp_path / "theta.npz"
    command_line.main(["export", str(SHIPPED), str(other)])
    command_line.main(["export", str(other), str(back)])
    assert "wrote" in capsys.readouterr().out
    assert back.read_bytes() == SHIPPED.read_bytes()
    _, _, metadata = load_optimizer(other, task="rosenbrock", seed=0)
    assert metadata["task"] == "rosenbrock"
    with pytest.raises(StoreError, match="its seed is 0, expected 1"):
        load_optimizer(other, seed=1)
    with pytest.raises(SystemExit):
        command_line.main(["export", str(SHIPPED), str(tmp_path / "theta.pt")])
    assert r"ends in .npz or .safetensors" in capsys.readouterr().err


def test_arrays_of_every_kind(tmp_path):
    path = tmp_path / "a.safetensors"
    arrays = {
        "number": np.float64(0.1),
        "none": np.zeros((0, 3), np.float32),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "big": np.arange(3, dtype=">i8"),
        "flags": np.array([True, False]),
        "halves": np.array([0.5], np.float16),
    }
    safetensors.write(path, arrays, {"a": "b"})
    found = safetensors.read(path)
    assert list(found) == list(arrays) and safetensors.read_metadata(path) == {"a": "b"}
    for name, array in arrays.items():
        assert found[name].shape == np.shape(array) and np.array_equal(found[name], array)
    with pytest.raises(StoreError, match="names is <U1; the format has F64"):
        safetensors.write(path, {"names": np.array(["a"])})


def damaged(content: bytes, change) -> bytes:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["a"].update(data_offsets=[0, 4]), "a has 4 bytes, but F32"),
        (lambda h: h["a"].update(shape=[-2]), "a has the shape"),
        (lambda h: h["a"].update(shape=[True, 2]), "a has the shape"),
        (lambda h: h["a"].update(dtype="F8"), "a has the dtype F8"),
        (lambda h: h["b"].update(data_offsets=[0, 8]), "b shares bytes"),
        (lambda h: h.pop("b"), "16 bytes of data, but the arrays have 8"),
        (lambda h: h.update(a=3), "a is 3, expected dtype"),
    ],
)
def test_damage_is_told(tmp_path, change, message):
    path = tmp_path / "a.safetensors"
    safetensors.write(path, {"a": np.ones(2, np.float32), "b": np.ones(1)}, {"lopt": "{}"})
    path.write_bytes(damaged(path.read_bytes(), change))
    with pytest.raises(StoreError, match=message):
        safetensors.read(path)


@pytest.mark.parametrize("shape", [[0, 2**64], [2**62, 0, 4], [2**31, 2**31, 0]])
@pytest.mark.parametrize("dtype", ["F64", "F16", "BF16", "BOOL"])
def test_sides_of_an_empty_array_that_no_array_has_are_told(tmp_path, shape, dtype):
    path = tmp_path / "a.safetensors"
    header = json.dumps({"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, 0]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(
        StoreError, match=r"a\.safetensors: a has the shape .*, larger than any array"
    ):
        safetensors.read(path)


def test_what_is_no_such_file_is_told(tmp_path):
    path = tmp_path / "a.safetensors"
    for content in (
        b"",
        b"\xff" * 8,
        b"\2\0\0\0\0\0\0\0[]",
        b"\1\0\0\0\0\0\0\0{",
        SHIPPED.read_bytes(),
    ):
        path.write_bytes(content)
        with pytest.raises(StoreError, match="no safetensors file"):
            load_optimizer(path)
    safetensors.write(path, {"a": np.ones(2)})
    with pytest.raises(StoreError, match="not an optimizer that lopt exported"):
        load_optimizer(path)
