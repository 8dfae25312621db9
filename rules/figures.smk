# The figures, each with the numbers that it draws; and what only figures show.
#
# A figure is a file in lopt/figures: it states what it reads, its title and its caption.


rule portray:
    output:
        result("portrait"),
    log:
        "results/{scale}/logs/portray/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/portray/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("portray.py", "task"),
        problem=study("tasks", "{task}", "problem"),
    message:
        says("Portraying the problems of {wildcards.task}")
    script:
        "../workflow/scripts/portray.py"


rule common_optimizers:
    input:
        best=results("best"),
    output:
        result("common_optimizers"),
    log:
        "results/{scale}/logs/common_optimizers/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/common_optimizers/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("common_optimizers.py", "baselines"),
        analysis=study("tasks", "{task}", "analysis"),
    message:
        says("Computing update functions of common optimizers on {wildcards.task}")
    script:
        "../workflow/scripts/common_optimizers.py"


rule draw:
    input:
        read_by_figure,
    output:
        pdf="results/{scale}/figures/{figure}.pdf",
        png=report(
            "results/{scale}/figures/{figure}.png",
            caption="../workflow/report/figure.rst",
            category=lambda wildcards: (
                "Supplement" if wildcards.figure.startswith("figS") else "Figures"
            ),
            labels=lambda wildcards: {"figure": FIGURES[wildcards.figure]["TITLE"]},
        ),
        csv="results/{scale}/figures/{figure}.csv",
    log:
        "results/{scale}/logs/figures/{figure}.log",
    benchmark:
        "results/{scale}/benchmarks/figures/{figure}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("draw.py", "figure"),
        presentation=presentation,
        caption=lambda wildcards: FIGURES[wildcards.figure]["CAPTION"],
    message:
        says("Drawing {wildcards.figure}")
    script:
        "../workflow/scripts/draw.py"


# A target for every figure of the paper, by the first word of its file's name: fig1, fig2, ...
for figure in (name for name in FIGURES if not name.startswith("figS")):

    rule:
        name:
            figure.split("_")[0]
        input:
            figure_files([figure]),


rule supplement:
    input:
        figure_files([name for name in STUDY_FIGURES if name.startswith("figS")]),
