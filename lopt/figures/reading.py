"""Read the results of one scale, as the workflow lays them out.

    results = Results("results/laptop", {"rosenbrock": [0, 1]})
    results.responses("rosenbrock", results.selected("rosenbrock"))

Files are opened through ``lopt.store``: a missing or damaged one ends with a ``StoreError`` that names it.
A figure opens only what it shows, so that its rule can declare just that.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lopt import store
from lopt.analysis.results import FixedPointAnalysis, Linearization, Responses, Trajectories
from lopt.evaluation import Evaluation
from lopt.portraits import CommonOptimizers, Portrait, portrait_kind
from lopt.store import StoreError

__all__ = ["Results"]

STAGES = ("trajectories", "fixed_points", "linearization", "responses")


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
        return int(self._entry(path, store.load_json(path), "selected"))

    def curve(self, task: str, seed: int) -> pd.DataFrame:
        """Return the meta-training curve of one seed."""
        path = self.folder / "meta_training" / task / f"seed_{seed}" / "curve.csv"
        columns = ("step", "meta_objective", "validation_meta_objective", "gradient_norm")
        return store.load_table(path, columns)

    def evaluation(self, task: str) -> Evaluation:
        """Return the losses of all optimizers on the held-out problems."""
        return store.load(self.folder / "evaluation" / task / "losses.npz", Evaluation)[0]

    def portrait(self, task: str) -> Portrait:
        """Return what the task looks like."""
        return store.load(self.folder / "portraits" / f"{task}.npz", portrait_kind(task))[0]

    def common_optimizers(self, task: str) -> CommonOptimizers:
        """Return the update functions of tuned hand-made optimizers."""
        return store.load(self.folder / "common_optimizers" / f"{task}.npz", CommonOptimizers)[0]

    def best(self, task: str, optimizer: str) -> dict[str, Any]:
        """Return the tuned hyperparameters of a baseline, and its score."""
        path = self.folder / "baselines" / task / optimizer / "best.json"
        best = store.load_json(path)
        self._entry(path, self._entry(path, best, "hyperparameters"), "learning_rate")
        self._entry(path, best, "meta_objective")
        return best

    def tuned_learning_rate(self, task: str, optimizer: str) -> float:
        """Return a baseline's tuned learning rate, or NaN if it is not among those tuned."""
        if optimizer not in self.baselines:
            return float("nan")
        return float(self.best(task, optimizer)["hyperparameters"]["learning_rate"])

    def trials(self, task: str, optimizer: str) -> pd.DataFrame:
        """Return every trial of the search for a baseline's hyperparameters."""
        path = self.folder / "baselines" / task / optimizer / "trials.csv"
        return store.load_table(path, ("learning_rate", "score", "rung", "rank"))

    def trajectories(self, task: str, seed: int) -> Trajectories:
        return store.load(self._analysis(task, seed, "trajectories"), Trajectories)[0]

    def fixed_points(self, task: str, seed: int) -> FixedPointAnalysis:
        return store.load(self._analysis(task, seed, "fixed_points"), FixedPointAnalysis)[0]

    def linearization(self, task: str, seed: int) -> Linearization:
        return store.load(self._analysis(task, seed, "linearization"), Linearization)[0]

    def responses(self, task: str, seed: int) -> Responses:
        return store.load(self._analysis(task, seed, "responses"), Responses)[0]

    def null_names(self, task: str) -> list[str]:
        """Return the optimizers that statements are held against, of those that are stored."""
        folder = self.folder / "nulls" / task
        return sorted(path.parent.name for path in folder.glob("*/missing.json"))

    def null(self, task: str, name: str) -> tuple[dict[str, tuple], Evaluation | None]:
        """Return the stages that a null has, and its losses where it has its own."""
        folder = self.folder / "nulls" / task / name
        kinds = (Trajectories, FixedPointAnalysis, Linearization, Responses)
        missing = store.load_json(folder / "missing.json")
        stages = {
            stage: store.load(folder / f"{stage}.npz", kind)[0]
            for stage, kind in zip(STAGES, kinds, strict=True)
            if stage not in missing
        }
        losses = folder / "losses.npz"
        return stages, store.load(losses, Evaluation)[0] if losses.exists() else None

    def _analysis(self, task: str, seed: int, stage: str) -> Path:
        return self.folder / "analysis" / task / f"seed_{seed}" / f"{stage}.npz"

    @staticmethod
    def _entry(path: Path, value: Any, key: str) -> Any:
        if not isinstance(value, dict) or key not in value:
            found = list(value) if isinstance(value, dict) else type(value).__name__
            raise StoreError(f"{path}: lacks {key!r}; it has {found}")
        return value[key]
