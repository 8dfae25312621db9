"""Wrong configurations at random: whatever is changed, one message says what is wrong, or nothing is.

    python tests/fuzz_configuration.py --seconds 600 --seed 1

changes config.yaml at a few random places, over and over, and resolves it. What fails is printed with the
seed that makes it again.
"""

import argparse
import copy
import datetime
import functools
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from lopt import registry
from lopt.config import ConfigError, resolve
from lopt.config_schema import Schemas

__all__ = ["ANYTHING", "ITSELF", "Refuses", "complaint_about", "mutated", "run"]

ROOT = Path(__file__).parent.parent

# What YAML and Python can give.

EVER_DEEPER: dict = {}
node = EVER_DEEPER
for _ in range(5000):
    node["a"] = node = {}
ITSELF: list = [0]
ITSELF.append(ITSELF)
MANY = ["a"]
for _ in range(60):
    MANY = [MANY, MANY]


class Refuses:
    """Everything that a message could do with it fails."""

    def refuse(self, *_):
        raise RuntimeError("refused")

    __repr__ = __str__ = __eq__ = __hash__ = __len__ = __iter__ = __bool__ = refuse


ANYTHING = {
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "1e400 as text": "1e400",
    "nan as text": "nan",
    "10**400": 10**400,
    "10**5000": 10**5000,
    "2**63": 2**63,
    "1e300": 1e300,
    "date": datetime.date(2026, 1, 1),
    "moment": datetime.datetime(2026, 1, 1, 12, 0),
    "set": {1, 2},
    "bytes": b"abc",
    "complex": 1j,
    "key 1": {1: 2},
    "key on": {True: 2},
    "key ~": {None: 2},
    "key nan": {float("nan"): 2},
    "key pair": {(1, 2): 2},
    "key date": {datetime.date(2026, 1, 1): 2},
    "key of two lines": {"a\nb": 2},
    "key of 1000": {"a" * 1000: 2},
    "many keys": {f"key_{number}": 1 for number in range(1000)},
    "ever deeper": EVER_DEEPER,
    "itself": ITSELF,
    "aliases of aliases": MANY,
    "list of lists": [[0], [0]],
    "pair": (1, 2),
    "empty": {},
    "nothing": None,
    "true": True,
    "text of two lines": "a\nb",
    "half a character": "\ud800",
    "long text": "a" * 100_000,
    "class": int,
    "refuses": Refuses(),
}

# What a hurried hand does to a configuration.


def places(value: Any, keys: tuple = ()) -> Iterator[tuple]:
    """Yield the keys that lead to every value of a configuration."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in entries:
        yield (*keys, key)
        if isinstance(entry, dict | list) and len(keys) < 12:
            yield from places(entry, (*keys, key))


def at(config: Any, keys: tuple) -> Any:
    return functools.reduce(lambda value, key: value[key], keys, config)


def anything(draw: random.Random, parent: Any, key: Any, config: Any) -> None:
    parent[key] = draw.choice(list(ANYTHING.values()))


def other_number(draw: random.Random, parent: Any, key: Any, config: Any) -> None:
    value = parent[key] if type(parent[key]) in (int, float) else 1
    factor = draw.choice([-1, 0, 0.5, 1.0, 2, 3, 10, 1e3, 1e-3, 1e12, 10**12, 1e308, 10**308])
    parent[key] = value * factor


def taken_away(draw: random.Random, parent: Any, key: Any, config: Any) -> None:
    del parent[key]


def another_key(draw: random.Random, parent: Any, key: Any, config: Any) -> None:
    if isinstance(parent, dict):
        name = str(key) + draw.choice(["s", "_", " ", "\n", ".x", "'"])
        names = [key, name, str(key)[1:], 1, None, True, (1, 2), "", "a" * 300]
        parent[draw.choice(names)] = parent[key]


def as_text(draw: random.Random, parent: Any, key: Any, config: Any) -> None:
    parent[key] = str(parent[key])


def wrapped(draw: random.Random, parent: Any, key: Any, config: Any) -> None:
    parent[key] = draw.choice([[parent[key]], {key: parent[key]}, (parent[key],)])


def of_elsewhere(draw: random.Random, parent: Any, key: Any, config: Any) -> None:
    parent[key] = at(config, draw.choice(list(places(config))))  # perhaps what lies above: a cycle


def name_of_elsewhere(draw: random.Random, parent: Any, key: Any, config: Any) -> None:
    parent[key] = draw.choice(list(places(config)))[-1]


CHANGES: list[Callable[[random.Random, Any, Any, Any], None]] = [
    anything,
    other_number,
    taken_away,
    another_key,
    as_text,
    wrapped,
    of_elsewhere,
    name_of_elsewhere,
]


def mutated(config: Mapping[str, Any], seed: int) -> Any:
    """Return the configuration with one to three places changed; the same for a seed."""
    draw, changed = random.Random(seed), copy.deepcopy(config)
    for _ in range(draw.choice([1, 1, 2, 3])):
        known = list(places(changed))
        if not known:
            break
        *above, key = draw.choice(known)
        parent = at(changed, tuple(above))
        if isinstance(parent, dict | list):
            draw.choice(CHANGES)(draw, parent, key, changed)
    scales = changed.get("scales")
    if isinstance(scales, dict) and draw.random() < 0.8 and set(config["scales"]) <= set(scales):
        changed["scale"] = draw.choice(list(config["scales"]))
    return changed


def complaint_about(config: Any, schema: Schemas) -> str | None:
    """Return the message that a configuration ends in; None if nothing is wrong with it.

    Raises:
        AssertionError: if the message is not one short line that names a key which is there, or is missing.
    """
    try:
        resolve(config, schema)
    except ConfigError as error:
        message = str(error)
    else:
        return None
    assert message.isprintable() and len(message) < 300, message
    assert message.startswith("config key '"), message
    key = message.removeprefix("config key '").partition("'")[0]
    if "..." not in key and key != "(top level)":
        assert _is_there(config, key), message
    return message


def _is_there(config: Any, path: str) -> bool:
    """Whether the path leads to a value; its last part may be what a file states as the default."""
    value, keys = config, path.split(".")
    for number, key in enumerate(keys):
        try:
            value = value[int(key) if isinstance(value, list | tuple) else key]
        except (KeyError, IndexError, ValueError, TypeError):
            return number >= 3
    return True


def run(config: Mapping[str, Any], schema: Schemas, seed: int, seconds: float) -> int:
    """Try mutations for some time; return how many were wrong, each with a message as it should be.

    Raises:
        AssertionError: for the first that ends in anything else, with its seed.
    """
    count, end = 0, time.monotonic() + seconds
    with mock.patch.object(registry, "read_facts", functools.cache(registry.read_facts)):
        while time.monotonic() < end:
            try:
                count += complaint_about(mutated(config, seed), schema) is not None
            except Exception as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
            seed += 1
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first; each counts one further")
    options = parser.parse_args()
    frame = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    study = yaml.safe_load((ROOT / "config.yaml").read_text())
    wrong = run(study, Schemas(frame), options.seed, options.seconds)
    print(f"{wrong} wrong configurations, each with one message")
