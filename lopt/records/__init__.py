"""What the workflow stores, how it is read back, and what is published beside it.

store       arrays, JSON and tables, whole or not at all; ``atomic``, ``tables`` and ``entries`` are its parts
stored      one typed loader for each kind of file but arrays
layout      where the results of a scale lie
results     the results of one scale, read through all of these
analysis, evaluation, portraits     the records themselves: NamedTuples of arrays
published   the values to compare with
"""
