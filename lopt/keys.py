"""Named random streams.

Every consumer of randomness asks for its own stream by name,

    stream(seed, "train", step)  ->  PRNG key,

and the key depends on the seed and the path alone. Adding a consumer, or drawing more in one, never
shifts the numbers of another. Strings enter through CRC-32 (stable across runs and machines, unlike
Python's ``hash``), integers as they are; integers may be traced values, so that a stream can be
indexed by a step inside ``lax.scan``.

Keys are typed threefry keys whatever the global default. What a key *draws* still depends on the
requested dtype: samplers therefore name theirs (float32) and results do not change under x64.
"""

import zlib

import jax

__all__ = ["stream"]


def stream(seed: int | jax.Array, *path: str | int | jax.Array) -> jax.Array:
    """Return the PRNG key of the stream ``path`` under ``seed``.

    Args:
        seed: the study's seed for this run, a non-negative Python or traced integer.
        path: names (strings) and indices (non-negative integers, possibly traced).

    >>> import jax.numpy as jnp
    >>> same = stream(0, "train", 3) == stream(0, "train", 3)
    >>> bool(same), bool(stream(0, "train", 3) == stream(0, "train", 4))
    (True, False)
    """
    key = jax.random.key(seed, impl="threefry2x32")
    for part in path:
        key = jax.random.fold_in(key, zlib.crc32(part.encode()) if isinstance(part, str) else part)
    return key
