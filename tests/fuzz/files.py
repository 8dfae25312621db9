"""Damaged and wrong files: refused by name, or read as they were stored."""

import copy
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from lopt.records import store, stored, tables
from lopt.records.store import StoreError


class Theta(NamedTuple):
    """Stands for a trained optimizer, without JAX."""

    initial_state: Float[np.ndarray, " units"]
    weights: Float[np.ndarray, "units units"]


NUMBERS = np.linspace(-1.0, 1.0, 12).astype(np.float32)
FACTS = {"task": "rosenbrock", "seed": 3, "optimizer": {"units": 3}}
FACTS |= {"validation_meta_objective": 0.25, "meta_step": 10, "skipped_steps": 0}
BEST = {
    "optimizer": "adam",
    "hyperparameters": {"learning_rate": 0.1, "b1": 0.9, "b2": 0.99, "epsilon": 1e-8},
    "meta_objective": 0.25,
    "trials": 8,
    "diverged_share": 0.125,
}
SELECTION = {"selected": 1, "ranking": [{"seed": 1, "meta_objective": 0.1}]}
ROWS = np.arange(1, 9)
CURVE = pd.DataFrame(
    {
        "step": 10 * ROWS,
        "meta_objective": 0.5 / ROWS,
        "validation_meta_objective": np.where(ROWS % 2, np.nan, 0.6 / ROWS),
        "gradient_norm": np.where(ROWS == 3, np.inf, 1.0),
        "skipped_steps": 0,
    }
)
TRIALS = pd.DataFrame(
    {
        "learning_rate": 0.1 * ROWS,
        "momentum": 0.1 * ROWS,
        "score": 0.5 / ROWS,
        "rung": ROWS % 2,
        "rank": ROWS[::-1],
    }
)
CLAIMS = pd.DataFrame(
    {
        "figure": ["1", "S"],
        "task": "two_moons",
        "quantity": ["loss", 'a "b", c'],
        "verdict": "agrees",
    }
)
VALIDATION = pd.DataFrame(
    [["momentum", "eigenvalue", 0.9, 0.9, 0.0, 1e-12, "pass"]], columns=list(stored.VALIDATION)
)


def _theta(path: Path) -> Any:
    facts = {"task": "rosenbrock", "seed": 3, "optimizer": {"units": 3}}
    found, facts = store.load(path, Theta, expect=facts, entries=stored.TRAINED)
    return [array.tolist() for array in found], facts["meta_step"]


def _cells(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, float_format="%.9g")


# By name of the file: how it is stored, and what reading it gives.
KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "theta.npz": (
        lambda path: store.save(path, Theta(NUMBERS[:3], NUMBERS[3:].reshape(3, 3)), FACTS),
        _theta,
    ),
    "best.json": (
        lambda path: store.save_json(path, BEST),
        lambda path: stored.load_best(path, "adam"),
    ),
    "selection.json": (
        lambda path: store.save_json(path, SELECTION),
        lambda path: stored.load_selection(path, [0, 1, 2]),
    ),
    "curve.csv": (
        lambda path: store.save_table(path, CURVE),
        lambda path: _cells(stored.load_curve(path)),
    ),
    "trials.csv": (
        lambda path: store.save_table(path, TRIALS),
        lambda path: _cells(stored.load_trials(path, "momentum", rows=8)),
    ),
    "claims.csv": (
        lambda path: store.save_table(path, CLAIMS),
        lambda path: _cells(stored.load_claims(path)),
    ),
    "validation.csv": (
        lambda path: store.save_table(path, VALIDATION),
        lambda path: _cells(stored.load_validation(path)),
    ),
}
SUMLESS = (
    "best.json",
    "selection.json",
)  # nothing beside them notices a digit that is another digit
VALUES = [
    *(None, True, False, 0, -1, 1.5, 10**30, 10**400, math.nan, math.inf, -math.inf, 1e308),
    *("", "0", "adam", "é\x00", [], [1], {}, {"a": 1}, [[]], "9" * 5000),
]


def attempt(random: np.random.Generator, folder: Path) -> None:
    """Store one file, damage it or put another in its place, and read it."""
    name = str(random.choice(list(KINDS)))
    save, load = KINDS[name]
    path = folder / name
    save(path)
    truth = load(path)
    same = _damage(random, path)
    try:
        found = load(path)
    except StoreError as error:
        assert str(path) in str(error), f"the file is not named: {error}"
        assert len(str(error)) < 2000, "the message repeats the file"
        return
    if same:
        assert found == truth, f"another value was read: {found}"


def _damage(random: np.random.Generator, path: Path) -> bool:
    """Change the file; return whether it can only be read as what was stored."""
    content = path.read_bytes()
    if path.suffix == ".csv" and random.random() < 0.3:
        tables.checksum_path(
            path
        ).unlink()  # copied without it: then values may pass that were changed
    kind = random.integers(6)
    if kind == 0:
        flipped = bytearray(content)
        for _ in range(random.integers(1, 9)):
            flipped[random.integers(len(flipped))] ^= 1 << random.integers(8)
        path.write_bytes(bytes(flipped))
    elif kind == 1:
        path.write_bytes(content[: random.integers(len(content))])
    elif kind == 2:
        begin, end = sorted(random.integers(len(content) + 1, size=2))
        middle = [b"", content[begin:end] * 2, bytes(end - begin), random.bytes(end - begin)]
        path.write_bytes(content[:begin] + middle[random.integers(4)] + content[end:])
    elif kind == 3:
        other = str(random.choice(sorted(KINDS)))
        KINDS[other][0](path.with_name(f"other-{other}"))
        path.write_bytes(path.with_name(f"other-{other}").read_bytes())
    elif kind == 4:
        path.write_bytes(random.bytes(random.integers(500)))
    else:
        _change_an_entry(random, path)
        return False
    # Where nothing notices a changed digit, a readable file may hold another number.
    return path.name not in SUMLESS and (
        path.suffix != ".csv" or tables.checksum_path(path).exists()
    )


def _change_an_entry(random: np.random.Generator, path: Path) -> None:
    """Replace, drop or add an entry, as a person or another program would."""
    if path.suffix == ".csv":
        table = pd.read_csv(path, dtype=object)
        column = str(random.choice(list(table)))
        value = VALUES[random.integers(len(VALUES))]
        table.loc[int(random.integers(len(table))), column] = str(value)
        changed = table if random.random() < 0.7 else table.drop(columns=column)
        path.write_text(changed.to_csv(index=False))
    elif path.suffix == ".json":
        path.write_text(json.dumps(_changed(random, json.loads(path.read_text()))))
    else:
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if random.random() < 0.6:
            facts = _changed(random, json.loads(str(arrays["metadata"])))
            arrays["metadata"] = np.array(json.dumps(facts))
        else:
            name = str(random.choice(list(arrays)))
            made = [
                np.zeros((2, 2)),
                np.array("text"),
                np.zeros(0),
                np.arange(3),
                np.full(3, 1 + 2j),
            ]
            arrays[name] = made[random.integers(len(made))]
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        path.write_bytes(buffer.getvalue())


def _changed(random: np.random.Generator, value: Any) -> Any:
    value = copy.deepcopy(value)
    here = value
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = keys[random.integers(len(keys))]
        if isinstance(here[key], (dict, list)) and here[key] and random.random() < 0.7:
            here = here[key]
            continue
        if random.random() < 0.2:
            del here[key]
        else:
            here[key] = VALUES[random.integers(len(VALUES))]
        return value
