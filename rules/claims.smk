# Put every published value beside ours.


rule compare:
    input:
        selection=results("selection"),
        portrait=results("portrait"),
        common_optimizers=results("common_optimizers"),
        losses=results("losses"),
        best=results("best"),
        trajectories=results("trajectories", early=True),
        fixed_points=results("fixed_points", early=True),
        linearization=results("linearization", early=True),
        responses=results("responses", early=True),
        interventions=results("interventions"),
        stability=results("stability"),
        distilled=results("distilled"),
        # A folder has no checksum that says whether it is the same; the list of its files' has.
        nulls=lambda wildcards: map(ancient, results("nulls")(wildcards)),
        nulls_sums=results("nulls_sums"),
    output:
        table=result("claims"),
        page=result("claims_page"),
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
        code=code("claims.py", "task", "family"),
        published=sources.code_digest(
            [
                sources.PACKAGE / "records" / name
                for name in ("published.csv", "search_spreads.csv")
            ]
        ),
        presentation=presentation,
        settings=study(),
        reference=reference,
    message:
        says("Putting published values beside ours")
    script:
        "../workflow/scripts/claims.py"


rule claims:
    input:
        result("claims").format(scale=SCALE),
