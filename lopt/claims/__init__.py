"""The paper's numbers and statements beside ours.

    evidence        the stored results of one task, gathered; nulls in place of the learned optimizer
    registry        what can be measured: numbers, and statements as yes/no questions
    performance, momentum, clipping, schedules, adaptation, supplement
                    measure what one figure shows: they know no published value
    measure         all of them
    modes, shapes, sampling
                    conjugate pairs as one; numbers that say what a picture shows; means and their errors
    verdicts        error, tolerance, verdict
    power           the same statements of optimizers that should not satisfy them
    sizes           what a scale has less of than the study
    compare         the table
    summary         independent items, and the headline
    document        the table as a page to read

Measuring is given the name of a quantity and the place where to take it ("loss of momentum, at
iteration 100"), never the answer; ``compare`` alone sees both sides.
"""
