"""Draw one figure, whichever its rule names, and store the numbers beside it."""

from importlib import import_module
from pathlib import Path

from lopt.process import prepare

prepare(threads=snakemake.threads, log=snakemake.log[0])

from lopt.records import store
from lopt.figures import style
from lopt.records.results import Results


def main(params, output) -> None:
    figure = import_module(f"lopt.figures.{params.figure}")
    folder = Path(output.csv).parent.parent  # results/<scale>
    results = Results(folder, params.seeds, params.baselines, params.get("early", {}), params.note)
    data = figure.read(results)
    store.save_table(output.csv, figure.numbers(data))
    style.save(figure.draw(data), output.pdf, output.png)


main(snakemake.params, snakemake.output)
