"""How closely the tuned baselines follow the published loss curves.

    python benchmarks/published_curves.py                                all of results/paper/baselines
    python benchmarks/published_curves.py --baselines weights/baselines --tasks linear_regression

Every tuned setting runs on the 128 problems of the evaluation, as ``workflow/scripts/evaluate.py`` runs
it. Printed per task and optimizer: the setting, its meta-objective there with the standard error over
problems, on how many problems it diverged, and how far its mean loss lies from the published one: the
median and the largest over the digitised iterations of |log10 ours/published|, and the median of the
signed ratio (positive: ours is higher). ``published_curves.csv`` beside this script holds every iteration of
figure 1 that could be read off; ``lopt/claims/published.csv`` has ten of each curve.
"""

import argparse
import os
from pathlib import Path

os.environ["NPROC"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np
import pandas as pd
import yaml

from lopt import store
from lopt.evaluation import Evaluation, loss_curves, summarize
from lopt.keys import stream
from lopt.optimizers import BASELINES, make_baseline
from lopt.tasks import TASKS, make_task, sample_batch
from lopt.unroll import evaluate

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--baselines", type=Path, default="results/paper/baselines")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--optimizers", nargs="+", default=list(BASELINES), choices=BASELINES)
    arguments = parser.parse_args()
    study = yaml.safe_load((HERE.parent / "config.yaml").read_text())["study"]["tasks"]
    published = pd.read_csv(HERE / "published_curves.csv")
    for name in arguments.tasks:
        settings = study[name]["evaluation"]
        task = make_task(name, study[name]["problem"])
        problems = sample_batch(task, stream(0, "evaluation"), settings["problems"])
        for optimizer in arguments.optimizers:
            best = store.load_json(arguments.baselines / name / optimizer / "best.json")
            family, theta = make_baseline(optimizer, best["hyperparameters"])
            losses = evaluate(
                task,
                family,
                theta,
                problems,
                steps=study[name]["steps"],
                batch_size=settings["batch_size"],
            )
            run = Evaluation(np.array([optimizer]), np.array([-1]), np.asarray(losses)[None])
            row = summarize(name, run).iloc[0]
            points = published[(published.task == name) & (published.optimizer == optimizer)]
            decades = np.log10(loss_curves(run).means[0][points.iteration] / points.mean_loss)
            setting = ", ".join(f"{key} {value:.4g}" for key, value in theta._asdict().items())
            print(
                f"{name:18} {optimizer:9} {setting}\n"
                f"    tuned: {best['meta_objective']:.5f} +- {best['meta_objective_se']:.5f}"
                f"    evaluated: {row.meta_objective:.5f} +- {row.meta_objective_se:.5f},"
                f" {row.diverged} diverged\n"
                f"    decades from the published curve: median {decades.abs().median():.3f},"
                f" largest {decades.abs().max():.3f}, signed median {decades.median():+.3f}"
                f"  ({len(points)} iterations)",
                flush=True,
            )


if __name__ == "__main__":
    main()
