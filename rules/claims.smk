# Put every published value beside ours.


rule compare:
    input:
        selections=tasks("results/{scale}/meta_training/{task}/selection.json"),
        portraits=tasks("results/{scale}/portraits/{task}.npz"),
        common_optimizers=tasks("results/{scale}/common_optimizers/{task}.npz"),
        losses=tasks("results/{scale}/evaluation/{task}/losses.npz"),
        baselines=expand(
            "results/{scale}/baselines/{task}/{optimizer}/best.json",
            task=TASKS,
            optimizer=OPTIMIZERS,
            allow_missing=True,
        ),
        trajectories=analyses("trajectories", early=True),
        fixed_points=analyses("fixed_points", early=True),
        linearization=analyses("linearization", early=True),
        responses=analyses("responses", early=True),
        nulls=tasks("results/{scale}/nulls/{task}"),
        code=code(
            "store.py",
            "evaluation.py",
            "portraits.py",
            "analysis/results.py",
            "figures/reading.py",
            "claims",
            "claims/published.csv",
        ),
    output:
        table="results/{scale}/claims.csv",
        page="results/{scale}/claims.md",
    log:
        "results/{scale}/logs/compare.log",
    benchmark:
        "results/{scale}/benchmarks/compare.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        seeds=all_seeds,
        early=early_seeds,
        settings=study(),
        reference=config["study"],
    script:
        "../workflow/scripts/claims.py"


rule claims:
    input:
        f"results/{SCALE}/claims.csv",
