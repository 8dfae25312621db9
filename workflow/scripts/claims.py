"""Compare every published value with ours."""

from lopt.process import prepare

logger = prepare(log=snakemake.log[0])

from lopt.claims.compare import compare
from lopt.claims.document import INTRODUCTION, markdown, matrix, sections
from lopt.claims.evidence import gather
from lopt.claims.summary import summarize
from lopt.lineage import write_record
from lopt.records import store
from lopt.records.layout import Files
from lopt.records.published import published_values, with_tasks
from lopt.records.results import Results


def main(wildcards, inputs, params, output) -> None:
    tasks = params.settings["tasks"]
    results = Results(Files.listed(inputs), **params.presentation)
    table = compare(
        with_tasks(published_values(), tasks),
        {task: gather(results, task) for task in tasks},
        tasks,
        params.reference,
    )
    logger.info("agreement by figure and task\n%s", matrix(summarize(table)).to_string(index=False))
    store.save_table(output.table, table)
    title = f"Published claims and ours, scale {wildcards.scale}"
    page = markdown(title, INTRODUCTION, sections(table)).encode()
    store.save_bytes(output.page, page)


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
