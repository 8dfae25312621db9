"""Read the results of one scale, wherever they lie.

    results = Results("results/laptop", {"rosenbrock": [0, 1]})
    results.responses("rosenbrock", results.selected("rosenbrock"))

Files are found through ``lopt.records.layout`` and opened through ``lopt.records.store``: a missing or
damaged one ends with a ``StoreError`` that names it. Who reads opens only what it needs, so that a rule can
declare just that.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lopt.records import store
from lopt.records.analysis import (
    FixedPointAnalysis,
    Linearization,
    Responses,
    Trajectories,
    ValidationRow,
)
from lopt.records.evaluation import Evaluation
from lopt.records.layout import Files
from lopt.records.portraits import CommonOptimizers, Portrait
from lopt.records.store import StoreError

__all__ = ["STAGES", "Results"]

STAGES = {
    "trajectories": Trajectories,
    "fixed_points": FixedPointAnalysis,
    "linearization": Linearization,
    "responses": Responses,
}
"""What the analysis of one optimizer stores, by stage."""


class Results:
    """The files of one scale, and how it is presented.

    Args:
        files: the folder results/<scale>, or the files that may be read.
        seeds: the training seeds per task.
        baselines: the hand-made optimizers that were tuned.
        early: per task that has one, the seed whose training ends early.
        note: what figures say of the scale.
        labels: what figures call tasks and optimizers; may lack any.
        colors: what figures draw optimizers in; may lack any.
        scale: the scale's name (default: the folder's).
    """

    def __init__(
        self,
        files: str | Path | Files,
        seeds: Mapping[str, Sequence[int]],
        baselines: Sequence[str] = ("momentum", "rmsprop", "adam"),
        early: Mapping[str, int] | None = None,
        note: str = "",
        labels: Mapping[str, str] | None = None,
        colors: Mapping[str, str] | None = None,
        scale: str = "",
    ) -> None:
        self._files = files if isinstance(files, Files) else Files.under(files)
        self._scale = scale or ("" if isinstance(files, Files) else Path(files).name)
        self.seeds = {task: tuple(numbers) for task, numbers in seeds.items()}
        self.baselines = tuple(baselines)
        self.early = dict(early or {})
        self.note = note
        self.labels, self.colors = dict(labels or {}), dict(colors or {})

    @property
    def scale(self) -> str:
        """The scale's name, as figures print it: with what must be known about its optimizers."""
        return self._scale + (f" ({self.note})" if self.note else "")

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self.seeds)

    def selected(self, task: str) -> int:
        """Return the training seed that the figures show."""
        path = self._files.path("selection", task=task)
        return int(self._entry(path, store.load_json(path), "selected"))

    def curve(self, task: str, seed: int) -> pd.DataFrame:
        """Return the meta-training curve of one seed."""
        columns = ("step", "meta_objective", "validation_meta_objective", "gradient_norm")
        return store.load_table(self._files.path("curve", task=task, seed=seed), columns)

    def evaluation(self, task: str) -> Evaluation:
        """Return the losses of all optimizers on the held-out problems."""
        return store.load(self._files.path("losses", task=task), Evaluation)[0]

    def portrait(self, task: str) -> Portrait:
        """Return what the task looks like."""
        return store.load(self._files.path("portrait", task=task), Portrait)[0]

    def common_optimizers(self, task: str) -> CommonOptimizers:
        """Return the update functions of tuned hand-made optimizers."""
        path = self._files.path("common_optimizers", task=task)
        return store.load(path, CommonOptimizers)[0]

    def best(self, task: str, optimizer: str) -> dict[str, Any]:
        """Return the tuned hyperparameters of a baseline, and its score."""
        path = self._files.path("best", task=task, optimizer=optimizer)
        best = store.load_json(path)
        self._entry(path, best, "hyperparameters")
        self._entry(path, best, "meta_objective")
        return best

    def tuned_learning_rate(self, task: str, optimizer: str) -> float:
        """Return a baseline's tuned learning rate, or NaN if it is not among those tuned or has none."""
        if optimizer not in self.baselines:
            return float("nan")
        return float(self.best(task, optimizer)["hyperparameters"].get("learning_rate", "nan"))

    def trials(self, task: str, optimizer: str) -> pd.DataFrame:
        """Return every trial of the search for a baseline's hyperparameters."""
        path = self._files.path("trials", task=task, optimizer=optimizer)
        return store.load_table(path, ("score", "rung", "rank"))

    def validation(self) -> pd.DataFrame:
        """Return the known answers beside those that the analysis found."""
        return store.load_table(self._files.path("validation"), ValidationRow._fields)

    def trajectories(self, task: str, seed: int) -> Trajectories:
        return self._analysis("trajectories", Trajectories, task, seed)

    def fixed_points(self, task: str, seed: int) -> FixedPointAnalysis:
        return self._analysis("fixed_points", FixedPointAnalysis, task, seed)

    def linearization(self, task: str, seed: int) -> Linearization:
        return self._analysis("linearization", Linearization, task, seed)

    def responses(self, task: str, seed: int) -> Responses:
        return self._analysis("responses", Responses, task, seed)

    def null_names(self, task: str) -> list[str]:
        """Return the optimizers that statements are held against, of those that are stored."""
        folder = self._files.path("nulls", task=task)
        return sorted(path.parent.name for path in folder.glob("*/missing.json"))

    def null(self, task: str, name: str) -> tuple[dict[str, tuple], Evaluation | None]:
        """Return the stages that a null has, and its losses where it has its own."""
        folder = self._files.path("nulls", task=task) / name
        missing = store.load_json(folder / "missing.json")
        stages = {
            stage: store.load(folder / f"{stage}.npz", kind)[0]
            for stage, kind in STAGES.items()
            if stage not in missing
        }
        losses = folder / "losses.npz"
        return stages, store.load(losses, Evaluation)[0] if losses.exists() else None

    def _analysis(self, stage: str, kind: type, task: str, seed: int) -> Any:
        return store.load(self._files.path(stage, task=task, seed=seed), kind)[0]

    @staticmethod
    def _entry(path: Path, value: Any, key: str) -> Any:
        if not isinstance(value, dict) or key not in value:
            found = list(value) if isinstance(value, dict) else type(value).__name__
            raise StoreError(f"{path}: lacks {key!r}; it has {found}")
        return value[key]
