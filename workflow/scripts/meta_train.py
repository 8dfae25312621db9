"""Meta-train one optimizer; resume from its checkpoint if there is one."""

from pathlib import Path

from lopt.process import prepare

logger = prepare(
    threads=snakemake.threads,
    training=True,
    gpus=snakemake.resources.get("gpu", 0),
    gpu_memory_percent=snakemake.resources.get("gpu_memory_percent"),
    log=snakemake.log[0],
)

from lopt.lineage import write_record
from lopt.meta_training.outcome import store_trained
from lopt.meta_training.run import beginning, from_settings, resumable
from lopt.records import store


def main(wildcards, inputs, params, output) -> None:
    task, seed = wildcards.task, int(wildcards.seed)
    training, metadata = from_settings(task, seed, params)
    folder = Path(inputs.sums).parent if inputs.start else None
    start, origin = beginning(training, task, seed, folder)
    metadata |= origin
    identity = {**metadata, "code": params.code}
    checkpoint = Path(output.theta).with_name("checkpoint.npz")
    label = f"{task}, seed {seed}"
    with resumable(training, seed, checkpoint, identity, logger, (start, []), label) as outcome:
        if outcome.error:
            raise outcome.error
        store_trained(
            output.theta,
            output.curve,
            training,
            seed,
            outcome.state,
            outcome.curve,
            metadata,
            start,
        )
        store.save_json(output.run, {"wall_seconds": outcome.wall_seconds})


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
