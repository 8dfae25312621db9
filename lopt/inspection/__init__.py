"""What one optimizer does, in one call: questions, figures and a page.

    found = lopt.analyze(optimizer, "linear_regression")
    print(found.summary())                              sentences with numbers, each with its criterion
    found.plot_momentum(); found.plot_clipping()        the panels of figures 2 to 5
    found.report("report.html")                         all of it on one page

``subjects`` says what may be given and ``runs`` what is run, ``one_call`` computes, ``analysis`` tells it:
``questions`` asks (in the form of ``asking``), ``causes`` says what each mechanism is worth, ``drawn`` lets
the study's figures read an analysis in memory, ``page`` and ``slider`` make the page.
"""
