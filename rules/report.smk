# What the report shows beyond the figures. `make report` builds it:
#
#   snakemake --cores all && snakemake --report results/<scale>/report.html


report: "../workflow/report/workflow.rst"


rule record_run:
    input:
        theta=results("theta", early=True),
        run=results("run", early=True),
        selection=results("selection"),
        summary=results("summary"),
        # Not read: so that these jobs have ended, and their run times are known.
        responses=results("responses", early=True),
        nulls=results("nulls_sums"),
        interventions=results("interventions"),
        stability=results("stability"),
        distilled=results("distilled"),
    output:
        run_times=result("run_times"),
        trainings=result("trainings"),
        versions=result("versions"),
        configuration=result("configuration"),
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
        code=code("record_run.py", "family"),
        settings=study(),
        benchmarks=lambda wildcards, output: str(
            Path(output.run_times).with_name("benchmarks")
        ),
        stages=[
            "meta_train",
            "tune",
            "evaluate",
            "analyze",
            "analyze_nulls",
            "intervene",
            "stabilize",
            "distill",
        ],
    message:
        says("Writing down how the run went")
    script:
        "../workflow/scripts/record_run.py"


rule tabulate:
    input:
        claims=result("claims"),
        validation=result("validation"),
        run_times=result("run_times"),
        trainings=result("trainings"),
        versions=result("versions"),
        configuration=result("configuration"),
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
    params:
        code=code("tabulate.py"),
    message:
        says("Making the report's pages")
    script:
        "../workflow/scripts/tabulate.py"


rule report_pages:
    input:
        expand(
            result("page"),
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
