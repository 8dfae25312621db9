# What the report shows beyond the figures. `make report` builds it:
#
#   snakemake --cores all && snakemake --report results/<scale>/report.html


report: "../workflow/report/workflow.rst"


rule record_run:
    input:
        theta=seeds(
            "results/{scale}/meta_training/{task}/seed_{seed}/theta.npz", early=True
        ),
        selections=tasks("results/{scale}/meta_training/{task}/selection.json"),
        summaries=tasks("results/{scale}/evaluation/{task}/summary.csv"),
        responses=seeds("results/{scale}/analysis/{task}/seed_{seed}/responses.npz"),
        code=code("store.py", "report.py"),
    output:
        run_times="results/{scale}/run_times.csv",
        trainings="results/{scale}/trainings.csv",
        versions="results/{scale}/versions.csv",
        configuration="results/{scale}/configuration.yaml",
    log:
        "results/{scale}/logs/record_run.log",
    benchmark:
        "results/{scale}/benchmarks/record_run.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=study(),
        stages=["meta_train", "tune", "evaluate", "analyse", "analyze_nulls"],
    script:
        "../workflow/scripts/record_run.py"


rule tabulate:
    input:
        claims="results/{scale}/claims.csv",
        validation="results/{scale}/validation.csv",
        run_times="results/{scale}/run_times.csv",
        trainings="results/{scale}/trainings.csv",
        versions="results/{scale}/versions.csv",
        configuration="results/{scale}/configuration.yaml",
        code=code("store.py", "report.py", "claims"),
    output:
        claims=reported("claims", "Published claims and ours", "Numbers"),
        validation=reported("validation", "Validation", "Numbers"),
        run_times=reported("run_times", "Run times", "Run"),
        trainings=reported("trainings", "Trained optimizers", "Run"),
        versions=reported("versions", "Versions", "Run"),
        configuration=reported("configuration", "Configuration", "Run"),
    log:
        "results/{scale}/logs/tabulate.log",
    benchmark:
        "results/{scale}/benchmarks/tabulate.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    script:
        "../workflow/scripts/tabulate.py"


rule report_pages:
    input:
        expand(
            "results/{scale}/report/{page}.html",
            scale=SCALE,
            page=[
                "claims",
                "validation",
                "run_times",
                "trainings",
                "versions",
                "configuration",
            ],
        ),
