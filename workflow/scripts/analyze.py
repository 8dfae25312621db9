"""Read the mechanism off one trained optimizer: runs, fixed points, modes, responses."""

import time

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, x64=True, log=snakemake.log[0])

import numpy as np

from lopt.analysis.grids import arms, gradient_edges, update_gradients
from lopt.analysis.stages import stages
from lopt.analysis.trajectories import summarize_trajectories
from lopt.keys import stream
from lopt.learned.stored import load_optimizer
from lopt.lineage import write_record
from lopt.optimizers.shared import shared_component
from lopt.records import store
from lopt.records.analysis import Trajectories
from lopt.tasks import as_dtype, make_task, sample_batch


def main(wildcards, inputs, params, output) -> None:
    settings = params.analysis
    task = make_task(wildcards.task, params.problem)
    family, theta, metadata = load_optimizer(
        inputs.theta, task=wildcards.task, seed=int(wildcards.seed)
    )
    limit = settings["update_gradients"]
    facts = {key: metadata[key] for key in ("task", "seed", "optimizer")}
    began = time.monotonic()

    def summarize() -> Trajectories:
        # The runs in float32, as trained and evaluated; what is read off them in float64.
        return summarize_trajectories(
            task,
            shared_component(family, as_dtype(theta, np.float32)),
            sample_batch(task, stream(0, "analysis", "problems"), settings["problems"]),
            steps=params.steps,
            key=stream(0, "analysis", "states"),
            gradient_edges=gradient_edges(limit),
            visited_states=settings["sample_states"],
            batch_size=settings["batch_size"],
        )

    for name, record in stages(
        shared_component(family, as_dtype(theta, np.float64)),
        summarize,
        starts=settings["starts"],
        constant_gradients=arms(**settings["gradients"]),
        update_gradients=update_gradients(limit),
    ):
        logger.info("%s after %.1f s", name, time.monotonic() - began)
        store.save(output[name], record, facts)


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
