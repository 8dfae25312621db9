"""Compare every published value with ours."""

from lopt.process import prepare

logger = prepare(log=snakemake.log[0])

from lopt import store
from lopt.claims.compare import compare
from lopt.claims.document import INTRODUCTION, markdown, matrix, sections
from lopt.claims.published import published_values
from lopt.claims.results import gather
from lopt.claims.summary import summarize
from lopt.figures.reading import Results


def main(wildcards, params, output) -> None:
    tasks = params.settings["tasks"]
    results = Results(
        f"results/{wildcards.scale}", params.seeds, params.settings["baselines"], params.early
    )
    table = compare(
        published_values(),
        {task: gather(results, task) for task in tasks},
        tasks,
        params.reference["tasks"],
    )
    logger.info("agreement by figure and task\n%s", matrix(summarize(table)).to_string(index=False))
    store.save_table(output.table, table)
    title = f"Published claims and ours, scale {wildcards.scale}"
    page = markdown(title, INTRODUCTION, sections(table)).encode()
    store.save_bytes(output.page, page)


main(snakemake.wildcards, snakemake.params, snakemake.output)
