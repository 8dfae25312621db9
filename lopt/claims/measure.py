"""Our side of every comparison, complete: importing this module enters all that can be measured.

``performance``, ``momentum``, ``clipping``, ``schedules``, ``adaptation``, ``supplement`` and ``causes`` each
measure what one figure shows (the last: two), on stored arrays in the conventions of
``lopt.records.analysis``.
"""

from lopt.claims import adaptation, causes, clipping, momentum, performance, schedules, supplement
from lopt.claims.registry import CRITERIA, QUANTITIES

__all__ = ["CRITERIA", "MODULES", "QUANTITIES"]

MODULES = (performance, momentum, clipping, schedules, adaptation, supplement, causes)
"""Where the measuring functions are."""
