"""The kinds of files that the workflow stores, one typed loader each.

What a file says of itself (task, seed, optimizer, numbers within their bounds) is checked against what it is
opened as, and each error names the file, the entry, what was found and what was expected.

    theta, metadata = load_theta(path, GRUTheta, task="rosenbrock", seed=3)
    family, theta, metadata = load_trained("results/.../rosenbrock/seed_3/theta.npz", GRU, GRUTheta)
    best = load_best(path, "momentum")               seed = load_selection(path, [0, 1, 2])
    curve, trials, summary, ... = load_curve(path), load_trials(path), load_summary(path), ...
"""

import dataclasses
import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from lopt import store
from lopt.entries import Each, ListOf, Number, Optional, Text, brief
from lopt.store import StoreError

__all__ = [
    "checked_family",
    "load_benchmark",
    "load_best",
    "load_claims",
    "load_curve",
    "load_run",
    "load_search_trials",
    "load_selection",
    "load_summary",
    "load_theta",
    "load_trained",
    "load_trials",
    "load_validation",
]

Family = TypeVar("Family")
Theta = TypeVar("Theta", bound=tuple)
COUNT = Number(low=0, integer=True)
SCORE = Number(
    low=0, infinite=True, missing=True
)  # of what diverges there is none, or no finite one
RATE = Number(low=0, above=True)
SHARE = Number(low=0, high=1)

HYPERPARAMETERS = {
    "learning_rate": RATE,
    **dict.fromkeys(("momentum", "decay", "b1", "b2"), Optional(SHARE)),
    "epsilon": Optional(Number(low=0)),
}
"""Bounds of hyperparameters by name; one of another name is any finite number."""

BEST = {
    "optimizer": Text(),
    "hyperparameters": HYPERPARAMETERS,
    "meta_objective": SCORE,
    "trials": Number(low=1, integer=True),
    "diverged_share": SHARE,
}
SELECTION = {
    "selected": COUNT,
    "ranking": Optional(ListOf({"seed": COUNT, "meta_objective": SCORE})),
}
METADATA = {
    "task": Text(),
    "seed": COUNT,
    "optimizer": {},
    "validation_meta_objective": SCORE,
    "meta_step": COUNT,
    "skipped_steps": COUNT,
    "wall_seconds": Optional(Number(low=0)),
    "versions": Optional(Each(Text())),
}
RUN = {"wall_seconds": Number(low=0)}
CURVE = {
    "step": Number(low=1, integer=True),
    "meta_objective": SCORE,
    "validation_meta_objective": SCORE,
    "gradient_norm": SCORE,
    "skipped_steps": COUNT,
}
TRIALS = {
    "learning_rate": RATE,
    "score": SCORE,
    "rung": COUNT,
    "rank": COUNT,
}
SUMMARY = {
    "task": Text(),
    "optimizer": Text(),
    "seed": Number(low=-1, integer=True),
    "problems": Number(low=1, integer=True),
    "diverged": COUNT,
    **dict.fromkeys(("meta_objective", "final_loss"), Number(infinite=True, missing=True)),
    **dict.fromkeys(("meta_objective_se", "final_loss_se"), SCORE),
}
VALIDATION = {
    "optimizer": Text(),
    "quantity": Text(),
    "truth": Number(infinite=True, missing=True),
    "found": Number(infinite=True, missing=True),
    "error": SCORE,
    "tolerance": Number(low=0),
    "verdict": Text(("pass", "fail")),
}
SEARCH_TRIALS = {
    "rung": COUNT,
    "place": COUNT,
    "trial": COUNT,
    "score": SCORE,
    "best_score": SCORE,
    "meta_steps": COUNT,
}


def load_theta(
    path: str | Path,
    kind: type[Theta],
    *,
    task: str | None = None,
    seed: int | None = None,
    optimizer: Mapping[str, Any] | None = None,
) -> tuple[Theta, dict[str, Any]]:
    """Return a trained theta and its metadata, whose entries are those of ``METADATA`` and more.

    Args:
        path: of the file.
        kind: the type of theta.
        task: that it must have been trained on.
        seed: that it must have been trained with.
        optimizer: the arguments that its family must have.

    Raises:
        StoreError: as ``lopt.store.load``, and if it is another one than is asked for.
    """
    asked = {
        "task": task,
        "seed": seed,
        "optimizer": None if optimizer is None else dict(optimizer),
    }
    expect = {name: value for name, value in asked.items() if value is not None}
    return store.load(path, kind, expect=expect, entries=METADATA)


def load_trained(
    path: str | Path, family: type[Family], kind: type[Theta]
) -> tuple[Family, Theta, dict[str, Any]]:
    """Return a trained optimizer's family, theta and metadata.

    Its path says what it must be: ``.../<task>/seed_<n>/theta.npz``, as the workflow lays it out.

    Raises:
        StoreError: as ``load_theta``; if theta is not of the family that the metadata describes.
    """
    place = re.fullmatch(r"seed_(\d+)", Path(path).absolute().parent.name)
    if place is None:
        raise StoreError(f"{path}: expected a path that ends in <task>/seed_<n>/{Path(path).name}")
    task = Path(path).absolute().parent.parent.name
    theta, metadata = load_theta(path, kind, task=task, seed=int(place[1]))
    return checked_family(path, family, theta, metadata), theta, metadata


def checked_family(
    path: str | Path, family: type[Family], theta: tuple, metadata: Mapping[str, Any]
) -> Family:
    """Return the family of a stored theta, built with the arguments in its metadata.

    Raises:
        StoreError: if an argument is missing, unknown or no number, or theta has other shapes.
    """
    kinds = {
        field.name: Number(integer=field.type in (int, "int"))
        for field in dataclasses.fields(family)
        if field.type in (int, float, "int", "float")
    }
    store.require(path, metadata, {"optimizer": kinds})
    try:
        built = family(**metadata["optimizer"])
        built.check(theta)
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreError(f"{path}: {brief(str(error))}") from None
    return built


def load_best(
    path: str | Path, optimizer: str | None = None, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return a tuned optimizer's record: its name, hyperparameters and scores.

    Args:
        path: of the file.
        optimizer: whose it must be.
        names: of the hyperparameters that it must have, these and no others.

    Raises:
        StoreError: if an entry is missing or out of its bounds, or it is not what was asked for.
    """
    best = store.load_json(path, BEST)
    found = best["hyperparameters"]
    store.require(path, found, Each(Number()))
    if optimizer is not None:
        store.require(path, best, {"optimizer": Text((optimizer,))})
    if names is not None and set(found) != set(names):
        raise StoreError(
            f"{path}: has the hyperparameters {', '.join(found)}, expected {', '.join(names)}"
        )
    return best


def load_run(path: str | Path) -> dict[str, Any]:
    """Return what was measured of a training, ``run.json`` beside its theta; nothing if it is not there.

    It is not in theta's metadata, which holds what is determined: a training that was interrupted and
    went on stores the same bytes as one that was not.

    Raises:
        StoreError: as ``lopt.store.load_json``.
    """
    return store.load_json(path, RUN) if Path(path).exists() else {}


def load_selection(path: str | Path, seeds: Collection[int] | None = None) -> int:
    """Return the training seed that the figures show.

    Raises:
        StoreError: if it is no integer, or not one of ``seeds``.
    """
    selected = store.load_json(path, SELECTION)["selected"]
    if seeds is not None and selected not in seeds:
        raise StoreError(f"{path}: selected is {selected}, expected one of {sorted(seeds)}")
    return int(selected)


def load_curve(path: str | Path) -> pd.DataFrame:
    """Return a meta-training curve, whose steps ascend.

    Raises:
        StoreError: as ``lopt.store.load_table``.
    """
    curve = store.load_table(path, CURVE)
    for before, after in itertools.pairwise(curve["step"]):
        if after <= before:
            raise StoreError(
                f"{path}: step {after} follows step {before}, expected ascending steps"
            )
    return curve


def load_trials(path: str | Path, rows: int | None = None) -> pd.DataFrame:
    """Return every trial of a search for a baseline's hyperparameters.

    Raises:
        StoreError: as ``lopt.store.load_table``; if a trial is missing or stands there twice.
    """
    trials = store.load_table(path, TRIALS, rows=rows)
    if trials["rank"].duplicated().any():
        twice = trials["rank"][trials["rank"].duplicated()].iloc[0]
        raise StoreError(f"{path}: two trials have the rank {twice}")
    return trials


def load_summary(path: str | Path) -> pd.DataFrame:
    """Return an evaluation's summary, an optimizer a row.

    Raises:
        StoreError: as ``lopt.store.load_table``.
    """
    return store.load_table(path, SUMMARY)


def load_validation(path: str | Path) -> pd.DataFrame:
    """Return the table of the validation, a known answer a row.

    Raises:
        StoreError: as ``lopt.store.load_table``.
    """
    return store.load_table(path, VALIDATION)


def load_search_trials(path: str | Path) -> pd.DataFrame:
    """Return trials of a search for a recipe of meta-training.

    Raises:
        StoreError: as ``lopt.store.load_table``.
    """
    return store.load_table(path, SEARCH_TRIALS)


def load_claims(path: str | Path) -> pd.DataFrame:
    """Return the table of claims as it was written: texts, and nothing where nothing is known.

    Raises:
        StoreError: as ``lopt.store.load_table``.
    """
    columns = dict.fromkeys(
        store.load_table(path, ("figure", "task", "quantity", "verdict")), Text()
    )
    return store.load_table(path, columns)


def load_benchmark(path: str | Path) -> dict[str, Any]:
    """Return what Snakemake measured of a job: the last row of its benchmark file.

    Raises:
        StoreError: as ``lopt.store.load_table``; if the file has no row.
    """
    table = store.load_table(path, ("s", "cpu_time", "max_rss"), separator="\t")
    if not len(table):
        raise StoreError(f"{path}: has no row")
    return table.iloc[-1].to_dict()
