"""The figures: one module each, NumPy, Matplotlib and pandas only, never JAX.

Every figure module has

    read(results) -> Data          the arrays that it shows, from the files of one scale
    draw(data) -> Figure           the figure
    numbers(data) -> DataFrame     every number drawn, one a row (``tables`` explains the columns)

and a docstring that says what it reads and draws. A new figure is a new module and a rule that
names it in ``rules/figures.smk``; ``workflow/scripts/draw.py`` serves all of them. Figures compute nothing:
at most they normalise a histogram, take a logarithm, or choose the corner of an inset.
"""
