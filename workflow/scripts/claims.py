"""Compare every published value with ours."""

from lopt.process import prepare

logger = prepare(log=snakemake.log[0])

from lopt import store
from lopt.claims.compare import compare
from lopt.claims.document import INTRODUCTION, markdown, sections
from lopt.claims.published import published_values
from lopt.claims.results import OptimizerResults, TaskResults
from lopt.figures.reading import Results


def read(results: Results, task: str) -> TaskResults:
    optimizers = {
        seed: OptimizerResults(
            *(getattr(results, stage)(task, seed) for stage in OptimizerResults._fields)
        )
        for seed in results.seeds[task]
    }
    return TaskResults(
        evaluation=results.evaluation(task),
        learning_rates={
            name: results.tuned_learning_rate(task, name) for name in results.baselines
        },
        optimizers=optimizers,
        selected=results.selected(task),
        portrait=results.portrait(task),
        common_optimizers=results.common_optimizers(task),
    )


def main(wildcards, params, output) -> None:
    tasks = params.settings["tasks"]
    seeds = {task: settings["seeds"] for task, settings in tasks.items()}
    results = Results(f"results/{wildcards.scale}", seeds, params.settings["baselines"])
    table = compare(
        published_values(),
        {task: read(results, task) for task in tasks},
        tasks,
        params.reference["tasks"],
    )
    for verdict, count in table[table["plotted"] == "yes"]["verdict"].value_counts().items():
        logger.info("%s: %d", verdict, count)
    store.save_table(output.table, table)
    title = f"Published claims and ours, scale {wildcards.scale}"
    page = markdown(title, INTRODUCTION, sections(table)).encode()
    store.write_atomically(output.page, lambda file: file.write(page))


main(snakemake.wildcards, snakemake.params, snakemake.output)
