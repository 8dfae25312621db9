# Released optimizers and tuned baselines stand in for meta-training and tuning, at scales that name their folder.


rule take_optimizer:
    input:
        theta=weights_file("{task}/seed_{seed}.npz"),
        curve=weights_file("{task}/seed_{seed}.csv"),
        code=code("store.py", "weights.py"),
    output:
        theta="results/{scale}/meta_training/{task}/seed_{seed}/theta.npz",
        curve="results/{scale}/meta_training/{task}/seed_{seed}/curve.csv",
    log:
        "results/{scale}/logs/take_optimizer/{task}_seed_{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/take_optimizer/{task}_seed_{seed}.tsv"
    wildcard_constraints:
        scale=scales_with(weights=True),
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        folder=study("weights"),
        optimizer=study("tasks", "{task}", "optimizer"),
    script:
        "../workflow/scripts/take_optimizer.py"


rule take_baseline:
    input:
        best=weights_file("baselines/{task}/{optimizer}/best.json"),
        trials=weights_file("baselines/{task}/{optimizer}/trials.csv"),
        code=code("store.py", "weights.py"),
    output:
        best="results/{scale}/baselines/{task}/{optimizer}/best.json",
        trials="results/{scale}/baselines/{task}/{optimizer}/trials.csv",
    log:
        "results/{scale}/logs/take_baseline/{task}_{optimizer}.log",
    benchmark:
        "results/{scale}/benchmarks/take_baseline/{task}_{optimizer}.tsv"
    wildcard_constraints:
        scale=scales_with(weights=True),
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        folder=study("weights"),
    script:
        "../workflow/scripts/take_baseline.py"
