"""Typed files: what a file says of itself is what it is opened as, within bounds, or the file is named."""

import copy
import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest

from lopt.learned.gru import GRU, GRUTheta
from lopt.learned.stored import load_optimizer
from lopt.records import layout, store, stored, tables
from lopt.records.entries import ListOf, Number, Text, complaint
from lopt.records.store import StoreError

BEST = {
    "optimizer": "momentum",
    "hyperparameters": {"learning_rate": 0.5, "momentum": 0.9},
    "meta_objective": 0.04,
    "trials": 20,
    "diverged_share": 0.1,
}


def changed(value, place, new):
    """A copy of ``value`` in which the entry at ``place`` (names with dots) is ``new``, or gone."""
    value = copy.deepcopy(value)
    *way, last = place.split(".")
    here = value
    for name in way:
        here = here[name]
    if new is ...:
        del here[last]
    else:
        here[last] = new
    return value


def refused(load, path, *parts):
    with pytest.raises(StoreError) as caught:
        load()
    for part in (str(path), *parts):
        assert part in str(caught.value)


# A tuned optimizer.


@pytest.mark.parametrize(
    ("place", "new", "expected"),
    [
        (
            "hyperparameters.learning_rate",
            float("nan"),
            "learning_rate is nan, expected a number above",
        ),
        ("hyperparameters.learning_rate", -1.0, "learning_rate is -1.0, expected a number above 0"),
        ("hyperparameters.learning_rate", 0, "learning_rate is 0, expected a number above 0"),
        ("hyperparameters.learning_rate", True, "learning_rate is true, expected a number"),
        ("hyperparameters.learning_rate", "0.5", "learning_rate is '0.5', expected a number"),
        ("hyperparameters.learning_rate", 10**400, "more than 64 bits"),
        (
            "hyperparameters.momentum",
            1.0,
            "momentum is 1.0, expected a number of at least 0 and below",
        ),
        ("hyperparameters.momentum", 5.0, "momentum is 5.0, expected a number of at least 0"),
        ("hyperparameters.other", None, "other is null, expected a number"),
        (
            "hyperparameters.other",
            0.5,
            "learning_rate, momentum, other, expected learning_rate, mom",
        ),
        ("hyperparameters", [0.5], "hyperparameters is a list, expected entries by name"),
        ("hyperparameters.learning_rate", ..., "lacks 'learning_rate'"),
        ("hyperparameters.momentum", ..., "hyperparameters lacks 'momentum'"),
        ("optimizer", "adam", "optimizer is 'adam', expected one of momentum"),
        ("optimizer", ..., "lacks 'optimizer'"),
        ("meta_objective", "small", "meta_objective is 'small', expected a number"),
        ("meta_objective", ..., "lacks 'meta_objective'"),
        ("trials", 2.5, "trials is 2.5, expected an integer"),
        ("diverged_share", 7, "diverged_share is 7"),
    ],
)
def test_a_wrong_entry_of_a_tuned_optimizer(tmp_path, place, new, expected):
    path = tmp_path / "best.json"
    store.save_json(path, BEST)
    assert stored.load_best(path, "momentum") == BEST
    store.save_json(path, changed(BEST, place, new))
    refused(lambda: stored.load_best(path, "momentum"), path, expected)


def test_hyperparameters_of_no_baseline_are_any_numbers(tmp_path):
    path = tmp_path / "best.json"
    mine = BEST | {"optimizer": "mine", "hyperparameters": {"rate": -3.0}}
    store.save_json(path, mine)
    assert stored.load_best(path, "mine") == mine
    store.save_json(path, changed(mine, "hyperparameters.rate", float("inf")))
    refused(lambda: stored.load_best(path), path, "hyperparameters.rate is inf, expected a number")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "null",
        "[" * 100_000,
        '{"optimizer": 1' + "0" * 5000 + "}",
        "\x00",
        '{"a": 1, "a": 2}',
    ],
)
def test_what_is_no_record_at_all(tmp_path, text):
    path = tmp_path / "best.json"
    path.write_text(text)
    refused(lambda: stored.load_best(path), path)


def test_a_selection_is_one_of_the_seeds(tmp_path):
    path = tmp_path / "selection.json"
    store.save_json(path, {"selected": 1, "ranking": [{"seed": 1, "meta_objective": float("nan")}]})
    assert stored.load_selection(path, [0, 1]) == 1
    refused(
        lambda: stored.load_selection(path, [0, 2]), path, "selected is 1, expected one of [0, 2]"
    )
    for wrong in (True, "0", -1, 1.5, None, [1]):
        store.save_json(path, {"selected": wrong})
        refused(lambda: stored.load_selection(path), path, "selected is", "expected an integer")


# A trained one.


@pytest.fixture
def trained(tmp_path):
    path = tmp_path / "meta_training/rosenbrock/seed_3/theta.npz"
    random = np.random.default_rng(0)
    theta = GRUTheta(
        *(np.asarray(random.normal(size=shape), np.float32) for shape in [2, 6, (2, 6), 6, 2, ()])
    )
    facts = {
        "task": "rosenbrock",
        "seed": 3,
        "optimizer": {"family": "gru"} | dataclasses.asdict(GRU(2)),
    }
    facts |= {"validation_meta_objective": 0.5, "meta_step": 10, "skipped_steps": 0}
    store.save(path, theta, facts)
    return path, theta, facts


def load(path):
    """The optimizer that a path says it is."""
    return load_optimizer(path, **layout.identify(path))


def test_a_trained_optimizer_is_the_one_at_its_path(trained):
    path, theta, facts = trained
    family, found, metadata = load(path)
    assert family == GRU(2) and metadata["seed"] == 3
    np.testing.assert_array_equal(found.biases, theta.biases)
    assert load_optimizer(path)[0] == GRU(2)
    assert stored.load_training(path, "rosenbrock", 3).items() >= facts.items()
    for place, expected in (
        ("rosenbrock/seed_4", "its seed is 3, expected 4"),
        ("two_moons/seed_3", 'its task is "rosenbrock", expected "two_moons"'),
        (
            "rosenbrock/elsewhere",
            "expected a path that ends in meta_training/{task}/seed_{seed}/th",
        ),
    ):
        other = path.parents[2] / place / "theta.npz"
        other.parent.mkdir(parents=True)
        other.write_bytes(path.read_bytes())
        refused(lambda other=other: load(other), other, expected)
        keys = {"task": "rosenbrock", "seed": 4} if place.endswith("4") else None
        if keys:
            refused(lambda other=other, keys=keys: stored.load_training(other, **keys), expected)


def test_an_array_that_is_damaged_is_noticed_with_the_metadata(trained):
    path, theta, _ = trained
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(theta.biases.tobytes())] ^= 1
    path.write_bytes(bytes(damaged))
    refused(lambda: stored.load_training(path, "rosenbrock", 3), path, "damaged")


@pytest.mark.parametrize(
    ("place", "new", "expected"),
    [
        ("task", ..., "lacks 'task'"),
        ("seed", ..., "lacks 'seed'"),
        ("seed", "3", "seed is '3', expected an integer"),
        ("seed", True, "seed is true, expected an integer"),
        ("optimizer", ..., "lacks 'optimizer'"),
        ("validation_meta_objective", ..., "lacks 'validation_meta_objective'"),
        (
            "validation_meta_objective",
            "low",
            "validation_meta_objective is 'low', expected a number",
        ),
        ("meta_step", 1.5, "meta_step is 1.5, expected an integer"),
        ("optimizer", 7, "optimizer is 7, expected entries by name"),
        ("optimizer.units", 4, "theta.initial_state has shape (2,), but the GRU of 4 units"),
        ("optimizer.units", "2", 'units: "2" should be a whole number'),
        ("optimizer.units", 10**30, "units"),
        ("optimizer.family", 7, "optimizer.family is 7, expected a text"),
        ("optimizer.family", "ugrnn", "GRUTheta"),
        ("optimizer.input_scale", float("nan"), "input_scale: NaN should be a finite number"),
        ("optimizer.output_scale", ..., "optimizer lacks 'output_scale'"),
        ("optimizer.gate", 1, "gate"),
    ],
)
def test_wrong_metadata_of_a_trained_optimizer(trained, place, new, expected):
    path, theta, facts = trained
    store.save(path, theta, changed(facts, place, new))
    refused(lambda: load(path), path, expected)


def test_another_optimizer_than_is_asked_for(trained):
    path, _, facts = trained
    asked = {"optimizer": facts["optimizer"] | {"input_scale": 2.0}}
    refused(lambda: store.load(path, GRUTheta, expect=asked), path, "its optimizer is")
    refused(lambda: store.load_metadata(path, expect={"seed": True}), path, "its seed is 3")


def test_what_was_measured_of_a_training(tmp_path):
    path = tmp_path / "run.json"
    assert stored.load_run(path) == {}
    store.save_json(path, {"wall_seconds": 1.5})
    assert stored.load_run(path) == {"wall_seconds": 1.5}
    store.save_json(path, {"wall_seconds": -1.5})
    refused(lambda: stored.load_run(path), path, "wall_seconds")


# Tables.

CURVE = pd.DataFrame(
    {
        "step": np.arange(10, 110, 10),
        "meta_objective": np.linspace(0.5, 0.1, 10),
        "validation_meta_objective": [np.nan, 0.4] * 5,
        "gradient_norm": [np.inf, *np.ones(9)],
        "skipped_steps": 0,
    }
)
TRIALS = pd.DataFrame(
    {
        "trial": range(6),
        "learning_rate": np.logspace(-3, 0, 6),
        "momentum": np.linspace(0.0, 0.9, 6),
        "score": [0.5, 0.2, np.inf, 0.1, 0.3, np.nan],
        "rung": [0, 1, 0, 1, 1, 0],
        "rank": [4, 2, 5, 1, 3, 6],
    }
)
TABLES = {
    "curve": (CURVE, stored.load_curve),
    "trials": (TRIALS, lambda path: stored.load_trials(path, "momentum")),
}


@pytest.fixture(params=TABLES)
def table(request, tmp_path):
    table, load = TABLES[request.param]
    path = tmp_path / f"{request.param}.csv"
    store.save_table(path, table)
    return table, load, path


def test_a_table_comes_back(table):
    truth, load, path = table
    found = load(path)
    pd.testing.assert_frame_equal(found, truth, check_dtype=False, rtol=1e-8)
    pd.testing.assert_frame_equal(pd.read_csv(path), truth, check_dtype=False, rtol=1e-8)


def test_a_part_of_a_table_is_not_taken_for_the_whole(table):
    """Cut at any byte, any line lost or doubled, any bit flipped."""
    _, load, path = table
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    parts = [whole[:length] for length in range(len(whole))]
    parts += [b"".join(lines[:row] + lines[row + 1 :]) for row in range(len(lines))]
    parts += [b"".join(lines[:row] + lines[row - 1 :]) for row in range(1, len(lines))]
    for position in range(0, len(whole), 3):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        parts.append(bytes(flipped))
    for part in parts:
        path.write_bytes(part)
        refused(lambda: load(path), path)
    path.write_bytes(whole)
    load(path)


def test_a_table_without_its_checksum_is_checked_as_far_as_it_can_be(table):
    """Made by hand, or copied without it: kinds, bounds, whole lines and the number of rows."""
    _, load, path = table
    whole = path.read_bytes()
    tables.checksum_path(path).unlink()
    load(path)
    for length in range(len(whole) - len(whole.splitlines()[-1]), len(whole)):
        path.write_bytes(whole[:length])
        refused(lambda: load(path), path)
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    columns = list(load(path))
    refused(lambda: store.load_table(path, columns, rows=10), path, "has 3 rows, expected 10")


@pytest.mark.parametrize(
    ("name", "column", "cell", "expected"),
    [
        ("curve", "step", "ten", "line 4: step is 'ten', expected an integer of at least 1"),
        ("curve", "step", "1.5", "line 4: step is '1.5', expected an integer"),
        ("curve", "step", "5", "step 5 follows step 20"),
        ("curve", "meta_objective", "0.3x", "line 4: meta_objective is '0.3x', expected a number"),
        ("curve", "meta_objective", "1_0", "meta_objective is '1_0'"),
        ("curve", "skipped_steps", "", "skipped_steps is '', expected an integer"),
        ("trials", "learning_rate", "-1", "learning_rate is '-1', expected a number above 0"),
        ("trials", "learning_rate", "nan", "learning_rate is 'nan'"),
        ("trials", "momentum", "1", "momentum is '1', expected a number of at least 0 and below 1"),
        ("trials", "rank", "4", "two trials have the rank 4"),
    ],
)
def test_a_wrong_cell_is_named_with_its_line(tmp_path, name, column, cell, expected):
    table, load = TABLES[name]
    path = tmp_path / "table.csv"
    store.save_table(path, table)
    lines = [line.split(",") for line in path.read_text().splitlines()]
    lines[3][lines[0].index(column)] = cell
    path.write_text("\n".join(map(",".join, lines)) + "\n")
    tables.checksum_path(path).unlink()
    refused(lambda: load(path), path, expected)


OWN = {"task": "rosenbrock", "home": "rosenbrock", "variant": "gru_32", "rung": 1, "place": 2}


def stored_as(path, columns, rows=1, **own):
    """Store a table that has what its columns ask for, and says of itself what it is of."""
    cells = {}
    for name, kind in columns.items():
        choices = kind.choices if isinstance(kind, Text) else (max(kind.low, 0.0),)
        cells[name] = [choices[0] if choices else "any"] * rows
    own = {name: value for name, value in own.items() if name in columns or name == "place"}
    store.save_table(path, pd.DataFrame(cells | own))


@pytest.mark.parametrize(
    ("columns", "load", "asked"),
    [
        (stored.INTERVENTIONS, stored.load_interventions, ["task"]),
        (stored.DISTILLED, stored.load_distilled, ["task"]),
        (stored.CENSUS_MEASURED, stored.load_census_measured, ["task", "variant"]),
        (
            stored.SEARCH_TRIALS | {"task": Text()},
            stored.load_search_trials,
            ["task", "rung", "place"],
        ),
        (
            stored.TRANSFER_RUNS,
            lambda path, home: stored.load_transfer_runs([path], home),
            ["home"],
        ),
    ],
)
def test_a_table_of_something_else_is_refused(tmp_path, columns, load, asked):
    path = tmp_path / "table.csv"
    own = {name: OWN[name] for name in asked}
    stored_as(path, columns, **OWN)
    assert len(load(path, **own)) == 1
    for name, value in own.items():
        other = 3 if isinstance(value, int) else "other"
        refused(lambda name=name, other=other: load(path, **own | {name: other}), path, name)


def test_a_part_of_the_runs_away_from_home_that_is_there_twice_is_refused(tmp_path):
    paths = [tmp_path / f"transfer_part_{part}.csv" for part in range(2)]
    stored_as(paths[0], stored.TRANSFER_RUNS, rows=2, home="mine", order=[0, 2])
    stored_as(paths[1], stored.TRANSFER_RUNS, rows=1, home="mine", order=[1])
    runs = stored.load_transfer_runs(paths, "mine")
    assert runs["order"].tolist() == [0, 1, 2]
    for missing_or_twice in (paths[:1], [paths[0], paths[0]], paths[1:]):
        refused(
            lambda given=missing_or_twice: stored.load_transfer_runs(given, "mine"),
            missing_or_twice[0],
            "each run once",
        )


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\xff\xfe\x00", b"a,a\n1,2\n", b'a,b\n1,"2\n', b"a\x00"]
)
def test_what_is_no_table(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    refused(lambda: store.load_table(path), path)


def test_claims_come_back_as_texts(tmp_path):
    path = tmp_path / "claims.csv"
    claims = pd.DataFrame(
        [["1", "rosenbrock", "loss # of 3", "< 0.10", "agrees", ""]],
        columns=["figure", "task", "quantity", "published", "verdict", "seed"],
    )
    store.save_table(path, claims)
    assert stored.load_claims(path).to_numpy().tolist() == claims.to_numpy().tolist()
    path.write_text(path.read_text().replace("agrees", "differs"))
    refused(lambda: stored.load_claims(path), path, "was cut off or changed")


def test_a_benchmark_is_its_last_row(tmp_path):
    path = tmp_path / "job.tsv"
    path.write_text("s\tcpu_time\tmax_rss\n1.0\t0.5\tNA\n2.0\t1.5\t300\n")
    assert stored.load_benchmark(path)["s"] == 2.0
    path.write_text("s\tcpu_time\tmax_rss\n")
    refused(lambda: stored.load_benchmark(path), path, "has no row")
    path.write_text("s\tcpu_time\n1\t2\n")
    refused(lambda: stored.load_benchmark(path), path, "max_rss")
    path.write_text("s\tmax_rss\n2.0\tNA\n")
    assert stored.load_benchmark(path)["s"] == 2.0
    path.write_text("s\tmax_rss\n2.0\t1e400\n")
    refused(lambda: stored.load_benchmark(path), path, "max_rss is inf, expected a number of at")
    path.write_text("s\tmax_rss\n-2.0\t300\n")
    refused(lambda: stored.load_benchmark(path), path, "s is -2.0")
    path.write_text("")
    refused(lambda: stored.load_benchmark(path), path, "delete it")


def test_a_complaint_says_where():
    kind = {"ranking": ListOf({"seed": Number(integer=True), "name": Text()})}
    assert complaint({"ranking": [{"seed": 1, "name": "a"}]}, kind) is None
    wrong = {"ranking": [{"seed": 1, "name": "a"}, {"seed": 2, "name": 3}]}
    assert complaint(wrong, kind) == "ranking[1].name is 3, expected a text"
    assert complaint({"ranking": "ab"}, kind) == "ranking is 'ab', expected a list"
    assert "..." in complaint(json.dumps([0] * 99), Number())
    assert re.search("between|at least 0 and of at most 1", complaint(2, Number(0, 1)))
