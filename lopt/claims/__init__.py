"""The paper's numbers and statements beside ours.

    published.csv   every published value, with its source, how it was read and how it is compared
    published       reads that file
    measure         the same quantities of our results, as numbers: knows no published value
    criteria        the statements as yes/no questions, each with a measured number and a threshold
    compare         tolerance and verdict
    document        the table as a page to read

``measure`` and ``criteria`` are given the name of a quantity and the place where to take it
("loss of momentum, at iteration 100"), never the answer; ``compare`` alone sees both sides.
"""
