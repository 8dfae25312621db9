"""Why a trained optimizer fails away from home: the gradients that it meets there, and its answers to them.

python examples/away_from_home.py weights/rosenbrock/seed_0.npz rosenbrock linear_regression
"""

import sys

import lopt

path, home, away = sys.argv[1:]
at_home = lopt.analyze(path, home, name="at home", problems=8, starts=16)
largest = abs(at_home.responses.update_gradients).max()
elsewhere = lopt.analyze(path, away, name="away", problems=8, starts=16, largest_gradient=largest)
for found in (at_home, elsewhere):
    met = found.trajectories
    beyond = met.gradients_outside.sum() / (met.gradient_counts.sum() + met.gradients_outside.sum())
    change = met.mean_losses[-1] / met.mean_losses[0]
    print(
        f"{found.name}: {met.diverged} of {met.problems} runs diverged, losses change by {change:.3g}"
    )
    print(
        f"  {100 * beyond:.3g} % of the gradients are larger than nearly all at home, {largest:.3g}"
    )
    print(f"  typical |g| {found.responses.typical_gradient:.3g}")
    for question in ("drift", "linearity", "saturation"):
        print(f"  {found.answer(question).question} {found.answer(question).answer}:")
        print(f"    {found.answer(question).sentence}")
