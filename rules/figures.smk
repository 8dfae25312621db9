# The figures, each with the numbers that it draws; and what only figures show.

DRAWING = code(
    "store.py",
    "analysis/results.py",
    "evaluation.py",
    "portraits.py",
    "figures/reading.py",
    "figures/style.py",
    "figures/tables.py",
)
SELECTION = tasks("results/{scale}/meta_training/{task}/selection.json")
PORTRAITS = tasks("results/{scale}/portraits/{task}.npz")
BEST = "results/{scale}/baselines/{task}/{optimizer}/best.json"
# Momentum's tuned learning rate is a line in some figures; it may not be among the baselines.
MOMENTUM = [name for name in OPTIMIZERS if name == "momentum"]


rule portray:
    input:
        code=code(
            "store.py",
            "keys.py",
            "tasks",
            "optimizers/momentum.py",
            "portraits.py",
            "portray.py",
        ),
    output:
        "results/{scale}/portraits/{task}.npz",
    log:
        "results/{scale}/logs/portray/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/portray/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        problem=study("tasks", "{task}", "problem"),
    script:
        "../workflow/scripts/portray.py"


rule common_optimizers:
    input:
        baselines=expand(
            BEST,
            optimizer=[name for name in OPTIMIZERS if name in ("momentum", "rmsprop")],
            allow_missing=True,
        ),
        code=code(
            "store.py",
            "optimizers",
            "analysis/responses.py",
            "portraits.py",
            "portray.py",
        ),
    output:
        "results/{scale}/common_optimizers/{task}.npz",
    log:
        "results/{scale}/logs/common_optimizers/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/common_optimizers/{task}.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        analysis=study("tasks", "{task}", "analysis"),
    script:
        "../workflow/scripts/common_optimizers.py"


rule fig1_performance:
    input:
        selection=SELECTION,
        portraits=PORTRAITS,
        losses=tasks("results/{scale}/evaluation/{task}/losses.npz"),
        code=DRAWING + code("figures/fig1_performance.py"),
    output:
        pdf="results/{scale}/figures/fig1_performance.pdf",
        png=shown_in_report("fig1_performance", "Figure 1"),
        csv="results/{scale}/figures/fig1_performance.csv",
    log:
        "results/{scale}/logs/figures/fig1_performance.log",
    benchmark:
        "results/{scale}/benchmarks/figures/fig1_performance.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        figure="fig1_performance",
        seeds=all_seeds,
        note=training_note,
        baselines=OPTIMIZERS,
    script:
        "../workflow/scripts/draw.py"


use rule fig1_performance as fig2_momentum with:
    input:
        selection=SELECTION,
        trajectories=analyses("trajectories"),
        linearization=analyses("linearization"),
        responses=analyses("responses"),
        code=DRAWING + code("figures/fig2_momentum.py"),
    output:
        pdf="results/{scale}/figures/fig2_momentum.pdf",
        png=shown_in_report("fig2_momentum", "Figure 2"),
        csv="results/{scale}/figures/fig2_momentum.csv",
    log:
        "results/{scale}/logs/figures/fig2_momentum.log",
    benchmark:
        "results/{scale}/benchmarks/figures/fig2_momentum.tsv"
    params:
        figure="fig2_momentum",
        seeds=all_seeds,
        note=training_note,
        baselines=OPTIMIZERS,


use rule fig1_performance as fig3_gradient_clipping with:
    input:
        selection=SELECTION,
        trajectories=analyses("trajectories"),
        responses=analyses("responses"),
        code=DRAWING + code("figures/fig3_gradient_clipping.py"),
    output:
        pdf="results/{scale}/figures/fig3_gradient_clipping.pdf",
        png=shown_in_report("fig3_gradient_clipping", "Figure 3"),
        csv="results/{scale}/figures/fig3_gradient_clipping.csv",
    log:
        "results/{scale}/logs/figures/fig3_gradient_clipping.log",
    benchmark:
        "results/{scale}/benchmarks/figures/fig3_gradient_clipping.tsv"
    params:
        figure="fig3_gradient_clipping",
        seeds=all_seeds,
        note=training_note,
        baselines=OPTIMIZERS,


use rule fig1_performance as fig4_learning_rate_schedules with:
    input:
        selection=SELECTION,
        responses=analyses("responses"),
        momentum=tuned(BEST, MOMENTUM),
        code=DRAWING + code("figures/fig4_learning_rate_schedules.py"),
    output:
        pdf="results/{scale}/figures/fig4_learning_rate_schedules.pdf",
        png=shown_in_report("fig4_learning_rate_schedules", "Figure 4"),
        csv="results/{scale}/figures/fig4_learning_rate_schedules.csv",
    log:
        "results/{scale}/logs/figures/fig4_learning_rate_schedules.log",
    benchmark:
        "results/{scale}/benchmarks/figures/fig4_learning_rate_schedules.tsv"
    params:
        figure="fig4_learning_rate_schedules",
        seeds=all_seeds,
        note=training_note,
        baselines=OPTIMIZERS,


use rule fig1_performance as fig5_learning_rate_adaptation with:
    input:
        selection=SELECTION,
        responses=analyses("responses"),
        momentum=tuned(BEST, MOMENTUM),
        code=DRAWING + code("figures/fig5_learning_rate_adaptation.py"),
    output:
        pdf="results/{scale}/figures/fig5_learning_rate_adaptation.pdf",
        png=shown_in_report("fig5_learning_rate_adaptation", "Figure 5"),
        csv="results/{scale}/figures/fig5_learning_rate_adaptation.csv",
    log:
        "results/{scale}/logs/figures/fig5_learning_rate_adaptation.log",
    benchmark:
        "results/{scale}/benchmarks/figures/fig5_learning_rate_adaptation.tsv"
    params:
        figure="fig5_learning_rate_adaptation",
        seeds=all_seeds,
        note=training_note,
        baselines=OPTIMIZERS,


use rule fig1_performance as figS_modes with:
    input:
        selection=SELECTION,
        portraits=PORTRAITS,
        linearization=analyses("linearization", early=True),
        momentum=tuned(BEST, MOMENTUM),
        code=DRAWING + code("figures/figS_modes.py"),
    output:
        pdf="results/{scale}/figures/figS_modes.pdf",
        png=shown_in_report("figS_modes", "Modes"),
        csv="results/{scale}/figures/figS_modes.csv",
    log:
        "results/{scale}/logs/figures/figS_modes.log",
    benchmark:
        "results/{scale}/benchmarks/figures/figS_modes.tsv"
    params:
        figure="figS_modes",
        seeds=all_seeds,
        note=training_note,
        early=early_seeds,
        baselines=OPTIMIZERS,


use rule fig1_performance as figS_meta_training with:
    input:
        selection=SELECTION,
        curves=seeds("results/{scale}/meta_training/{task}/seed_{seed}/curve.csv"),
        baselines=tuned(BEST, OPTIMIZERS),
        code=DRAWING + code("figures/figS_meta_training.py"),
    output:
        pdf="results/{scale}/figures/figS_meta_training.pdf",
        png=shown_in_report("figS_meta_training", "Meta-training"),
        csv="results/{scale}/figures/figS_meta_training.csv",
    log:
        "results/{scale}/logs/figures/figS_meta_training.log",
    benchmark:
        "results/{scale}/benchmarks/figures/figS_meta_training.tsv"
    params:
        figure="figS_meta_training",
        seeds=all_seeds,
        note=training_note,
        baselines=OPTIMIZERS,


use rule fig1_performance as figS_fixed_points with:
    input:
        selection=SELECTION,
        fixed_points=analyses("fixed_points"),
        code=DRAWING + code("figures/figS_fixed_points.py"),
    output:
        pdf="results/{scale}/figures/figS_fixed_points.pdf",
        png=shown_in_report("figS_fixed_points", "Fixed points"),
        csv="results/{scale}/figures/figS_fixed_points.csv",
    log:
        "results/{scale}/logs/figures/figS_fixed_points.log",
    benchmark:
        "results/{scale}/benchmarks/figures/figS_fixed_points.tsv"
    params:
        figure="figS_fixed_points",
        seeds=all_seeds,
        note=training_note,
        baselines=OPTIMIZERS,


use rule fig1_performance as figS_common_optimizers with:
    input:
        common_optimizers=tasks("results/{scale}/common_optimizers/{task}.npz"),
        code=DRAWING
        + code("figures/figS_common_optimizers.py", "figures/fig2_momentum.py"),
    output:
        pdf="results/{scale}/figures/figS_common_optimizers.pdf",
        png=shown_in_report("figS_common_optimizers", "Common optimizers"),
        csv="results/{scale}/figures/figS_common_optimizers.csv",
    log:
        "results/{scale}/logs/figures/figS_common_optimizers.log",
    benchmark:
        "results/{scale}/benchmarks/figures/figS_common_optimizers.tsv"
    params:
        figure="figS_common_optimizers",
        seeds=all_seeds,
        note=training_note,
        baselines=OPTIMIZERS,


use rule fig1_performance as figS_tuning with:
    input:
        best=tuned(BEST, OPTIMIZERS),
        trials=tuned(
            "results/{scale}/baselines/{task}/{optimizer}/trials.csv", OPTIMIZERS
        ),
        code=DRAWING
        + code("claims/published.py", "claims/published.csv", "figures/figS_tuning.py"),
    output:
        pdf="results/{scale}/figures/figS_tuning.pdf",
        png=shown_in_report("figS_tuning", "Tuning"),
        csv="results/{scale}/figures/figS_tuning.csv",
    log:
        "results/{scale}/logs/figures/figS_tuning.log",
    benchmark:
        "results/{scale}/benchmarks/figures/figS_tuning.tsv"
    params:
        figure="figS_tuning",
        seeds=all_seeds,
        note=training_note,
        baselines=OPTIMIZERS,


use rule fig1_performance as figS_validation with:
    input:
        validation="results/{scale}/validation.csv",
        code=DRAWING + code("figures/figS_validation.py"),
    output:
        pdf="results/{scale}/figures/figS_validation.pdf",
        png=shown_in_report("figS_validation", "Validation"),
        csv="results/{scale}/figures/figS_validation.csv",
    log:
        "results/{scale}/logs/figures/figS_validation.log",
    benchmark:
        "results/{scale}/benchmarks/figures/figS_validation.tsv"
    params:
        figure="figS_validation",
        seeds=all_seeds,
        note=training_note,
        baselines=OPTIMIZERS,


rule fig1:
    input:
        figure_files("fig1_performance"),


rule fig2:
    input:
        figure_files("fig2_momentum"),


rule fig3:
    input:
        figure_files("fig3_gradient_clipping"),


rule fig4:
    input:
        figure_files("fig4_learning_rate_schedules"),


rule fig5:
    input:
        figure_files("fig5_learning_rate_adaptation"),


rule supplement:
    input:
        figure_files(
            "figS_modes",
            "figS_meta_training",
            "figS_fixed_points",
            "figS_common_optimizers",
            "figS_tuning",
            "figS_validation",
        ),
