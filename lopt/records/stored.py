"""The kinds of files that the workflow stores, one typed loader each.

What a file says of itself (task, seed, optimizer, numbers within their bounds) is checked against what it is
opened as, and each error names the file, the entry, what was found and what was expected.

    metadata = load_training("results/.../theta.npz", task="rosenbrock", seed=3)
    best = load_best(path, "momentum")               seed = load_selection(path, [0, 1, 2])
    curve, trials, summary, ... = load_curve(path), load_trials(path), load_summary(path), ...

Trained optimizers themselves are loaded by ``lopt.learned.stored``, which knows the families.
"""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lopt.extensions import BASELINES
from lopt.facts import hyperparameters
from lopt.parameters import Field
from lopt.records import store
from lopt.records.census import ANSWERS
from lopt.records.entries import Each, ListOf, Number, Optional, Text, brief
from lopt.records.store import StoreError

__all__ = [
    "CENSUS",
    "CENSUS_MEASURED",
    "OPTIMIZER",
    "TRAINED",
    "hyperparameter_kinds",
    "load_benchmark",
    "load_best",
    "load_census",
    "load_census_measured",
    "load_claims",
    "load_curve",
    "load_distilled",
    "load_interventions",
    "load_run",
    "load_search_trials",
    "load_selection",
    "load_summary",
    "load_training",
    "load_transfer",
    "load_transfer_runs",
    "load_trials",
    "load_validation",
]

COUNT = Number(low=0, integer=True)
# Of what diverges there is no score, or no finite one.
SCORE = Number(low=0, infinite=True, missing=True)
SHARE = Number(low=0, high=1)

BEST = {
    "optimizer": Text(),
    "hyperparameters": {},
    "meta_objective": SCORE,
    "trials": Number(low=1, integer=True),
    "diverged_share": SHARE,
}
SELECTION = {
    "selected": COUNT,
    "ranking": Optional(ListOf({"seed": COUNT, "meta_objective": SCORE})),
}
TRAINED = {
    "task": Text(),
    "seed": COUNT,
    "optimizer": {},
    "validation_meta_objective": SCORE,
    "meta_step": COUNT,
    "skipped_steps": COUNT,
    "gradients": Optional(dict.fromkeys(("smallest", "median", "largest"), Number(low=0))),
    "wall_seconds": Optional(Number(low=0)),
    "versions": Optional(Each(Text())),
    "start": Optional({"file": Text(), "sha256": Text(), "meta_step": COUNT, "optimizer": {}}),
}
"""Metadata of an optimizer that the workflow has trained; ``gradients`` are the sizes that it met
(``lopt.meta_training.outcome``), ``start`` is what it began with (``lopt.meta_training.run``)."""

OPTIMIZER = {
    name: kind if name == "optimizer" or isinstance(kind, Optional) else Optional(kind)
    for name, kind in TRAINED.items()
}
"""Metadata of any optimizer: what else it says of itself may be missing, not wrong."""

RUN = {"wall_seconds": Optional(Number(low=0))}
CURVE = {
    "step": Number(low=1, integer=True),
    "meta_objective": SCORE,
    "validation_meta_objective": SCORE,
    "gradient_norm": SCORE,
    "skipped_steps": COUNT,
}
TRIALS = {
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
ANY = Number(infinite=True, missing=True)
INTERVENTIONS = {
    "task": Text(),
    "optimizer": Text(),
    "seed": COUNT,
    "kind": Text(("intact", "intervention", "modes", "baseline")),
    "modes": Number(low=-1, integer=True),
    "problems": Number(low=1, integer=True),
    "diverged": COUNT,
    "broken": COUNT,
    **dict.fromkeys(("meta_objective", "final_loss", "difference", "cost", "median_ratio"), ANY),
    **dict.fromkeys(("meta_objective_se", "difference_se", "cost_se"), SCORE),
}
DISTILLED = {
    "task": Text(),
    "seed": COUNT,
    "numbers": Text(("read off", "tuned")),
    "problems": Number(low=1, integer=True),
    "diverged": COUNT,
    "meta_objective": ANY,
    "learned": ANY,
    "baseline": Text(),
    "share": ANY,
    "share_se": SCORE,
}
TRANSFER = {
    **dict.fromkeys(("home", "optimizer", "condition", "value", "task"), Text()),
    "problems": Number(low=1, integer=True),
    "diverged": COUNT,
    "failing": Number(low=0, high=1),
    **dict.fromkeys(("meta_objective", "median_meta_objective"), ANY),
    **dict.fromkeys(("predicted", "failed"), Text(("yes", "no"))),
}
TRANSFER_RUNS = TRANSFER | {"order": COUNT}
CENSUS_KIND = dict.fromkeys(("task", "variant", "family", "size"), Text())
CENSUS = {
    **CENSUS_KIND,
    **dict.fromkeys(("statement", "question"), Text()),
    "optimizers": Number(low=1, integer=True),
    **dict.fromkeys(ANSWERS, COUNT),
    **dict.fromkeys(("share", "low", "high"), ANY),
    **dict.fromkeys(("published", "criterion", "sense"), Text()),
    "threshold": ANY,
}
"""Columns of a census's shares, a statement and a kind of optimizer a row."""
CENSUS_MEASURED = {
    **CENSUS_KIND,
    "recipe": Text(),
    "seed": COUNT,
    "meta_objective": ANY,
    "kind": Text(("statement", "number")),
    "name": Text(),
    "at": ANY,
    "measured": ANY,
    "answer": Text(("", *ANSWERS)),
}
"""Columns of what is measured of every optimizer of a census, one thing a row."""
SEARCH_TRIALS = {
    "rung": COUNT,
    "place": COUNT,
    "trial": COUNT,
    "score": SCORE,
    "best_score": SCORE,
    "meta_steps": COUNT,
}


BENCHMARK = {"s": Number(low=0, missing=True), "max_rss": Number(low=0, missing=True)}


def load_training(path: str | Path, task: str, seed: int) -> dict[str, Any]:
    """Return what a trained optimizer's file says of its training, whichever family it is of.

    Raises:
        StoreError: as ``store.load_metadata``, and if it is another task's or seed's.
    """
    return store.load_metadata(path, expect={"task": task, "seed": seed}, entries=TRAINED)


def load_best(path: str | Path, optimizer: str | None = None) -> dict[str, Any]:
    """Return a tuned optimizer's record: its name, hyperparameters and scores.

    The hyperparameters are those of its baseline (``lopt.extensions``), these and no others, within the
    bounds that the baseline's file states.

    Args:
        path: of the file.
        optimizer: whose it must be.

    Raises:
        StoreError: if an entry is missing or out of its bounds, or it is not what was asked for.
    """
    best = store.load_json(path, BEST)
    if optimizer is not None:
        store.require(path, best, {"optimizer": Text((optimizer,))})
    found, kinds = best["hyperparameters"], hyperparameter_kinds(best["optimizer"])
    for kind in (kinds, Each(Number())):
        store.require(path, best, {"hyperparameters": kind})
    if kinds and set(found) != set(kinds):
        raise StoreError(
            f"{path}: has the hyperparameters {', '.join(found)}, expected {', '.join(kinds)}"
        )
    return best


def hyperparameter_kinds(optimizer: str | None) -> dict[str, Number]:
    """Return what a baseline's file says of its hyperparameters; nothing of what is no baseline.

    >>> {name: str(kind) for name, kind in hyperparameter_kinds("momentum").items()}
    {'learning_rate': 'a number above 0', 'momentum': 'a number of at least 0 and below 1'}
    """
    if optimizer not in BASELINES.names():
        return {}
    return {
        name: _number(field) for name, field in hyperparameters(BASELINES.facts(optimizer)).items()
    }


def _number(field: Field) -> Number:
    bounds = field.bounds
    lows = [low for low in (bounds.minimum, bounds.exclusive_minimum) if low is not None]
    highs = [high for high in (bounds.maximum, bounds.exclusive_maximum) if high is not None]
    return Number(
        low=max(lows, default=-math.inf),
        high=min(highs, default=math.inf),
        above=bounds.exclusive_minimum is not None,
        below=bounds.exclusive_maximum is not None,
        integer=field.kind == "int",
    )


def load_run(path: str | Path) -> dict[str, Any]:
    """Return what was measured of a training, ``run.json`` beside its theta; nothing if it is not there.

    It is not in theta's metadata, which holds what is determined: a training that was interrupted and
    went on stores the same bytes as one that was not.

    Raises:
        StoreError: as ``lopt.records.store.load_json``.
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
        StoreError: as ``lopt.records.store.load_table``.
    """
    curve = store.load_table(path, CURVE)
    for before, after in itertools.pairwise(curve["step"]):
        if after <= before:
            raise StoreError(
                f"{path}: step {after} follows step {before}, expected ascending steps"
            )
    return curve


def load_trials(
    path: str | Path, optimizer: str | None = None, rows: int | None = None
) -> pd.DataFrame:
    """Return every trial of a search for a baseline's hyperparameters.

    Args:
        path: of the file.
        optimizer: the baseline, whose hyperparameters are columns.
        rows: how many trials there must be, where that is known.

    Raises:
        StoreError: as ``lopt.records.store.load_table``; if a trial is missing or stands there twice.
    """
    trials = store.load_table(path, TRIALS | hyperparameter_kinds(optimizer), rows=rows)
    if trials["rank"].duplicated().any():
        twice = trials["rank"][trials["rank"].duplicated()].iloc[0]
        raise StoreError(f"{path}: two trials have the rank {twice}")
    return trials


def load_summary(path: str | Path) -> pd.DataFrame:
    """Return an evaluation's summary, an optimizer a row.

    Raises:
        StoreError: as ``lopt.records.store.load_table``.
    """
    return store.load_table(path, SUMMARY)


def load_validation(path: str | Path) -> pd.DataFrame:
    """Return the table of the validation, a known answer a row.

    Raises:
        StoreError: as ``lopt.records.store.load_table``.
    """
    return store.load_table(path, VALIDATION)


def load_interventions(path: str | Path, task: str | None = None) -> pd.DataFrame:
    """Return what interventions cost, one on an optimizer a row, and the baselines beside them.

    Args:
        path: of the file.
        task: that it must be of.

    Raises:
        StoreError: as ``lopt.records.store.load_table``; if it is another task's.
    """
    return store.load_table(path, _of(INTERVENTIONS, task=task))


def load_distilled(path: str | Path, task: str | None = None) -> pd.DataFrame:
    """Return the numbers of distilled optimizers, and which share of the learned one's lead they recover.

    Args:
        path: of the file.
        task: that it must be of.

    Raises:
        StoreError: as ``lopt.records.store.load_table``; if it is another task's.
    """
    return store.load_table(path, _of(DISTILLED, task=task))


def load_transfer(path: str | Path) -> pd.DataFrame:
    """Return how optimizers did away from home, a run on several problems a row.

    Raises:
        StoreError: as ``lopt.records.store.load_table``.
    """
    return store.load_table(path, TRANSFER)


def load_transfer_runs(paths: Sequence[str | Path], home: str) -> pd.DataFrame:
    """Return the runs of one task's optimizers away from home, from the files of all parts, in their order.

    Raises:
        StoreError: as ``lopt.records.store.load_table``; if a part is of another task, if runs are missing
            or there twice.
    """
    parts = [store.load_table(path, _of(TRANSFER_RUNS, home=home)) for path in paths]
    runs = pd.concat([part for part in parts if len(part)] or parts[:1]).sort_values("order")
    if runs["order"].tolist() != list(range(len(runs))):
        raise StoreError(
            f"{', '.join(map(str, paths))}: parts of one whole should have each run once, found the runs "
            f"{brief(str(runs['order'].tolist()))}"
        )
    return runs


def load_census(path: str | Path) -> pd.DataFrame:
    """Return a census's shares, a statement and a kind of optimizer a row.

    Raises:
        StoreError: as ``lopt.records.store.load_table``.
    """
    return store.load_table(path, CENSUS)


def load_census_measured(
    path: str | Path, task: str | None = None, variant: str | None = None
) -> pd.DataFrame:
    """Return what was measured of every optimizer of a census.

    Args:
        path: of the file.
        task: that it must be of.
        variant: that it must be of.

    Raises:
        StoreError: as ``lopt.records.store.load_table``; if it is another task's or variant's.
    """
    return store.load_table(path, _of(CENSUS_MEASURED, task=task, variant=variant))


def load_search_trials(
    path: str | Path, task: str | None = None, rung: int | None = None, place: int | None = None
) -> pd.DataFrame:
    """Return trials of a search for a recipe of meta-training.

    Args:
        path: of the file.
        task: that they must be of.
        rung: that they must be of.
        place: that they must have.

    Raises:
        StoreError: as ``lopt.records.store.load_table``; if they are others.
    """
    return store.load_table(path, _of(SEARCH_TRIALS, task=task, rung=rung, place=place))


def _of(columns: Mapping[str, Any], **about: str | int | None) -> dict[str, Any]:
    """Return the columns of a table whose every row has what is asked for, where that is not None."""
    asked = {
        name: Text((value,)) if isinstance(value, str) else Number(value, value, integer=True)
        for name, value in about.items()
        if value is not None
    }
    return {**columns, **asked}


def load_claims(path: str | Path) -> pd.DataFrame:
    """Return the table of claims as it was written: texts, and nothing where nothing is known.

    Raises:
        StoreError: as ``lopt.records.store.load_table``.
    """
    columns = dict.fromkeys(
        store.load_table(path, ("figure", "task", "quantity", "verdict")), Text()
    )
    return store.load_table(path, columns)


def load_benchmark(path: str | Path) -> dict[str, Any]:
    """Return what Snakemake measured of a job: the last row of its benchmark file.

    It looks at a job every half a second, after a quarter of a minute every half a minute only: CPU time,
    which is that of the last look, is left out.

    Raises:
        StoreError: as ``lopt.records.store.load_table``; if the file has no row, or what it says was not
            measured. Since no rule makes such a file anew, the message says how to go on without it.
    """
    try:
        table = store.load_table(path, ("s", "max_rss"), separator="\t")
        if not len(table):
            raise StoreError(f"{path}: has no row")
        row = table.iloc[-1].to_dict()
        for name, kind in BENCHMARK.items():
            # What could not be measured is NA or -.
            if not kind.allows(pd.to_numeric(row[name], errors="coerce")):
                raise StoreError(f"{path}: {name} is {brief(str(row[name]))}, expected {kind}")
    except StoreError as error:
        raise StoreError(f"{error}. To go on without what it measured, delete it") from None
    return row
