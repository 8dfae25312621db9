"""The figures: one module each, NumPy, Matplotlib and pandas only, never JAX.

Every figure module has

    TITLE, CAPTION, READS          what the report calls it and says of it, and which results it reads:
                                   literals, which the workflow takes from the file without importing it
    read(results) -> Data          the arrays that it shows, from the files of one scale
    draw(data) -> Figure           the figure
    numbers(data) -> DataFrame     every number drawn, one a row (``tables`` explains the columns)

and a docstring that says what it reads and draws. ``READS`` names kinds of results: selection, curves,
portraits, losses, baselines (best.json of every baseline), momentum (of momentum only), trials,
trajectories, fixed_points, linearization, linearization_early (with that of the seed whose training ends
early), responses, common_optimizers, interventions, distilled, stability, transfer, validation; of a census:
census, census_measured, similarity.

``workflow/scripts/draw.py`` serves all figures. They compute nothing: at most they normalize a histogram,
take a logarithm, or choose the corner of an inset. ``style`` is how they look, ``roles`` what tasks and
optimizers are called and in which color they are drawn, ``layout`` how any number of columns finds room,
``wrapping`` how text is broken into lines, ``ticks`` where axes end.
"""
