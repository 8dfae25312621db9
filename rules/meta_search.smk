# Search for a good meta-training recipe: many recipes trained briefly, the best of them longer.
#
# Which trial fills a place of a later rung is known only when the rung before is ranked; the *jobs* are known
# from the start: place i of rung r trains whatever came i-th in rung r - 1.


wildcard_constraints:
    rung=r"\d+",
    place=r"\d+",


rule meta_search_trial:
    input:
        before=rung_before,
    output:
        result=result("trial"),
        state=result("trial_state"),
    log:
        "results/{scale}/logs/meta_search/{task}_rung_{rung}_place_{place}.log",
    benchmark:
        "results/{scale}/benchmarks/meta_search/{task}_rung_{rung}_place_{place}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=training_memory,
        runtime="1d",
    params:
        code=code("meta_search_trial.py", "task", "family"),
        problem=training_problem,
        steps=study("tasks", "{task}", "steps"),
        optimizer=study("tasks", "{task}", "optimizer"),
        meta_training=study("tasks", "{task}", "meta_training"),
        meta_search=study("tasks", "{task}", "meta_search"),
    message:
        says(
            "Training recipe {wildcards.place} of rung {wildcards.rung} on {wildcards.task}"
        )
    script:
        "../workflow/scripts/meta_search_trial.py"


rule meta_search_rank:
    input:
        results=lambda wildcards: expand(
            result("trial"),
            place=range(trials(wildcards, int(wildcards.rung))),
            **wildcards,
        ),
    output:
        result("ranking"),
    log:
        "results/{scale}/logs/meta_search/{task}_rung_{rung}_rank.log",
    benchmark:
        "results/{scale}/benchmarks/meta_search/{task}_rung_{rung}_rank.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code("meta_search_rank.py"),
    message:
        says("Ranking the recipes of rung {wildcards.rung} on {wildcards.task}")
    script:
        "../workflow/scripts/meta_search_rank.py"


rule meta_search_table:
    input:
        lambda wildcards: expand(
            result("ranking"),
            rung=reversed(range(len(rungs(wildcards)))),
            **wildcards,
        ),
    output:
        result("search_table"),
    log:
        "results/{scale}/logs/meta_search/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/meta_search/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code("meta_search_table.py"),
    message:
        says("Tabulating the recipes of {wildcards.task}")
    script:
        "../workflow/scripts/meta_search_table.py"


rule meta_search:
    input:
        at_configured_scale("search_table"),
