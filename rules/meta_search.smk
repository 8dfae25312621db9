# Search for a good meta-training recipe: many recipes trained briefly, the best of them longer.
#
# Which trial fills a place of a later rung is known only when the rung before is ranked; the *jobs* are known
# from the start: place i of rung r trains whatever came i-th in rung r - 1.


wildcard_constraints:
    rung=r"\d+",
    place=r"\d+",


def rungs(wildcards):
    return STUDIES[wildcards.scale]["tasks"][wildcards.task]["meta_search"]["rungs"]


def rung_before(wildcards):
    """The ranking of the rung before and the states in which it left its trials."""
    rung = int(wildcards.rung) - 1
    if rung < 0:
        return []
    folder = f"results/{wildcards.scale}/meta_search/{wildcards.task}/rung_{rung}"
    places = range(rungs(wildcards)[rung]["trials"])
    return [f"{folder}/ranking.csv"] + [f"{folder}/place_{i}.npz" for i in places]


rule meta_search_trial:
    input:
        before=rung_before,
        code=MODEL
        + code("meta_gradient.py", "meta_training.py", "meta_search.py", "tuning"),
    output:
        result="results/{scale}/meta_search/{task}/rung_{rung}/place_{place}.csv",
        state="results/{scale}/meta_search/{task}/rung_{rung}/place_{place}.npz",
    log:
        "results/{scale}/logs/meta_search/{task}_rung_{rung}_place_{place}.log",
    benchmark:
        "results/{scale}/benchmarks/meta_search/{task}_rung_{rung}_place_{place}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=4000,
        runtime="1d",
    params:
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        optimizer=study("tasks", "{task}", "optimizer"),
        meta_training=study("tasks", "{task}", "meta_training"),
        meta_search=study("tasks", "{task}", "meta_search"),
    script:
        "../workflow/scripts/meta_search_trial.py"


rule meta_search_rank:
    input:
        results=lambda wildcards: expand(
            "results/{scale}/meta_search/{task}/rung_{rung}/place_{place}.csv",
            place=range(rungs(wildcards)[int(wildcards.rung)]["trials"]),
            **wildcards,
        ),
        code=code("store.py", "meta_search.py"),
    output:
        "results/{scale}/meta_search/{task}/rung_{rung}/ranking.csv",
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
    script:
        "../workflow/scripts/meta_search_rank.py"


rule meta_search_table:
    input:
        lambda wildcards: expand(
            "results/{scale}/meta_search/{task}/rung_{rung}/ranking.csv",
            rung=reversed(range(len(rungs(wildcards)))),
            **wildcards,
        ),
    output:
        "results/{scale}/meta_search/{task}/table.csv",
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
    script:
        "../workflow/scripts/meta_search_table.py"


rule meta_search:
    input:
        expand(tasks("results/{scale}/meta_search/{task}/table.csv"), scale=SCALE),
