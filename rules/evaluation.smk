# Run learned and tuned optimizers on the same held-out problems.


rule evaluate:
    input:
        theta=of_part("evaluation", results("theta", early=True)),
        best=results("best"),
    output:
        result("evaluation_runs"),
    log:
        "results/{scale}/logs/evaluate/{task}_part_{part}.log",
    benchmark:
        "results/{scale}/benchmarks/evaluate/{task}_part_{part}.tsv"
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
        says(
            "Running all optimizers on the test problems of {wildcards.task}, part {wildcards.part}"
        )
    script:
        "../workflow/scripts/evaluate.py"


rule summarize_evaluation:
    input:
        results("evaluation_runs"),
    output:
        losses=result("losses"),
        summary=result("summary"),
    log:
        "results/{scale}/logs/summarize_evaluation/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/summarize_evaluation/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("summarize_evaluation.py"),
        steps=study("tasks", "{task}", "steps"),
    message:
        says("Comparing all optimizers of {wildcards.task}")
    script:
        "../workflow/scripts/summarize_evaluation.py"


rule evaluation:
    input:
        at_configured_scale("summary"),
