# A census: how often does such training find each mechanism? Every variant of every task, every seed.
#
#   snakemake --cores all --config scale=census
#
# Trainings of a task, or the released file that stands in for them, are gathered in one file; the rest reads that.


rule train_variant:
    output:
        theta=result("variant_theta"),
        curve=result("variant_curve"),
        run=result("variant_run"),
    log:
        "results/{scale}/logs/train_variant/{task}_{variant}_seed_{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/train_variant/{task}_{variant}_seed_{seed}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=training_memory,
        runtime="1d",
    params:
        code=code("train_variant.py", "task", "variant"),
        problem=training_problem_of_variant,
        steps=variant("steps"),
        optimizer=variant("optimizer"),
        meta_training=variant("meta_training"),
    message:
        says(
            "Meta-training {wildcards.variant} on {wildcards.task}, seed {wildcards.seed}"
        )
    script:
        "../workflow/scripts/train_variant.py"


rule gather_census:
    input:
        unpack(collected),
    output:
        result("collection"),
    log:
        "results/{scale}/logs/gather_census/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/gather_census/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code("gather_census.py"),
        sum=collection_sum,
        variants=lambda wildcards: variant_seeds(wildcards.scale, wildcards.task),
        settings=collection_settings,
        baselines=study("baselines"),
    message:
        says("Gathering the optimizers of {wildcards.task}")
    script:
        "../workflow/scripts/gather_census.py"


rule measure_hand_made:
    input:
        result("collection"),
    output:
        hand_made=result("hand_made"),
        dynamics=result("hand_made_dynamics"),
    log:
        "results/{scale}/logs/measure_hand_made/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/measure_hand_made/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        code=code("measure_hand_made.py", "task", "baselines"),
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        evaluation=study("tasks", "{task}", "evaluation"),
        baselines=study("baselines"),
    message:
        says("Measuring the tuned baselines of {wildcards.task}")
    script:
        "../workflow/scripts/measure_hand_made.py"


rule measure_variant:
    input:
        collection=result("collection"),
        hand_made=result("hand_made"),
    output:
        measured=result("measured"),
        dynamics=result("dynamics"),
    log:
        "results/{scale}/logs/measure_variant/{task}_{variant}.log",
    benchmark:
        "results/{scale}/benchmarks/measure_variant/{task}_{variant}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        code=code("measure_variant.py", "task", "variant"),
        # It says where numbers are taken; what is published there, the job does not read.
        published=sources.code_digest([sources.PACKAGE / "records" / "published.csv"]),
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        evaluation=study("tasks", "{task}", "evaluation"),
        analysis=study("tasks", "{task}", "analysis"),
        seeds=variant("seeds"),
        optimizer=variant("optimizer"),
        recipe=variant("meta_training"),
        size=size_of_variant,
    message:
        says("Reading the mechanisms off {wildcards.variant} on {wildcards.task}")
    script:
        "../workflow/scripts/measure_variant.py"


rule compare_dynamics:
    input:
        result("hand_made_dynamics"),
        of_variants("dynamics"),
    output:
        result("similarity"),
    log:
        "results/{scale}/logs/compare_dynamics/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/compare_dynamics/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("compare_dynamics.py"),
    message:
        says("Comparing the dynamics of all optimizers of {wildcards.task}")
    script:
        "../workflow/scripts/compare_dynamics.py"


rule resample_searches:
    output:
        result("searches"),
    log:
        "results/{scale}/logs/resample_searches/{task}_{optimizer}.log",
    benchmark:
        "results/{scale}/benchmarks/resample_searches/{task}_{optimizer}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        code=code("resample_searches.py", "task", "baseline"),
        problem=study("tasks", "{task}", "problem"),
        steps=study("tasks", "{task}", "steps"),
        evaluation=study("tasks", "{task}", "evaluation"),
        tuning=tuning,
    message:
        says("Resampling searches for {wildcards.optimizer} on {wildcards.task}")
    script:
        "../workflow/scripts/resample_searches.py"


rule count_census:
    input:
        measured=of_variants("measured"),
        collections=of_census("collection"),
        searches=census_searches,
    output:
        measured=result("census_measured"),
        census=result("census"),
        ranks=result("census_ranks"),
        failures=result("census_failures"),
        draws=result("census_draws"),
        page=result("census_page"),
    log:
        "results/{scale}/logs/count_census.log",
    benchmark:
        "results/{scale}/benchmarks/count_census.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("count_census.py"),
        published=sources.code_digest([sources.PACKAGE / "records" / "published.csv"]),
    message:
        says("Counting in how many optimizers each statement holds")
    script:
        "../workflow/scripts/count_census.py"


rule census:
    input:
        result("census_page").format(scale=SCALE),
        figure_files(CENSUS_FIGURES),


rule figS_similarity:
    input:
        figure_files(["figS_similarity"]),
