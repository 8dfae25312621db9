"""Meta-train one optimizer of a census; one that fails is a result, with how it failed."""

from pathlib import Path

from lopt.process import prepare

logger = prepare(
    threads=snakemake.threads,
    training=True,
    gpus=snakemake.resources.get("gpu", 0),
    gpu_memory_percent=snakemake.resources.get("gpu_memory_percent"),
    log=snakemake.log[0],
)

import pandas as pd

from lopt.learned.stored import save_optimizer
from lopt.lineage import write_record
from lopt.meta_training.loop import CurvePoint, MetaTrainingError, Training, check_learned
from lopt.meta_training.outcome import learned_facts
from lopt.meta_training.run import Outcome, from_settings, resumable
from lopt.records import store


def failure(training: Training, seed: int, outcome: Outcome) -> str:
    """Return why the training came to nothing, or nothing."""
    if outcome.error:
        return str(outcome.error)
    try:
        check_learned(training, seed, outcome.state)
    except MetaTrainingError as error:
        return str(error)
    return ""


def main(wildcards, params, output) -> None:
    seed = int(wildcards.seed)
    training, metadata = from_settings(wildcards.task, seed, params)
    metadata["variant"] = wildcards.variant
    identity = {**metadata, "code": params.code}
    checkpoint = Path(output.theta).with_name("checkpoint.npz")
    label = f"{wildcards.task}, {wildcards.variant}, seed {seed}"
    with resumable(training, seed, checkpoint, identity, logger, label=label) as outcome:
        state, reason = outcome.state, failure(training, seed, outcome)
        curve = pd.DataFrame(outcome.curve, columns=CurvePoint._fields)
        store.save_table(output.curve, curve)
        run = {
            "wall_seconds": outcome.wall_seconds,
            "failure": reason,
            "meta_steps": int(state.step),
        }
        if reason:
            logger.warning("%s: %s", label, reason)
        store.save_json(output.run, run)
        whole = metadata | learned_facts(training, state, failed=bool(reason))
        save_optimizer(output.theta, state.best_theta, whole)


main(snakemake.wildcards, snakemake.params, snakemake.output)
write_record(snakemake)
