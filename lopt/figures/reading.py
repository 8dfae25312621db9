"""Read the results of one scale, as the workflow lays them out.

    results = Results("results/laptop", {"rosenbrock": [0, 1]})
    results.responses("rosenbrock", results.selected("rosenbrock"))

Files are opened through ``lopt.store``: a missing or damaged one ends with a ``StoreError`` that names it.
A figure opens only what it shows, so that its rule can declare just that.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from lopt import store, stored
from lopt.analysis.results import FixedPointAnalysis, Linearization, Responses, Trajectories
from lopt.evaluation import Evaluation
from lopt.portraits import CommonOptimizers, Portrait, portrait_kind

__all__ = ["Results"]

Stage = TypeVar("Stage", bound=tuple)


class Results:
    """The files of one scale; ``folder`` is results/<scale>, ``seeds`` the training seeds per task.

    ``baselines`` names the hand-made optimizers that were tuned; ``early`` is, per task that has one,
    the seed whose training ends early. ``note`` is what figures say of the scale.
    """

    def __init__(
        self,
        folder: str | Path,
        seeds: Mapping[str, Sequence[int]],
        baselines: Sequence[str] = ("momentum", "rmsprop", "adam"),
        early: Mapping[str, int] | None = None,
        note: str = "",
    ) -> None:
        self.folder = Path(folder)
        self.seeds = {task: tuple(numbers) for task, numbers in seeds.items()}
        self.baselines = tuple(baselines)
        self.early = dict(early or {})
        self.note = note

    @property
    def scale(self) -> str:
        """The scale's name, as figures print it: with what must be known about its optimizers."""
        return self.folder.name + (f" ({self.note})" if self.note else "")

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self.seeds)

    def selected(self, task: str) -> int:
        """Return the training seed that the figures show."""
        path = self.folder / "meta_training" / task / "selection.json"
        return stored.load_selection(path)

    def curve(self, task: str, seed: int) -> pd.DataFrame:
        """Return the meta-training curve of one seed."""
        return stored.load_curve(
            self.folder / "meta_training" / task / f"seed_{seed}" / "curve.csv"
        )

    def evaluation(self, task: str) -> Evaluation:
        """Return the losses of all optimizers on the held-out problems."""
        path = self.folder / "evaluation" / task / "losses.npz"
        return store.load(path, Evaluation, expect={"task": task})[0]

    def portrait(self, task: str) -> Portrait:
        """Return what the task looks like."""
        path = self.folder / "portraits" / f"{task}.npz"
        return store.load(path, portrait_kind(task), expect={"task": task})[0]

    def common_optimizers(self, task: str) -> CommonOptimizers:
        """Return the update functions of tuned hand-made optimizers."""
        path = self.folder / "common_optimizers" / f"{task}.npz"
        return store.load(path, CommonOptimizers, expect={"task": task})[0]

    def best(self, task: str, optimizer: str) -> dict[str, Any]:
        """Return the tuned hyperparameters of a baseline, and its score."""
        path = self.folder / "baselines" / task / optimizer / "best.json"
        return stored.load_best(path, optimizer)

    def tuned_learning_rate(self, task: str, optimizer: str) -> float:
        """Return a baseline's tuned learning rate, or NaN if it is not among those tuned."""
        if optimizer not in self.baselines:
            return float("nan")
        return float(self.best(task, optimizer)["hyperparameters"]["learning_rate"])

    def trials(self, task: str, optimizer: str) -> pd.DataFrame:
        """Return every trial of the search for a baseline's hyperparameters."""
        path = self.folder / "baselines" / task / optimizer / "trials.csv"
        return stored.load_trials(path, rows=self.best(task, optimizer)["trials"])

    def trajectories(self, task: str, seed: int) -> Trajectories:
        return self._analysis(task, seed, "trajectories", Trajectories)

    def fixed_points(self, task: str, seed: int) -> FixedPointAnalysis:
        return self._analysis(task, seed, "fixed_points", FixedPointAnalysis)

    def linearization(self, task: str, seed: int) -> Linearization:
        return self._analysis(task, seed, "linearization", Linearization)

    def responses(self, task: str, seed: int) -> Responses:
        return self._analysis(task, seed, "responses", Responses)

    def _analysis(self, task: str, seed: int, stage: str, kind: type[Stage]) -> Stage:
        path = self.folder / "analysis" / task / f"seed_{seed}" / f"{stage}.npz"
        return store.load(path, kind, expect={"task": task, "seed": seed})[0]
