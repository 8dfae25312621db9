# Run learned and tuned optimizers on the same held-out problems.


rule evaluate:
    input:
        theta=seeds(
            "results/{scale}/meta_training/{task}/seed_{seed}/theta.npz", early=True
        ),
        baselines=expand(
            "results/{scale}/baselines/{task}/{optimizer}/best.json",
            optimizer=OPTIMIZERS,
            allow_missing=True,
        ),
        code=MODEL + code("evaluation.py"),
    output:
        losses="results/{scale}/evaluation/{task}/losses.npz",
        summary="results/{scale}/evaluation/{task}/summary.csv",
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
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        evaluation=study("tasks", "{task}", "evaluation"),
    script:
        "../workflow/scripts/evaluate.py"


rule evaluation:
    input:
        expand(tasks("results/{scale}/evaluation/{task}/summary.csv"), scale=SCALE),
