"""Named streams: pinned by an independent threefry, the same traced, under x64 and in company."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lopt.keys import stream


def threefry(key: np.ndarray, counter: np.ndarray) -> np.ndarray:
    """Threefry-2x32, 20 rounds (Salmon et al. 2011), in NumPy."""
    rotations = [(13, 15, 26, 6), (17, 29, 16, 24)]
    keys = [int(key[0]), int(key[1]), int(key[0]) ^ int(key[1]) ^ 0x1BD11BDA]
    a, b = (int(counter[0]) + keys[0]) % 2**32, (int(counter[1]) + keys[1]) % 2**32
    for block in range(5):
        for rotation in rotations[block % 2]:
            a = (a + b) % 2**32
            b = ((b << rotation | b >> 32 - rotation) % 2**32) ^ a
        a = (a + keys[(block + 1) % 3]) % 2**32
        b = (b + keys[(block + 2) % 3] + block + 1) % 2**32
    return np.array([a, b], np.uint32)


def expected(seed: int, *path: str | int) -> np.ndarray:
    """Fold each part into the key: the key's threefry of the counter (0, part)."""
    key = np.array([0, seed], np.uint32)
    for part in path:
        number = zlib.crc32(part.encode()) if isinstance(part, str) else part
        key = threefry(key, np.array([0, number], np.uint32))
    return key


PATHS = [("theta",), ("train", 0), ("train", 1), ("validation",), ("tuning", "trials", "b1"), ()]


@pytest.mark.parametrize("seed", [0, 7, 2**31, 2**32 - 1])
def test_streams_are_folded_threefry_keys(seed):
    for path in PATHS:
        np.testing.assert_array_equal(
            jax.random.key_data(stream(seed, *path)), expected(seed, *path)
        )


def test_streams_are_the_same_under_x64(x64):
    test_streams_are_folded_threefry_keys(2**31)


def test_a_traced_seed_and_index_give_the_same_key():
    @jax.jit
    def traced(seed, index):
        return jax.random.key_data(stream(seed, "train", index))

    for seed, index in [(0, 3), (2**32 - 1, 4999)]:
        np.testing.assert_array_equal(
            traced(jnp.asarray(seed, jnp.uint32), jnp.asarray(index, jnp.int32)),
            expected(seed, "train", index),
        )


def test_no_two_streams_coincide():
    """A new consumer, whatever its name, seed or depth, has numbers of its own."""
    keys = {
        tuple(np.asarray(jax.random.key_data(stream(seed, *path))).tolist())
        for seed in (0, 1)
        for path in [*PATHS, ("trials", "tuning", "b1"), ("tuning", "trialsb1"), ("train",)]
    }
    assert len(keys) == 2 * (len(PATHS) + 3)
