# Train one optimizer per task and seed, then choose the seed that the figures show.


rule meta_train:
    input:
        code=MODEL + code("meta_gradient.py", "meta_training.py"),
    output:
        theta="results/{scale}/meta_training/{task}/seed_{seed}/theta.npz",
        curve="results/{scale}/meta_training/{task}/seed_{seed}/curve.csv",
    log:
        "results/{scale}/logs/meta_train/{task}_seed_{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/meta_train/{task}_seed_{seed}.tsv"
    wildcard_constraints:
        scale=scales_with(weights=False),
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=training_memory,
        runtime="1d",
    params:
        problem=training_problem,
        steps=study("tasks", "{task}", "steps"),
        optimizer=study("tasks", "{task}", "optimizer"),
        meta_training=training,
    script:
        "../workflow/scripts/meta_train.py"


rule select:
    input:
        theta=seeds("results/{scale}/meta_training/{task}/seed_{seed}/theta.npz"),
        code=code("store.py", "selection.py"),
    output:
        "results/{scale}/meta_training/{task}/selection.json",
    log:
        "results/{scale}/logs/select/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/select/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    script:
        "../workflow/scripts/select.py"


rule meta_training:
    input:
        expand(
            tasks("results/{scale}/meta_training/{task}/selection.json"), scale=SCALE
        ),
