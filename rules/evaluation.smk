# Run learned and tuned optimizers on the same held-out problems.


rule evaluate:
    input:
        theta=results("theta", early=True),
        best=results("best"),
    output:
        losses=result("losses"),
        summary=result("summary"),
    log:
        "results/{scale}/logs/evaluate/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/evaluate/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        code=code("evaluate.py", "task", "family", "baselines"),
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        evaluation=study("tasks", "{task}", "evaluation"),
    message:
        says("Running all optimizers on the test problems of {wildcards.task}")
    script:
        "../workflow/scripts/evaluate.py"


rule evaluation:
    input:
        at_configured_scale("summary"),
