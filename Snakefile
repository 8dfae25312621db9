# Reverse engineering learned optimizers: from config.yaml to the figures.
#
#   snakemake --cores all                  everything, at config.yaml's scale
#   snakemake --cores all fig4             one figure
#   snakemake --list-target-rules          what else there is

from pathlib import Path

from snakemake.utils import min_version

min_version("9.25")


# The working directory's, or else (with --directory) the project's own. A module may have been given one.
CONFIG = "config.yaml"
if "study" not in config and not Path(CONFIG).exists():
    CONFIG = workflow.source_path(CONFIG)


configfile: CONFIG


include: "rules/common.smk"
include: "rules/paths.smk"
include: "rules/variants.smk"
include: "rules/figure_files.smk"
include: "rules/meta_training.smk"
include: "rules/meta_search.smk"
include: "rules/baselines.smk"
include: "rules/weights.smk"
include: "rules/evaluation.smk"
include: "rules/analysis.smk"
include: "rules/nulls.smk"
include: "rules/interventions.smk"
include: "rules/figures.smk"
include: "rules/validation.smk"
include: "rules/claims.smk"
include: "rules/report.smk"
include: "rules/census.smk"


# A workflow that this one is a module of says itself where it ends.
if not workflow.modifier.skip_configfile:

    onsuccess:
        figures = Path("results", SCALE, "figures")
        if figures.is_dir():
            page = figures.parent / "claims.md"
            beside = (
                f", published values beside ours in {page}" if page.exists() else ""
            )
            logger.info(f"Figures are in {figures}{beside}.")


rule all:
    default_target: True
    input:
        rules.census.input
        if STUDIES[SCALE]["makes"] == "census"
        else [
            figure_files(STUDY_FIGURES),
            rules.validation.input,
            rules.claims.input,
            rules.interventions.input,
            rules.report_pages.input,
        ],
