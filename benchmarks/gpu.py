"""Meta-train the seeds of one task in one program, for so many minutes; go on from there the next time.

    python benchmarks/gpu.py rosenbrock --minutes 8
    python benchmarks/gpu.py linear_regression --scale paper --seeds 0 1 2 3 --results elsewhere/results

For a GPU that is there for a while only, with nothing but lopt installed (no Snakemake). A checkpoint lies
beside the results until all meta-steps are done; then every seed's theta, curve and run.json are where the
workflow has them (``results/<scale>/meta_training``), which takes them as its own. They are its trainings'
to rounding: one program for several seeds sums in another order. Seeds that are stored already are left as
they are. ``--set`` makes another optimizer than the scale's, so that its results need a folder of their own.

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

from lopt.process import NoGPUError, prepare
from lopt.records.atomic import StoreError

RESULTS = Path("results")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--scale", default="paper")
    parser.add_argument("--seeds", type=study.whole(0), nargs="+", help="default: the scale's")
    parser.add_argument("--minutes", type=float, help="after which it ends; default: no limit")
    parser.add_argument("--results", default=RESULTS, help="folder of the scales (results)")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    args = parser.parse_args()
    if args.changes and Path(args.results).resolve() == RESULTS.resolve():
        parser.error(
            f"--set makes another optimizer than the scale {args.scale} has: name its folder by --results"
        )
    began = time.monotonic()
    settings = study.task(args.task, args.scale, args.changes)
    seeds = list(dict.fromkeys(args.seeds or settings["seeds"]))
    try:
        gpus = int(args.device == "gpu")
        logger = prepare(threads=os.cpu_count() or 1, training=True, gpus=gpus)
    except NoGPUError as error:
        sys.exit(f"There is no GPU to train on: {error.reason}. To train on the CPU: --device cpu")
    logger.addHandler(logging.StreamHandler(sys.stdout))
    folder = Path(args.results) / args.scale
    done = train(args.task, settings, seeds, folder, args.minutes, began, logger)
    sys.exit(0 if done else 1)


def train(
    task: str,
    settings: dict,
    seeds: list[int],
    folder: Path,
    minutes: float | None,
    began: float,
    logger: logging.Logger,
) -> bool:
    """Train to the end or to the limit; return whether every seed is stored."""
    from lopt.checkpoint import Checkpoint
    from lopt.meta_training.abreast import of_seed, stacked, train_abreast
    from lopt.meta_training.loop import CurvePoint, MetaTrainingError
    from lopt.meta_training.outcome import store_trained
    from lopt.progress import Progress
    from lopt.records import store
    from lopt.records.layout import Files

    files = Files.under(folder)
    training, begun, metadata = study.beginnings(task, settings, seeds)
    left = [
        place
        for place, facts in enumerate(metadata)
        if not stored_already(files.path("theta", task=task, seed=facts["seed"]), facts)
    ]
    if not left:
        logger.info("all seeds are trained and stored: %s", ", ".join(map(str, seeds)))
        return True
    seeds, begun, metadata = ([each[place] for place in left] for each in (seeds, begun, metadata))
    name = f"abreast_{'_'.join(map(str, seeds))}.npz"
    path = files.path("selection", task=task).with_name(name)
    origins = [facts.get("start") for facts in metadata]
    first, identity = stacked(begun), {**metadata[0], "seed": seeds, "start": origins}
    seconds = training.settings.checkpoint_seconds
    with Checkpoint.locked(path, identity, seconds) as checkpoint:
        states, notes = checkpoint.load(first) or (
            first,
            {"curves": [[] for _ in seeds], "wall": 0.0},
        )
        if checkpoint.refusal:  # it may be hours of a GPU, so it is nothing to write over
            sys.exit(
                f"There is a checkpoint that can't be used. {checkpoint.refusal}. Move it away, or name "
                "another folder by --results."
            )
        curves, before = notes["curves"], notes["wall"]
        limit = None if minutes is None else 60.0 * minutes - (time.monotonic() - began)
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
                files.path(kind, task=task, seed=seed) for kind in ("theta", "curve", "run")
            )
            points = [CurvePoint(*row) for row in curves[place]]
            reached = of_seed(states, place)
            try:
                store_trained(
                    theta, curve, training, seed, reached, points, metadata[place], begun[place]
                )
            except MetaTrainingError as error:
                logger.error("%s", error)
                failed.append(seed)
                continue
            seconds = (before + time.monotonic() - began) / len(seeds)  # what a seed took of them
            store.save_json(run, {"wall_seconds": round(seconds, 1)})
            logger.info("%s", json.dumps({"seed": seed, "theta": str(theta)}))
        checkpoint.remove()
    return not failed


def stored_already(path: Path, facts: dict) -> bool:
    """Return whether the optimizer that these facts describe is stored.

    Raises:
        SystemExit: if another one is, or a file that can't be read: nothing to write over.
    """
    from lopt.learned.stored import load_optimizer

    if not path.exists():
        return False
    try:
        _, _, metadata = load_optimizer(path)
    except StoreError as error:
        sys.exit(str(error))
    keys = ("task", "seed", "problem", "steps", "optimizer", "meta_training", "start")
    facts = json.loads(json.dumps(facts))  # as they are stored
    if others := [key for key in keys if metadata.get(key) != facts.get(key)]:
        sys.exit(
            f"{path} was trained with another {', '.join(others)}. Move it away, or name another folder by "
            "--results."
        )
    return True


if __name__ == "__main__":
    main()
