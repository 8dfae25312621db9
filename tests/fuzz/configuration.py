"""Wrong configurations: whatever is changed, one line says what is wrong, or nothing is."""

import contextlib
import copy
import datetime
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import yaml

from lopt import registry
from lopt.config import ConfigError, resolve
from lopt.config_schema import Schemas

__all__ = ["ANYTHING", "ITSELF", "Refuses", "attempt"]

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SCHEMA = Schemas()

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


class Draw:
    """Choices, also among what NumPy would take apart."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random

    def choice(self, entries: list) -> Any:
        return entries[self.random.integers(len(entries))]


def places(value: Any, keys: tuple = ()) -> Iterator[tuple]:
    """Yield the keys that lead to every value of a configuration."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in entries:
        yield (*keys, key)
        if isinstance(entry, dict | list) and len(keys) < 12:
            yield from places(entry, (*keys, key))


def at(config: Any, keys: tuple) -> Any:
    return functools.reduce(lambda value, key: value[key], keys, config)


def anything(draw: Draw, parent: Any, key: Any, config: Any) -> None:
    parent[key] = draw.choice(list(ANYTHING.values()))


def other_number(draw: Draw, parent: Any, key: Any, config: Any) -> None:
    value = parent[key] if type(parent[key]) in (int, float) else 1
    factor = draw.choice([-1, 0, 0.5, 1.0, 2, 3, 10, 1e3, 1e-3, 1e12, 10**12, 1e308, 10**308])
    with contextlib.suppress(OverflowError):  # an integer that is no float
        parent[key] = value * factor


def taken_away(draw: Draw, parent: Any, key: Any, config: Any) -> None:
    del parent[key]


def another_key(draw: Draw, parent: Any, key: Any, config: Any) -> None:
    if isinstance(parent, dict):
        name = str(key) + draw.choice(["s", "_", " ", "\n", ".x", "'"])
        names = [key, name, str(key)[1:], 1, None, True, (1, 2), "", "a" * 300]
        parent[draw.choice(names)] = parent[key]


def as_text(draw: Draw, parent: Any, key: Any, config: Any) -> None:
    # Of a value as people write one: what refuses, or is without end, has no text.
    with contextlib.suppress(ValueError):  # of an integer of thousands of digits
        if isinstance(parent[key], str | int | float | None):
            parent[key] = str(parent[key])


def wrapped(draw: Draw, parent: Any, key: Any, config: Any) -> None:
    parent[key] = draw.choice([[parent[key]], {key: parent[key]}, (parent[key],)])


def of_elsewhere(draw: Draw, parent: Any, key: Any, config: Any) -> None:
    parent[key] = at(config, draw.choice(list(places(config))))  # perhaps what lies above: a cycle


def name_of_elsewhere(draw: Draw, parent: Any, key: Any, config: Any) -> None:
    parent[key] = draw.choice(list(places(config)))[-1]


CHANGES: list[Callable[[Draw, Any, Any, Any], None]] = [
    anything,
    other_number,
    taken_away,
    another_key,
    as_text,
    wrapped,
    of_elsewhere,
    name_of_elsewhere,
]


def attempt(random: np.random.Generator, folder: Path) -> None:
    """Change config.yaml at one to three places and resolve it at one of its scales."""
    draw, changed = Draw(random), copy.deepcopy(CONFIG)
    for _ in range(draw.choice([1, 1, 2, 3])):
        known = list(places(changed))
        *above, key = draw.choice(known)
        parent = at(changed, tuple(above))
        if isinstance(parent, dict | list):
            draw.choice(CHANGES)(draw, parent, key, changed)
    if draw.choice([True, True, True, False]):
        changed["scale"] = draw.choice(list(CONFIG["scales"]))
    # Tasks, families and baselines stay what they are meanwhile: their files are read once.
    with mock.patch.object(registry, "read_facts", READ_FACTS):
        try:
            resolve(changed, SCHEMA)
        except ConfigError as error:
            check_message(str(error), changed)


READ_FACTS = functools.cache(registry.read_facts)


def check_message(message: str, config: Any) -> None:
    """It is one short line that names a key of the configuration, or one that is missing."""
    assert message.isprintable() and len(message) < 300, message
    assert message.startswith("config key '"), message
    key = message.removeprefix("config key '").partition("'")[0]
    if "..." not in key and key != "(top level)":
        assert is_there(config, key), message


def is_there(config: Any, path: str) -> bool:
    """Whether the path leads to a value; its last part may be what a file states as the default."""
    value, keys = config, path.split(".")
    for number, key in enumerate(keys):
        try:
            value = value[int(key) if isinstance(value, list | tuple) else key]
        except (KeyError, IndexError, ValueError, TypeError):
            return number >= 3
    return True
