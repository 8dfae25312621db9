# Put optimizers whose answers are known through the analysis.


rule validate:
    output:
        result("validation"),
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
    params:
        code=code("validation.py"),
    message:
        says("Analyzing optimizers whose answers are known")
    script:
        "../workflow/scripts/validation.py"


rule validation:
    input:
        result("validation").format(scale=SCALE),
