"""Arrays of others: read as they were written, into a family, and every damage is told."""

import json

import jax
import numpy as np
import pytest

import lopt
from lopt.records.foreign_arrays import read_arrays

KINDS = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def written(path, arrays, change=lambda header: header, tail=b"", cut=None):
    """Write a safetensors file by the format's description, after a change of its header."""
    header, data = {"__metadata__": {"format": "np"}}, b""
    names = {np.dtype(kind): name for name, kind in KINDS.items()}
    for name, array in arrays.items():
        raw = array.tobytes()
        header[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    header = change(header)
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # writers align what follows
    path.write_bytes((len(text).to_bytes(8, "little") + text + data + tail)[:cut])
    return path


def some_arrays():
    random = np.random.default_rng(0)
    arrays = {name: (3 * random.normal(size=(2, 3))).astype(kind) for name, kind in KINDS.items()}
    return arrays | {"scalar": np.array(2.5, np.float32), "empty": np.zeros((0, 4), np.float32)}


def test_what_is_written_is_read(tmp_path):
    arrays = some_arrays()
    np.savez(tmp_path / "plain.npz", **arrays)
    np.savez_compressed(tmp_path / "packed.npz", **arrays, fortran=np.asfortranarray(arrays["F32"]))
    for path in (
        written(tmp_path / "a.safetensors", arrays),
        tmp_path / "plain.npz",
        tmp_path / "packed.npz",
    ):
        found = read_arrays(path)
        np.testing.assert_array_equal(found.pop("fortran", arrays["F32"]), arrays["F32"])
        assert set(found) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            wider = np.float32 if array.dtype == np.float16 else array.dtype
            assert found[name].dtype == wider and found[name].flags.writeable


def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path):
    halves = np.array([0x3F80, 0xC000, 0x3EAB], np.uint16)  # 1, -2, 171/512
    header = {"a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    path = written(tmp_path / "a.safetensors", {}, lambda _: header, halves.tobytes())
    assert read_arrays(path)["a"].tolist() == [1.0, -2.0, 171 / 512]


def changed(name, **entry):
    return lambda header: header | {name: header[name] | entry}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed("a", data_offsets=[0, 40]), r"a has the data_offsets \[0, 40\], but there are 36"),
        (changed("a", data_offsets=[24, 0]), r"a has the data_offsets \[24, 0\]"),
        (changed("b", data_offsets=[12, 24]), r"b shares bytes with another array: .* expected 24"),
        (changed("a", shape=[2, 2]), r"a has 24 bytes, but F32 of shape \[2, 2\] has 16"),
        (changed("a", shape=[2**40, 2**40]), "a has 24 bytes, but F32 of shape"),
        (changed("a", shape=[-2, -3]), "a has the shape"),
        (changed("a", shape=[True, 6]), "a has the shape"),
        (changed("a", shape="23"), "a has the shape 23, expected integers"),
        (changed("a", dtype="F8_E4M3"), "a has the dtype F8_E4M3, expected one of F64"),
        (changed("a", dtype=["F32"]), "a has the dtype"),
        (lambda header: header | {"a": 3}, "a is 3, expected dtype, shape and data_offsets"),
        (lambda header: {"b": header["b"]}, "b follows a gap: it begins at 24, expected 0"),
        (lambda header: {"a": header["a"]}, "36 bytes of data, but the arrays have 24"),
        (lambda header: [1], "its header is a list"),
        (lambda header: b'{"a": 1, "a": 2}', "a name stands there twice"),
        (lambda header: b"\xff\xfe", "its header is no JSON"),
        (lambda header: b"[" * 100_000, "its header is no JSON"),
    ],
)
def test_what_does_not_fit_together_is_told(tmp_path, change, message):
    arrays = {"a": np.ones((2, 3), np.float32), "b": np.ones(3, np.float32)}
    path = written(tmp_path / "a.safetensors", arrays, change)
    with pytest.raises(lopt.StoreError, match=message):
        read_arrays(path)


def test_what_is_no_file_of_arrays_is_told(tmp_path):
    arrays = {"a": np.ones((2, 3), np.float32)}
    whole = written(tmp_path / "whole", arrays).read_bytes()
    for content, message in (
        (b"", "0 bytes, too few"),
        (whole[:7], "7 bytes, too few"),
        (whole[:40], "its first bytes say that a header of"),
        (whole[:-1], r"a has the data_offsets \[0, 24\], but there are 23"),
        (b"\xff" * 64, "no safetensors file, or cut off"),
        (b"PK\x03\x04" + whole, "damaged, or not an npz file"),
    ):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(lopt.StoreError, match=message):
            read_arrays(tmp_path / "a")
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(lopt.StoreError, match="a single array"):
        read_arrays(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", a=np.array([{}], object))
    with pytest.raises(lopt.StoreError, match="holds Python objects"):
        read_arrays(tmp_path / "a.npz")
    with pytest.raises(lopt.StoreError, match="there is no such file"):
        read_arrays(tmp_path / "absent.safetensors")


def test_damage_ends_in_an_error_of_its_own_kind_or_in_an_array(tmp_path):
    """A few hundred damaged files; make fuzz tries more."""
    random = np.random.default_rng(0)
    whole = written(tmp_path / "whole", some_arrays()).read_bytes()
    for _ in range(400):
        content = bytearray(whole)
        for place in random.integers(0, len(content), random.integers(1, 4)):
            content[place] = random.integers(0, 256)
        (tmp_path / "a").write_bytes(bytes(content[: random.integers(1, len(content) + 1)]))
        try:
            found = read_arrays(tmp_path / "a")
        except lopt.StoreError:
            continue
        assert all(isinstance(array, np.ndarray) for array in found.values())


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_a_foreign_mlp_is_the_optimizer_that_it_was(tmp_path, kind, x64):
    family = lopt.MLP(units=4, layers=2)
    theta = family.exact_momentum(family.init(jax.random.key(0)), 0.05)
    arrays = {f"mlp/{name}": np.asarray(a) for name, a in theta._asdict().items()}
    arrays["mlp/input_weights"] = arrays["mlp/input_weights"].T.copy()  # the other convention
    path = tmp_path / f"theirs.{kind}"
    if kind == "npz":
        np.savez(path, **arrays)
    else:
        written(path, arrays)
    names = {field: f"mlp/{field}" for field in theta._fields}
    names["input_weights"] = lambda arrays: arrays["mlp/input_weights"].T
    found = lopt.read_weights(path, family, names)
    for mine, theirs in zip(theta, found, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    component = family.component(lopt.as_dtype(found, np.float64))
    modes = lopt.linearize(component, component.initial_state)
    assert modes.momenta[int(modes.leading_mode)] == pytest.approx(0.9, abs=1e-10)


def test_what_a_family_needs_is_named(tmp_path):
    family = lopt.GRU(units=3)
    theta = family.init(jax.random.key(0))
    arrays = {name: np.asarray(array) for name, array in theta._asdict().items()}
    path = written(tmp_path / "gru.safetensors", arrays)
    assert jax.tree.all(jax.tree.map(np.array_equal, lopt.read_weights(path, family), theta))
    start = np.ones(3)
    given = lopt.read_weights(path, family, {"initial_state": start})
    np.testing.assert_array_equal(given.initial_state, start)
    for other, names, kind, message in (
        (lopt.GRU(units=4), {}, lopt.StoreError,
         r"gru.safetensors: initial_state has shape \[3\], but the GRU of 4 units needs \[4\]"),
        (family, {"biases": "bias"}, lopt.StoreError,
         r"biases: there is no array 'bias'; there are initial_state \[3\], input_weights \[9\]"),
        (family, {"biases": "readout_weights"}, lopt.StoreError,
         r"biases \(there readout_weights\) has shape \[3\], .* needs \[9\]"),
        (family, {"bias": "biases"}, ValueError, "names has bias; a theta of the GRU has initial"),
        (family, {"biases": lambda arrays: arrays["none"]}, ValueError,
         r"what names has for biases fails \(KeyError: 'none'\); the file has initial_state"),
        (family, {"biases": np.full(9, np.nan)}, lopt.StoreError,
         r"biases \(as given\) holds what is not a finite number"),
        (family, {"biases": np.full(9, 1e300)}, lopt.StoreError, "holds what is not a finite"),
        (family, {"biases": np.zeros(9, complex)}, lopt.StoreError, "is complex128, expected real"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message):
            lopt.read_weights(path, other, names)


@pytest.mark.parametrize(
    ("family", "names", "message"),
    [
        (lopt.MLP, None, "the family is <class .*MLP'>, expected one with its sizes"),
        (None, None, "the family is None, expected one with its sizes"),
        (lopt.MLP(units=4), "biases", "names is a str, expected a dictionary of fields"),
        (
            lopt.MLP(units=4),
            {"input_weights": lambda arrays: [[0.0], [1.0, 2.0]]},
            r"w.npz: input_weights \(as made of the file's arrays\) is no array: its rows differ",
        ),
    ],
)
def test_what_is_no_family_no_names_or_no_array_is_named(tmp_path, family, names, message):
    np.savez(tmp_path / "w.npz", biases=np.zeros((2, 4)))
    with pytest.raises(ValueError, match=message):
        lopt.read_weights(tmp_path / "w.npz", family, names)
