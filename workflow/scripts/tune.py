"""Tune one baseline optimizer on one task by random search."""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, training=True, log=snakemake.log[0])

import pandas as pd

from lopt import tuning
from lopt.extensions import BASELINES
from lopt.lineage import write_record
from lopt.records import store
from lopt.tasks import make_task


def main(wildcards, params, output) -> None:
    settings = params.tuning
    result = tuning.search(
        make_task(wildcards.task, params.problem),
        BASELINES.load(wildcards.optimizer)(),
        {name: tuning.SearchRange(**bounds) for name, bounds in settings["ranges"].items()},
        samples=settings["samples"],
        problems=settings["problems"],
        fresh_problems=settings["fresh_problems"],
        steps=params.steps,
        seed=0,
        rungs=[tuning.Rung(**rung) for rung in settings["rungs"]],
        divergence_factor=settings["divergence_factor"],
    )
    winner = result.winner
    best = {
        "optimizer": wildcards.optimizer,
        "hyperparameters": {name: float(value) for name, value in winner.theta._asdict().items()},
        "meta_objective": winner.score,
        "meta_objective_se": winner.standard_error,
        "trials": settings["samples"],
        "diverged_share": result.diverged_share,
        "rank": winner.rank,
        "fresh_problems": settings["fresh_problems"],
        "fresh_meta_objective": winner.fresh_score,
        "fresh_rank": winner.fresh_rank,
        "fresh_diverged": winner.fresh_diverged,
        "contenders": winner.contenders,
        "alike": winner.alike,
        "gradients": result.gradients,
        "gradients_of_full_search": result.gradients_of_full_search,
    }
    logger.info("best: %s", best)
    store.save_table(output.trials, pd.DataFrame(tuning.trial_columns(result.table)))
    store.save_json(output.best, best)


main(snakemake.wildcards, snakemake.params, snakemake.output)
write_record(snakemake)
