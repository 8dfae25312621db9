# Put an untrained optimizer and the tuned baselines through the analysis: what statements are held against.


rule analyze_nulls:
    input:
        theta=first_seed,
        best=results("best"),
    output:
        folder=directory(result("nulls")),
        sums=result("nulls_sums"),
    log:
        "results/{scale}/logs/analyze_nulls/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/analyze_nulls/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        code=code("nulls.py", "task", "family", "baselines"),
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        analysis=study("tasks", "{task}", "analysis"),
        evaluation=study("tasks", "{task}", "evaluation"),
    message:
        says("Analyzing an untrained optimizer and the baselines on {wildcards.task}")
    script:
        "../workflow/scripts/nulls.py"


rule nulls:
    input:
        at_configured_scale("nulls"),
