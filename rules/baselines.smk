# Tune momentum, RMSProp and Adam on every task.


rule tune:
    input:
        code=MODEL + code("tuning"),
    output:
        best="results/{scale}/baselines/{task}/{optimizer}/best.json",
        trials="results/{scale}/baselines/{task}/{optimizer}/trials.csv",
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
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        tuning=study("tasks", "{task}", "tuning"),
    script:
        "../workflow/scripts/tune.py"


rule baselines:
    input:
        expand(
            "results/{scale}/baselines/{task}/{optimizer}/best.json",
            scale=SCALE,
            task=TASKS,
            optimizer=OPTIMIZERS,
        ),
