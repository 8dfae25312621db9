"""Draw many searches of a study's length from one large pool of trials: how much do winners differ?"""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, log=snakemake.log[0])

from lopt.extensions import BASELINES
from lopt.lineage import write_record
from lopt.records import store
from lopt.tasks import make_task
from lopt.tuning import SearchRange
from lopt.tuning.resampling import resample


def main(wildcards, params, output) -> None:
    settings = params.tuning
    table = resample(
        make_task(wildcards.task, params.problem),
        BASELINES.load(wildcards.optimizer)(),
        {name: SearchRange(**bounds) for name, bounds in settings["ranges"].items()},
        pool=settings["pool"],
        samples=settings["samples"],
        searches=settings.get("searches") or 200,
        problems=settings["problems"],
        fresh_problems=settings["fresh_problems"],
        evaluation_problems=params.evaluation["problems"],
        steps=params.steps,
        divergence_factor=settings["divergence_factor"],
        logger=logger,
    )
    store.save_table(output[0], table)


main(snakemake.wildcards, snakemake.params, snakemake.output)
write_record(snakemake)
