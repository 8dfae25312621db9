"""Read the mechanisms off every optimizer of a variant, and ask of each what the claims ask."""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, x64=True, log=snakemake.log[0])

import numpy as np

from lopt.analysis import dynamics
from lopt.analysis.grids import arms, gradient_edges, update_gradients
from lopt.census_collection import baselines, trained
from lopt.claims import census
from lopt.claims.evidence import Absent, OptimizerResults, TaskResults
from lopt.config import digest
from lopt.lineage import write_record
from lopt.progress import Progress
from lopt.records import store
from lopt.records.census import HandMade
from lopt.records.evaluation import LEARNED, Evaluation
from lopt.records.published import published_values
from lopt.tasks import make_task


def main(wildcards, inputs, params, output) -> None:
    task, settings = make_task(wildcards.task, params.problem), params.analysis
    hand_made, _ = store.load(inputs.hand_made, HandMade, expect={"task": wildcards.task})
    best = baselines(inputs.collection)
    members = trained(inputs.collection, wildcards.task, wildcards.variant, params.seeds)
    runner = dynamics.Runner(
        task,
        steps=params.steps,
        evaluation=params.evaluation,
        analysis=settings,
        constant_gradients=arms(**settings["gradients"]),
        gradient_edges=gradient_edges(settings["update_gradients"]),
        update_gradients=update_gradients(settings["update_gradients"]),
    )
    optimizers, losses, moves = {}, {}, []
    progress = Progress(len(members), "optimizer", logger, label=wildcards.variant)
    for number, member in enumerate(members):
        if not member.failure:
            losses[member.seed] = runner.losses(member.family, member.theta)
            found = runner.analyze(member.family, member.theta)
            for stage, reason in found.missing.items():
                logger.info("seed %d has no %s: %s", member.seed, stage, reason)
            optimizers[member.seed] = OptimizerResults(
                *(found.stages.get(stage) or Absent(stage) for stage in OptimizerResults._fields)
            )
            answer = runner.moves(member.family, member.theta, hand_made.gradients, found)
            moves.append((wildcards.variant, member.seed, *answer))
        progress.report(number + 1)
    progress.close()
    seeds = [*losses, *[-1] * len(hand_made.optimizers)]
    evaluation = Evaluation(
        np.array([*[LEARNED] * len(losses), *hand_made.optimizers.tolist()]),
        np.array(seeds),
        np.concatenate([*[each[None] for each in losses.values()], hand_made.losses]),
    )
    results = TaskResults(
        evaluation=evaluation,
        learning_rates={
            name: float(best[name]["hyperparameters"].get("learning_rate", "nan"))
            for name in hand_made.optimizers.tolist()
        },
        optimizers=optimizers,
        selected=min(optimizers, default=-1),
    )
    places = census.places(published_values(), wildcards.task)
    facts = {
        "task": wildcards.task,
        "variant": wildcards.variant,
        "family": params.optimizer["family"],
        "size": params.size,
        "recipe": digest(params.recipe),
    }
    table = census.measure(results, [(m.seed, m.failure) for m in members], places)
    store.save_table(output.measured, table.assign(**facts)[[*facts, *table.columns]])
    stacked = dynamics.stack(moves, len(hand_made.gradients), params.steps)
    store.save(output.dynamics, stacked, {"task": wildcards.task, "variant": wildcards.variant})


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
