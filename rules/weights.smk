# Released optimizers and tuned baselines stand in for meta-training and tuning, at scales that name their folder.

if workflow.is_main_process:
    try:
        look_for_weights(SCALE)
    except StoreError as error:
        raise WorkflowError(str(error)) from None


rule take_optimizer:
    input:
        theta=weights_file(RELEASED["theta"]),
        curve=weights_file(RELEASED["curve"]),
        sums=weights_file("SHA256SUMS"),
    output:
        theta=result("theta"),
        curve=result("curve"),
        run=result("run"),
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
        code=code("take_optimizer.py", "family"),
        sums=weights_sums(RELEASED["theta"], RELEASED["curve"]),
        optimizer=study("tasks", "{task}", "optimizer"),
    message:
        says("Taking the released optimizer of {wildcards.task}, seed {wildcards.seed}")
    script:
        "../workflow/scripts/take_optimizer.py"


rule take_baseline:
    input:
        best=weights_file(RELEASED["best"]),
        trials=weights_file(RELEASED["trials"]),
        sums=weights_file("SHA256SUMS"),
    output:
        best=result("best"),
        trials=result("trials"),
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
        code=code("take_baseline.py"),
        sums=weights_sums(
            RELEASED["best"],
            RELEASED["trials"],
        ),
    message:
        says("Taking the released {wildcards.optimizer} of {wildcards.task}")
    script:
        "../workflow/scripts/take_baseline.py"
