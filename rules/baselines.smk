# Tune every baseline on every task.


rule tune:
    output:
        best=result("best"),
        trials=result("trials"),
    log:
        "results/{scale}/logs/tune/{task}_{optimizer}.log",
    benchmark:
        "results/{scale}/benchmarks/tune/{task}_{optimizer}.tsv"
    wildcard_constraints:
        scale=scales_with(weights=False),
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime="2h",
    params:
        code=code("tune.py", "task", "baseline"),
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        tuning=tuning,
    message:
        says("Tuning {wildcards.optimizer} on {wildcards.task}")
    script:
        "../workflow/scripts/tune.py"


rule baselines:
    input:
        at_configured_scale("best"),
