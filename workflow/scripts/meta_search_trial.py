"""Meta-train one recipe of the search for one rung, from where the rung before left it."""

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

from lopt import config
from lopt.learned import make_family
from lopt.lineage import write_record
from lopt.meta_training.loop import Training
from lopt.meta_training.trial import run_trial, trial_at
from lopt.records import store, stored
from lopt.records.layout import identify
from lopt.tasks import make_task
from lopt.tuning import SearchRange


def main(wildcards, inputs, params, output) -> None:
    search, rung, place = params.meta_search, int(wildcards.rung), int(wildcards.place)
    ranked = (
        stored.load_search_trials(inputs.before[0], **identify(inputs.before[0])) if rung else None
    )
    trial = trial_at(place, rung, search["rungs"], ranked)
    row = run_trial(
        Training(
            task=make_task(wildcards.task, params.problem),
            family=make_family(params.optimizer),
            settings=config.settings(config.MetaTrainingSettings, params.meta_training),
            steps=params.steps,
        ),
        trial,
        task=wildcards.task,
        seed=search["seed"],
        ranges={name: SearchRange(**bounds) for name, bounds in search["ranges"].items()},
        code=params.code,
        before=Path(inputs.before[1 + trial.place_before]) if rung else None,
        left=Path(output.state),
        logger=logger,
    )
    row = {"task": wildcards.task, "rung": rung, "place": place} | row
    store.save_table(output.result, pd.DataFrame([row]))


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
