"""Read the results of one scale, wherever they lie.

    results = Results("results/laptop", {"rosenbrock": [0, 1]})
    results.responses("rosenbrock", results.selected("rosenbrock"))

Files are found through ``lopt.records.layout`` and opened through ``lopt.records.store`` and ``stored``: a
missing or damaged one, or one that says it is of another task or seed, ends with a ``StoreError`` that
names it. Who reads opens only what it needs, so that a rule can declare just that.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lopt.records import checksums, store, stored
from lopt.records.analysis import FixedPointAnalysis, Linearization, Responses, Trajectories
from lopt.records.census import Similarity
from lopt.records.entries import Each, Text
from lopt.records.evaluation import Evaluation
from lopt.records.interventions import Stability
from lopt.records.layout import Files
from lopt.records.portraits import CommonOptimizers, Portrait

__all__ = ["STAGES", "Results", "require_nulls"]

STAGES = {
    "trajectories": Trajectories,
    "fixed_points": FixedPointAnalysis,
    "linearization": Linearization,
    "responses": Responses,
}
"""What the analysis of one optimizer stores, by stage."""


def require_nulls(folder: Path, sums: str | Path) -> None:
    """Check that a folder of nulls holds what its list says; one that was stored without a list may hold any.

    Raises:
        StoreError: naming a file that is missing, changed, or not on the list.
    """
    if Path(sums).exists():
        checksums.require(folder, store.load_json(sums, Each(Text())))


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
        counted: the tasks with variants, which a census counts (default: all).
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
        counted: Sequence[str] | None = None,
    ) -> None:
        self._files = files if isinstance(files, Files) else Files.under(files)
        self._scale = scale or ("" if isinstance(files, Files) else Path(files).name)
        self.seeds = {task: tuple(numbers) for task, numbers in seeds.items()}
        self.baselines = tuple(baselines)
        self.early = dict(early or {})
        self.note = note
        self.counted = tuple(self.seeds if counted is None else counted)
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
        return stored.load_selection(self._files.path("selection", task=task), self.seeds[task])

    def curve(self, task: str, seed: int) -> pd.DataFrame:
        """Return the meta-training curve of one seed."""
        return stored.load_curve(self._files.path("curve", task=task, seed=seed))

    def evaluation(self, task: str) -> Evaluation:
        """Return the losses of all optimizers on the held-out problems."""
        return store.load(self._files.path("losses", task=task), Evaluation, expect={"task": task})[
            0
        ]

    def portrait(self, task: str) -> Portrait:
        """Return what the task looks like."""
        kinds: Any = Portrait  # a union: the file says which of them it holds
        return store.load(self._files.path("portrait", task=task), kinds, expect={"task": task})[0]

    def common_optimizers(self, task: str) -> CommonOptimizers:
        """Return the update functions of tuned hand-made optimizers."""
        path = self._files.path("common_optimizers", task=task)
        return store.load(path, CommonOptimizers, expect={"task": task})[0]

    def best(self, task: str, optimizer: str) -> dict[str, Any]:
        """Return the tuned hyperparameters of a baseline, and its score."""
        return stored.load_best(self._files.path("best", task=task, optimizer=optimizer), optimizer)

    def tuned_learning_rate(self, task: str, optimizer: str) -> float:
        """Return a baseline's tuned learning rate, or NaN if it is not among those tuned or has none."""
        if optimizer not in self.baselines:
            return float("nan")
        return float(self.best(task, optimizer)["hyperparameters"].get("learning_rate", "nan"))

    def trials(self, task: str, optimizer: str) -> pd.DataFrame:
        """Return every trial of the search for a baseline's hyperparameters."""
        path = self._files.path("trials", task=task, optimizer=optimizer)
        return stored.load_trials(path, optimizer, rows=self.best(task, optimizer)["trials"])

    def validation(self) -> pd.DataFrame:
        """Return the known answers beside those that the analysis found."""
        return stored.load_validation(self._files.path("validation"))

    def trajectories(self, task: str, seed: int) -> Trajectories:
        """Return what the runs visited, of one trained optimizer."""
        return self._analysis("trajectories", Trajectories, task, seed)

    def fixed_points(self, task: str, seed: int) -> FixedPointAnalysis:
        """Return the fixed points of one trained optimizer."""
        return self._analysis("fixed_points", FixedPointAnalysis, task, seed)

    def linearization(self, task: str, seed: int) -> Linearization:
        """Return the modes at the convergence point of one trained optimizer."""
        return self._analysis("linearization", Linearization, task, seed)

    def responses(self, task: str, seed: int) -> Responses:
        """Return the responses to gradients of one trained optimizer."""
        return self._analysis("responses", Responses, task, seed)

    def interventions(self, task: str) -> pd.DataFrame:
        """Return what every intervention costs, and the baselines beside them."""
        return stored.load_interventions(self._files.path("interventions", task=task), task)

    def distilled(self, task: str) -> pd.DataFrame:
        """Return the distilled optimizers, read off and tuned; it has no row if none could be."""
        return stored.load_distilled(self._files.path("distilled", task=task), task)

    def transfer(self) -> pd.DataFrame:
        """Return how optimizers of all tasks did away from home, beside what foretells it."""
        return stored.load_transfer(self._files.path("transfer"))

    def stability(self, task: str) -> Stability:
        """Return learned and hand-made optimizers in the closed loop with a quadratic."""
        path = self._files.path("stability", task=task)
        return store.load(path, Stability, expect={"task": task})[0]

    def census(self) -> pd.DataFrame:
        """Return how many optimizers of each kind say yes to each statement."""
        return stored.load_census(self._files.path("census"))

    def census_measured(self) -> pd.DataFrame:
        """Return what was measured of every optimizer of a census, one thing a row."""
        return stored.load_census_measured(self._files.path("census_measured"))

    def similarity(self, task: str) -> Similarity:
        """Return how far apart all optimizers of a task are."""
        path = self._files.path("similarity", task=task)
        return store.load(path, Similarity, expect={"task": task})[0]

    def null_names(self, task: str) -> list[str]:
        """Return the optimizers that statements are held against, of those that are stored.

        Raises:
            StoreError: if the folder does not have the files that the list beside it says.
        """
        folder = self._files.path("nulls", task=task)
        require_nulls(folder, self._files.path("nulls_sums", task=task))
        return sorted(path.parent.name for path in folder.glob("*/missing.json"))

    def null(self, task: str, name: str) -> tuple[dict[str, Any], Evaluation | None]:
        """Return the stages that a null has, and its losses where it has its own."""
        folder = self._files.path("nulls", task=task) / name
        missing = store.load_json(folder / "missing.json", Each(Text()))
        # The untrained optimizer is the first seed's, and the others are stored beside it.
        expect = {"task": task, "seed": self.seeds[task][0], "null": name}
        stages = {
            stage: store.load(folder / f"{stage}.npz", kind, expect=expect)[0]
            for stage, kind in STAGES.items()
            if stage not in missing
        }
        path = folder / "losses.npz"
        losses = store.load(path, Evaluation, expect=expect)[0] if path.exists() else None
        return stages, losses

    def _analysis(self, stage: str, kind: type, task: str, seed: int) -> Any:
        path = self._files.path(stage, task=task, seed=seed)
        return store.load(path, kind, expect={"task": task, "seed": seed})[0]
