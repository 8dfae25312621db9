"""Meta-train the seeds of one task in one program, for so many minutes; go on from there the next time.

    python benchmarks/gpu.py rosenbrock --minutes 8
    python benchmarks/gpu.py linear_regression --scale paper --seeds 0 1 2 3 --results elsewhere/results

For a GPU that is there for a while only, with nothing but lopt installed (no Snakemake). A checkpoint lies
beside the results until all meta-steps are done; then every seed's theta, curve and run.json are where the
workflow has them (``results/<scale>/meta_training``), which takes them as its own. They are its trainings'
to rounding: one program for several seeds sums in another order.

A seed that learned nothing stores nothing, is named at the end, and makes the status 1; so does a limit that
was reached, with what is left to do. The early seed of a task is the workflow's to train: it takes minutes.
"""

import argparse
import json
import logging
import os
import sys
import time
from pathlib import Path

import study

from lopt.process import prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--scale", default="paper")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: the scale's")
    parser.add_argument("--minutes", type=float, help="after which it ends; default: no limit")
    parser.add_argument("--results", default="results", help="folder of the scales (results)")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    args = parser.parse_args()
    began = time.monotonic()
    logger = prepare(threads=os.cpu_count() or 1, gpus=int(args.device == "gpu"))
    logger.addHandler(logging.StreamHandler(sys.stdout))
    settings = study.changed(study.task(args.task, args.scale), args.changes)
    done = train(args, settings, began, logger)
    sys.exit(0 if done else 1)


def train(args: argparse.Namespace, settings: dict, began: float, logger: logging.Logger) -> bool:
    """Train to the end or to the limit; return whether every seed is stored."""
    from lopt.checkpoint import Checkpoint
    from lopt.meta_training.abreast import of_seed, stacked, train_abreast
    from lopt.meta_training.loop import CurvePoint, MetaTrainingError
    from lopt.meta_training.outcome import store_trained
    from lopt.meta_training.run import beginning, from_settings
    from lopt.progress import Progress
    from lopt.records import store
    from lopt.records.layout import Files

    problem = {**settings["problem"], **(settings["meta_training_problem"] or {})}
    seeds = args.seeds or list(settings["seeds"])
    training, metadata = from_settings(args.task, seeds[0], {**settings, "problem": problem})
    files = Files.under(Path(args.results) / args.scale)
    path = files.path("selection", task=args.task).with_name("abreast.npz")
    folder = settings.get("start") and study.ROOT / settings["start"]
    begun = {seed: beginning(training, args.task, seed, folder) for seed in seeds}
    first = stacked([state for state, _ in begun.values()])
    origins = [origin for _, origin in begun.values()]
    with Checkpoint.locked(path, {**metadata, "seed": seeds, "from": origins}) as checkpoint:
        states, notes = checkpoint.load(first) or (
            first,
            {"curves": [[] for _ in seeds], "wall": 0.0},
        )
        if checkpoint.refusal:
            logger.warning("checkpoint refused, training starts anew: %s", checkpoint.refusal)
        curves, before = notes["curves"], notes["wall"]
        limit = None if args.minutes is None else 60.0 * args.minutes - (time.monotonic() - began)
        total = training.settings.meta_steps
        progress = Progress(total, "meta-step", logger, start=int(states.step[0]))

        def kept(states, now=False):
            wall = before + time.monotonic() - began
            checkpoint.save(states, {"curves": curves, "wall": wall}, now=now)

        def after_chunk(states, points):
            for curve, point in zip(curves, points, strict=True):
                curve.append(list(point))
            values = sorted(point.meta_objective for point in points)
            progress.report(points[0].step, objective=values[len(values) // 2])
            kept(states)

        states = train_abreast(
            training, seeds, states=states, after_chunk=after_chunk, seconds=limit
        )
        progress.close()
        if (step := int(states.step[0])) < total:
            kept(states, now=True)
            logger.info("%d of %d meta-steps; the same command goes on from %s", step, total, path)
            return False
        failed = []
        for place, seed in enumerate(seeds):
            theta, curve, run = (
                files.path(kind, task=args.task, seed=seed) for kind in ("theta", "curve", "run")
            )
            points = [CurvePoint(*row) for row in curves[place]]
            start, origin = begun[seed]
            of_this = {**metadata, "seed": seed, **origin}
            reached = of_seed(states, place)
            try:
                store_trained(theta, curve, training, seed, reached, points, of_this, start)
            except MetaTrainingError as error:
                logger.error("%s", error)
                failed.append(seed)
                continue
            seconds = (before + time.monotonic() - began) / len(seeds)  # what a seed took of them
            store.save_json(run, {"wall_seconds": round(seconds, 1)})
            logger.info("%s", json.dumps({"seed": seed, "theta": str(theta)}))
        checkpoint.remove()
    return not failed


if __name__ == "__main__":
    main()
