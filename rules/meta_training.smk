# Train one optimizer per task and seed, then choose the seed that the figures show.


rule meta_train:
    input:
        start=weights_file(RELEASED["theta"], of=folder_begun_from),
        sums=weights_file("SHA256SUMS", of=folder_begun_from),
    output:
        theta=result("theta"),
        curve=result("curve"),
        run=result("run"),
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
        code=code("meta_train.py", "task", "family"),
        problem=training_problem,
        steps=study("tasks", "{task}", "steps"),
        optimizer=study("tasks", "{task}", "optimizer"),
        meta_training=training,
        start=weights_sums(RELEASED["theta"], of=folder_begun_from),
    message:
        says("Meta-training on {wildcards.task}, seed {wildcards.seed}")
    script:
        "../workflow/scripts/meta_train.py"


rule select:
    input:
        theta=results("theta"),
    output:
        result("selection"),
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
    params:
        code=code("select.py"),
    message:
        says("Choosing the optimizer of {wildcards.task} that figures show")
    script:
        "../workflow/scripts/select.py"


rule meta_training:
    input:
        at_configured_scale("selection"),
