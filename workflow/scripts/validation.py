"""Put optimizers whose answers are known through the analysis."""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, x64=True, log=snakemake.log[0])

import pandas as pd

from lopt.analysis.validation import validate
from lopt.lineage import write_record
from lopt.records import store
from lopt.records.analysis import ValidationRow


def main(output: str) -> None:
    rows = validate()
    for row in rows:
        logger.info("%s: %s of %s, error %.2g", row.verdict, row.quantity, row.optimizer, row.error)
    store.save_table(output, pd.DataFrame(rows, columns=ValidationRow._fields))


main(snakemake.output[0])
write_record(snakemake)
