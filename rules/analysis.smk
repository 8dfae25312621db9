# Read the mechanisms off every trained optimizer, in float64.


rule analyse:
    input:
        theta="results/{scale}/meta_training/{task}/seed_{seed}/theta.npz",
        code=MODEL + code("analysis"),
    output:
        trajectories="results/{scale}/analysis/{task}/seed_{seed}/trajectories.npz",
        fixed_points="results/{scale}/analysis/{task}/seed_{seed}/fixed_points.npz",
        linearization="results/{scale}/analysis/{task}/seed_{seed}/linearization.npz",
        responses="results/{scale}/analysis/{task}/seed_{seed}/responses.npz",
    log:
        "results/{scale}/logs/analyse/{task}_seed_{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/analyse/{task}_seed_{seed}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        analysis=study("tasks", "{task}", "analysis"),
    script:
        "../workflow/scripts/analyse.py"


rule analysis:
    input:
        [
            f"results/{SCALE}/analysis/{task}/seed_{seed}/responses.npz"
            for task in TASKS
            for seed in STUDY["tasks"][task]["seeds"]
        ],
