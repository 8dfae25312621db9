# Remove one mechanism at a time from every trained optimizer: what each is worth.


rule intervene:
    input:
        theta=of_part(
            "interventions", lambda wildcards: result("theta").format(**wildcards)
        ),
        linearization=result("linearization"),
    output:
        result("intervention_runs"),
    log:
        "results/{scale}/logs/intervene/{task}_seed_{seed}_part_{part}.log",
    benchmark:
        "results/{scale}/benchmarks/intervene/{task}_seed_{seed}_part_{part}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        code=code("intervene.py", "task", "family"),
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        evaluation=study("tasks", "{task}", "evaluation"),
        interventions=study("tasks", "{task}", "interventions"),
    message:
        says(
            "Removing mechanisms from {wildcards.task}, seed {wildcards.seed}, part {wildcards.part}"
        )
    script:
        "../workflow/scripts/intervene.py"


rule weigh_interventions:
    input:
        runs=results("intervention_runs"),
        losses=result("losses"),
    output:
        costs=result("interventions"),
        broken=result("broken"),
    log:
        "results/{scale}/logs/weigh_interventions/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/weigh_interventions/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("weigh_interventions.py"),
    message:
        says("Weighing the interventions on {wildcards.task}")
    script:
        "../workflow/scripts/weigh_interventions.py"


rule stabilize:
    input:
        theta=results("theta"),
        linearization=results("linearization"),
        selection=results("selection"),
        nulls=lambda wildcards: map(ancient, results("nulls")(wildcards)),
        nulls_sums=results("nulls_sums"),
    output:
        result("stability"),
    log:
        "results/{scale}/logs/stabilize/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/stabilize/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        code=code("stabilize.py", "task", "family"),
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        analysis=study("tasks", "{task}", "analysis"),
        baselines=study("baselines"),
    message:
        says("Finding where optimizers of {wildcards.task} stay stable")
    script:
        "../workflow/scripts/stabilize.py"


rule distill:
    input:
        theta=results("theta"),
        trajectories=results("trajectories"),
        linearization=results("linearization"),
        responses=results("responses"),
        selection=results("selection"),
        losses=result("losses"),
    output:
        result("distilled"),
    log:
        "results/{scale}/logs/distill/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/distill/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        code=code("distill.py", "task", "family"),
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        evaluation=study("tasks", "{task}", "evaluation"),
        interventions=study("tasks", "{task}", "interventions"),
        tuning=study("tasks", "{task}", "tuning"),
    message:
        says("Distilling optimizers of {wildcards.task} into formulas")
    script:
        "../workflow/scripts/distill.py"


rule run_away:
    input:
        theta=of_part("interventions", results("theta")),
        selection=results("selection"),
        best=results("best"),
        linearization=results("linearization"),
        responses=results("responses"),
        stability=of_every_task("stability"),
        nulls=lambda wildcards: map(ancient, results("nulls")(wildcards)),
        nulls_sums=results("nulls_sums"),
    output:
        result("transfer_runs"),
    log:
        "results/{scale}/logs/run_away/{task}_part_{part}.log",
    benchmark:
        "results/{scale}/benchmarks/run_away/{task}_part_{part}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        code=code("run_away.py", "task", "family", "baselines"),
        tasks=lambda wildcards: {
            task: {
                key: values[key]
                for key in ("problem", "steps", "seeds", "interventions")
            }
            for task, values in STUDIES[wildcards.scale]["tasks"].items()
        },
        baselines=study("baselines"),
        parts=study("tasks", "{task}", "interventions", "parts"),
    message:
        says(
            "Running optimizers of {wildcards.task} on the tasks of others, part {wildcards.part}"
        )
    script:
        "../workflow/scripts/run_away.py"


rule transfer:
    input:
        results("transfer_runs"),
    output:
        result("transfer"),
    log:
        "results/{scale}/logs/transfer.log",
    benchmark:
        "results/{scale}/benchmarks/transfer.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("transfer.py"),
    message:
        says("Comparing what was foretold of transfer with what happened")
    script:
        "../workflow/scripts/transfer.py"


rule interventions:
    input:
        at_configured_scale("interventions"),
        at_configured_scale("stability"),
        at_configured_scale("distilled"),
        result("transfer").format(scale=SCALE),
