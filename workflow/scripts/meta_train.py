"""Meta-train one optimizer; go on from its checkpoint if there is one."""

import time
from pathlib import Path

from lopt.process import prepare

logger = prepare(
    threads=snakemake.threads,
    gpus=snakemake.resources.get("gpu", 0),
    gpu_memory_percent=snakemake.resources.get("gpu_memory_percent"),
    log=snakemake.log[0],
)

import pandas as pd

from lopt import config, meta_training, provenance, store
from lopt.checkpoint import Checkpoint
from lopt.optimizers import GRU
from lopt.progress import Progress
from lopt.tasks import make_task

CODE = [
    "config.py",
    "keys.py",
    "tasks",
    "optimizers",
    "unroll.py",
    "meta_gradient.py",
    "meta_training.py",
]


def main(wildcards, params, output) -> None:
    began, seed = time.monotonic(), int(wildcards.seed)
    task = make_task(wildcards.task, params.problem)
    family = GRU(**params.optimizer)
    settings = config.settings(config.MetaTrainingSettings, params.meta_training)
    metadata = provenance.describe(
        {"task": wildcards.task, **dict(params.items())},
        task=wildcards.task,
        seed=seed,
        problem=params.problem,
        steps=params.steps,
        optimizer=params.optimizer,
        meta_training=params.meta_training,
    )
    identity = {**metadata, "code": provenance.code_digest(CODE)}
    path = Path(output.theta).with_name("checkpoint.npz")
    with Checkpoint.locked(path, identity, settings.checkpoint_seconds) as checkpoint:
        loaded = checkpoint.load(meta_training.initial_state(family, settings, seed))
        state, notes = loaded or (None, {"rows": [], "wall_seconds": 0.0})
        rows, earlier_seconds = notes["rows"], notes["wall_seconds"]

        def wall_seconds() -> float:
            return round(earlier_seconds + time.monotonic() - began, 1)

        if checkpoint.refusal:
            logger.warning("checkpoint refused, training starts anew: %s", checkpoint.refusal)
        elif rows:
            logger.info("going on from the checkpoint of meta-step %d", rows[-1][0])
        progress = Progress(
            settings.meta_steps, "meta-step", logger, start=rows[-1][0] if rows else 0
        )

        def after_chunk(state: meta_training.State, point: meta_training.CurvePoint) -> None:
            rows.append(list(point))
            progress.report(**point._asdict())
            checkpoint.save(state, {"rows": rows, "wall_seconds": wall_seconds()})

        state = meta_training.meta_train(
            task, family, settings, seed, steps=params.steps, state=state, after_chunk=after_chunk
        )
        progress.close()
        store.save_table(output.curve, pd.DataFrame(rows, columns=meta_training.CurvePoint._fields))
        metadata |= {
            "validation_meta_objective": float(state.best_validation),
            "meta_step": int(state.best_step),
            "skipped_steps": int(state.optimizer.total_notfinite),
        }
        store.save_json(path.with_name("run.json"), {"wall_seconds": wall_seconds()})
        store.save(output.theta, state.best_theta, metadata)
        checkpoint.remove()


main(snakemake.wildcards, snakemake.params, snakemake.output)
