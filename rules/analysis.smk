# Read the mechanisms off every trained optimizer, in float64.


rule analyze:
    input:
        theta=result("theta"),
    output:
        trajectories=result("trajectories"),
        fixed_points=result("fixed_points"),
        linearization=result("linearization"),
        responses=result("responses"),
    log:
        "results/{scale}/logs/analyze/{task}_seed_{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/analyze/{task}_seed_{seed}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        code=code("analyze.py", "task", "family"),
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        analysis=study("tasks", "{task}", "analysis"),
    message:
        says("Reading the mechanisms off {wildcards.task}, seed {wildcards.seed}")
    script:
        "../workflow/scripts/analyze.py"


rule analysis:
    input:
        at_configured_scale("responses"),
