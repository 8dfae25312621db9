# Put optimizers whose answers are known through the analysis.


rule validate:
    input:
        code=MODEL + code("analysis"),
    output:
        "results/{scale}/validation.csv",
    log:
        "results/{scale}/logs/validate.log",
    benchmark:
        "results/{scale}/benchmarks/validate.tsv"
    conda:
        "../envs/lopt.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    script:
        "../workflow/scripts/validation.py"


rule validation:
    input:
        f"results/{SCALE}/validation.csv",
