"""Meta-train one recipe of the search for one rung, from where the rung before left it."""

import dataclasses
import math
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

from lopt import config, meta_search, meta_training, provenance, store, stored
from lopt.checkpoint import Checkpoint
from lopt.optimizers import GRU
from lopt.progress import Progress
from lopt.tasks import make_task
from lopt.tuning import SearchRange

CODE = [
    "config.py",
    "keys.py",
    "tasks",
    "optimizers",
    "unroll.py",
    "meta_gradient.py",
    "meta_training.py",
]


def main(wildcards, inputs, params, output) -> None:
    began, search = time.monotonic(), params.meta_search
    rung, place, seed = int(wildcards.rung), int(wildcards.place), search["seed"]
    length = search["rungs"][rung]
    # Rung 0 trains trial i at place i, a later rung what came i-th of those that go on.
    earlier = None
    if rung:
        ranked = stored.load_search_trials(inputs.before[0])
        earlier = meta_search.survivors(ranked, length["trials"]).iloc[place]
    trial = int(earlier["trial"]) if rung else place

    optimizer = config.settings(config.GRUSettings, params.optimizer)
    training = config.settings(config.MetaTrainingSettings, params.meta_training)
    recipe = meta_search.draw_recipe(
        meta_search.configured_recipe(optimizer, training),
        {name: SearchRange(**bounds) for name, bounds in search["ranges"].items()},
        wildcards.task,
        trial,
        seed,
    )
    logger.info("trial %d: %s", trial, recipe)
    optimizer, training = meta_search.apply_recipe(
        recipe, optimizer, training, length["meta_steps"]
    )
    task, family = make_task(wildcards.task, params.problem), GRU(**dataclasses.asdict(optimizer))
    # The same for every rung of a trial: what a state may be continued with.
    identity = provenance.describe(
        {
            "problem": params.problem,
            "steps": params.steps,
            "optimizer": optimizer,
            "meta_training": dataclasses.replace(training, meta_steps=0),
            "seed": seed,
        },
        task=wildcards.task,
        trial=trial,
        code=provenance.code_digest(CODE),
    )
    state, rows = meta_training.initial_state(family, training, seed), []
    if rung:
        left = Checkpoint(Path(inputs.before[1 + int(earlier["place"])]), identity, 0.0)
        loaded = left.load(state)
        if loaded is None:
            raise RuntimeError(f"the state of rung {rung - 1} can't be used: {left.refusal}")
        state, rows = loaded
    running = Path(output.state).with_name(f"place_{place}.checkpoint.npz")
    with Checkpoint.locked(running, identity, training.checkpoint_seconds) as checkpoint:
        state, rows = checkpoint.load(state) or (state, rows)
        progress = Progress(training.meta_steps, "meta-step", logger, start=int(state.step))

        def after_chunk(state: meta_training.State, point: meta_training.CurvePoint) -> None:
            rows.append(list(point))
            progress.report(**point._asdict())
            checkpoint.save(state, rows)

        trained = False
        if not rung or math.isfinite(earlier["score"]):
            state, trained = meta_search.train_trial(
                task,
                family,
                training,
                seed,
                steps=params.steps,
                state=state,
                after_chunk=after_chunk,
            )
        progress.close()
        curve = [meta_training.CurvePoint(*row) for row in rows]
        result = {
            "task": wildcards.task,
            "rung": rung,
            "place": place,
            "trial": trial,
            "score": meta_search.score(curve) if trained else math.inf,
            "best_score": float(state.best_validation),
            "meta_steps": int(state.step),
            "best_meta_step": int(state.best_step),
            "skipped_steps": int(state.optimizer.total_notfinite),
            "seconds": round(time.monotonic() - began, 1),
            **dataclasses.asdict(recipe),
        }
        store.save_table(output.result, pd.DataFrame([result]))
        Checkpoint(Path(output.state), identity, 0.0).save(state, rows, now=True)
        checkpoint.remove()


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
