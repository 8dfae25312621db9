"""What one optimizer does, in one call: questions, figures and a page.

    found = lopt.analyze(optimizer, "linear_regression")
    print(found.summary())                              sentences with numbers, each with its criterion
    found.plot_momentum(); found.plot_clipping()        the panels of figures 2 to 5

``questions`` asks, ``analyze`` computes, ``drawn`` lets the study's figures read one analysis, ``subjects``
says what may be given.
"""
