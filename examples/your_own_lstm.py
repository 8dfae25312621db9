"""Meta-train an LSTM, and ask what it has learned. python examples/your_own_lstm.py [meta-steps]"""

import logging
import sys

import lopt
from lopt.meta_training.recipes import make_recipe, trained

logging.basicConfig(level=logging.INFO, format="%(message)s")
meta_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 500
numbers = {"meta_steps": meta_steps, "steps": 50, "units": 8, "layers": 1, "problems": 16}
recipe = make_recipe("laptop", numbers, family="lstm")
trained("lstm.npz", "linear_regression", recipe, seed=0, logger=logging.getLogger())

found = lopt.analyze("lstm.npz", "linear_regression", steps=50, problems=8)
print(found.summary())
