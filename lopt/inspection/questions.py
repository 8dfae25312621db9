r"""What is asked of an optimizer, and how it is answered: yes, no, or can't tell.

Every question has one measured number and a criterion with two thresholds: where yes begins, and where no
begins. Between them, and where the number does not exist, the answer is "can't tell", with the reason. Where
the study asks the same (``lopt.claims``), the number is the study's own, and so is where yes begins.

    momentum     share of what a gradient does that comes after the first step, sum_{k>0} |r_k| / sum_k |r_k|
                 with r_k the impulse response at the convergence point: beta of the heavy ball. It is
                 measured on the linearization (for tiny gradients) and with a gradient of typical size;
                 both must say the same. It is followed until the slowest mode has faded, or 10,000 steps;
                 of what goes on beyond these the share is the least that it can be.
    saturation   slope of the update function at the largest gradients over that at 0, at the initial state
    schedule     largest over smallest effective learning rate without gradients, iterations being real
    adaptation   effective learning rate under the largest constant gradient over that under the smallest
    drift        size of the update once the gradient is 0 over that of the answer to a typical gradient
    one point    how many stable fixed points runs end at; infinite of a continuum, a cycle, or none
    forgetting   largest |eigenvalue| at the convergence point
    home         share of the gradients met that are smaller or larger than nearly all in its training; asked
                 of what says which sizes it met there (``lopt.meta_training.outcome``)
    linearity    gain at a typical gradient over the derivative at g = 0, at the convergence point
    finite runs  runs that became non-finite

Source: arXiv 2011.02159, section 4, for the mechanisms.
"""

import numpy as np
from jaxtyping import Float

from lopt.analysis.stability import linear_response
from lopt.claims.adaptation import arm_rates
from lopt.claims.clipping import ARMS, clipping_gradients, share_beyond
from lopt.claims.evidence import AbsentError
from lopt.claims.measure import CRITERIA
from lopt.claims.modes import NOT_POINTS, whole_modes
from lopt.inspection.asking import CANNOT_TELL, QUESTIONS, YES, Answer, Evidence, Found, question
from lopt.magnitudes import share_outside
from lopt.records.analysis import Code, RateCode

__all__ = ["QUESTIONS", "answers"]

ROUNDING = 1e-9


def answers(evidence: Evidence) -> tuple[Answer, ...]:
    """Ask every question; "home" only of an optimizer that says what it met in its training."""
    given = []
    for name, asked in QUESTIONS.items():
        if name == "home" and evidence.trained_on is None:
            continue
        try:
            found = asked.measure(evidence)
        except AbsentError as error:
            found = Found(np.nan, "", str(error))
        verdict = CANNOT_TELL if found.doubt else asked.answer(found.measured)
        sentence = found.doubt or found.sentence
        if verdict == CANNOT_TELL and not found.doubt and np.isnan(found.measured):
            sentence = "the number does not exist for this optimizer"
        given.append(Answer(name, asked.text, verdict, sentence, asked.criterion, found.measured))
    return tuple(given)


@question(
    "momentum",
    "Does it have momentum?",
    "the share of what a gradient does that comes after the first step",
    0.5,
    0.1,
)
def _momentum(evidence: Evidence) -> Found:
    modes, responses = evidence.results.linearization, evidence.results.responses
    has_slope = int(responses.convergence_rate_code) != RateCode.NOT_DIFFERENTIABLE
    impulses = evidence.responses_to_impulses()
    linear = linear_response(modes, impulses.shape[1])
    shares = [_later_share(linear)] if has_slope else []
    shares += [_later_share(arm) for arm in impulses]
    shares = [share for share in shares if np.isfinite(share)]
    if not shares:
        return Found(np.nan, "", "no gradient of the size of those met changes its update")
    verdicts = {QUESTIONS["momentum"].answer(share) for share in shares}
    share = shares[0]
    ends = [linear, *impulses] if has_slope else impulses
    if verdicts != {YES} and any(_goes_on(each) for each in ends):
        return Found(
            share,
            "",
            f"what a gradient does goes on after {impulses.shape[1]:,} steps; until then "
            f"{100 * share:.3g} % of it comes after the first",
        )
    if len(verdicts) > 1:
        told = ", ".join(f"{100 * each:.3g} %" for each in shares)
        return Found(
            share, "", f"it depends on the size and sign of the gradient: {told} come later"
        )
    sentence = f"{100 * share:.3g} % of what a gradient does comes after the first step"
    whole = whole_modes(modes)
    if has_slope and whole.leading is not None:
        lead, total = whole.leading, float(np.sum(whole.sizes))
        value = modes.eigenvalues[np.asarray(modes.heads) == 1][lead]
        turns = " (its sign alternates)" if value.real < 0.0 and value.imag == 0.0 else ""
        sentence += (
            f"; the leading mode has momentum {whole.momenta[lead]:.4g}{turns} and "
            f"{100 * whole.sizes[lead] / total:.3g} % of the learning rate "
            f"{np.sum(whole.learning_rates):.4g}"
        )
    return Found(share, sentence)


def _later_share(response: Float[np.ndarray, " steps"]) -> float:
    sizes = np.abs(response)
    total = sizes.sum()
    return float(1.0 - sizes[0] / total) if np.isfinite(total) and total > 0.0 else np.nan


def _goes_on(response: Float[np.ndarray, " steps"]) -> bool:
    """Return whether a response has not faded: a tenth of what is later lies in the last half."""
    later = np.abs(response[1:])
    return bool(np.sum(later[len(later) // 2 :]) > 0.1 * np.sum(later))


@question(
    "saturation",
    "Does the update stop growing with the gradient (clipping, normalization)?",
    CRITERIA["initial_update_saturates"].number,
    CRITERIA["initial_update_saturates"].threshold,
    0.8,
)
def _saturation(evidence: Evidence) -> Found:
    responses, met = evidence.results.responses, evidence.results.trajectories
    grid = responses.update_gradients
    largest = float(np.abs(grid).max())
    measured = evidence.measured("initial_update_saturates") + 0.0  # no negative zero
    none = int(responses.initial_rate_code) == RateCode.NOT_DIFFERENTIABLE
    if none or np.isnan(measured):
        # No slope at 0, or none but 0, to compare with: the growth over the last decade, 1 of a line.
        change = np.abs(responses.initial_updates - responses.initial_intercept)
        growth = []
        for arm in ARMS.values():
            order = np.argsort(arm * grid)
            tenth, end = np.interp([largest / 10.0, largest], (arm * grid)[order], change[order])
            growth.append(np.log10(end / tenth) if tenth > 0.0 and end > 0.0 else np.nan)
        if np.isnan(growth).all():
            reason = "no gradient changes its first update"
            if np.any(change):
                reason = (
                    f"its first update answers to some gradients only: to none of |g| = {largest / 10:.3g}, "
                    f"or to none of |g| = {largest:.3g}"
                )
            return Found(np.nan, "", reason)
        measured = float(np.nanmax(growth))
        kind = "it has no slope at g = 0" if none else "its slope at g = 0 is 0"
        return Found(
            measured,
            f"{kind}; from |g| = {largest / 10:.3g} to {largest:.3g} it "
            f"grows like |g| to the power of {measured:.2g}",
        )
    if -ROUNDING <= measured < 0.0:
        measured = 0.0  # a flat end, whose slope is rounding
    if measured < 0.0:
        return Found(measured, "", "beyond some gradient the update falls again")
    bends = np.sqrt(np.prod(responses.half_saturation_gradients))
    sentence = f"its slope at |g| = {largest:.3g} is {measured:.3g} of that at g = 0"
    if measured <= CRITERIA["initial_update_saturates"].threshold:
        level = float(np.mean(responses.saturation_levels))
        sentence += f"; half of the largest update {level:.3g} is reached at |g| = {bends:.3g}"
        limit = np.max(clipping_gradients(responses))
        if np.isfinite(limit):
            sentence += (
                f", and {_percent(share_beyond(met, limit))} of the gradients met are clipped"
            )
    return Found(measured, sentence)


@question(
    "schedule",
    "Does its learning rate follow a schedule of its own?",
    CRITERIA["has_schedule"].number,
    CRITERIA["has_schedule"].threshold,
    1.05,
)
def _schedule(evidence: Evidence) -> Found:
    responses = evidence.results.responses
    codes = np.asarray(responses.autonomous_rate_codes)
    if np.any(codes == RateCode.NOT_DIFFERENTIABLE):
        return Found(np.nan, "", "its update has no slope at g = 0 along the run without gradients")
    if np.any(codes == RateCode.NOT_REPRESENTATIVE):
        return Found(
            np.nan,
            "",
            "the rate at g = 0 is not what gradients meet: it depends on their size, and on those before",
        )
    rates = (
        responses.autonomous_learning_rates if evidence.run_rates is None else evidence.run_rates
    )
    ascends = " (it follows the gradient upward)" if np.all(rates < 0.0) else ""
    # Of one that ascends throughout, how fast it does.
    rates = (-rates if ascends else rates) + 0.0  # no negative zero
    low, high = rates.min(), rates.max()
    measured = float(high / low) if low > 0.0 else np.inf if high > 0.0 else np.nan
    if not np.all(np.isfinite(rates)) or not np.any(rates):
        return Found(
            np.nan, "", "its effective learning rate is 0, or not finite, without gradients"
        )
    peak, last = int(np.argmax(rates)), len(rates) - 1
    told = []
    if rates[peak] > 1.001 * rates[0] and rates[0] > 0.0:
        told.append(f"rises by a factor {rates[peak] / rates[0]:.3g} until iteration {peak}")
    elif rates[peak] > 1.001 * rates[0]:
        told.append(f"rises to {rates[peak]:.3g} until iteration {peak}")
    if rates[-1] < 0.999 * rates[peak]:
        told.append(f"falls to {rates[-1]:.3g} at iteration {last}")
    sentence = f"it is {rates[0]:.4g}{ascends} at the start"
    if not told and np.min(rates) < 0.999 * rates[peak]:
        told.append(f"varies between {np.min(rates):.3g} and {rates[peak]:.3g}")
    sentence += f", {' and '.join(told)}" if told else ", and stays so"
    return Found(measured, sentence)


@question(
    "adaptation",
    "Do gradients that persist lower its learning rate?",
    CRITERIA["learning_rate_falls_along_both_arms"].number,
    CRITERIA["learning_rate_falls_along_both_arms"].threshold,
    0.99,
)
def _adaptation(evidence: Evidence) -> Found:
    responses, points = evidence.results.responses, evidence.results.fixed_points
    codes = np.asarray(points.constant_gradient_codes)
    if np.any(codes != Code.CONVERGED):
        count = int(np.sum(codes != Code.CONVERGED))
        return Found(
            np.nan,
            "",
            f"under {count} of {len(codes)} constant gradients no fixed point is determined",
        )
    ends = np.abs(np.array([arm_rates(responses, arm)[1][[0, -1]] for arm in ARMS.values()]))
    widths = np.ptp(responses.constant_gradient_learning_rate_intervals, axis=1)
    rates = responses.constant_gradient_learning_rates
    if np.any(np.asarray(responses.constant_gradient_rate_codes) == RateCode.NOT_DIFFERENTIABLE):
        return Found(np.nan, "", "under constant gradients its update has no slope at g = 0")
    if np.any(rates <= 0.0) or not np.all(widths <= 0.01 * np.abs(rates) + ROUNDING):
        return Found(
            np.nan, "", "its rate under constant gradients is not positive, or not determined"
        )
    measured = evidence.measured("learning_rate_falls_along_both_arms")
    largest = float(np.abs(responses.constant_gradients).max())
    sentence = (
        f"under a constant |g| = {largest:.3g} it is {ends[0, 1]:.3g} (negative) and {ends[1, 1]:.3g} "
        f"(positive), {measured:.3g} of that under the smallest"
    )
    return Found(measured, sentence)


@question(
    "drift",
    "Does it move the parameters where the gradient is 0?",
    "that update over the size of its answer to a typical gradient",
    1e-2,
    1e-3,
)
def _drift(evidence: Evidence) -> Found:
    points, responses = evidence.results.fixed_points, evidence.results.responses
    typical = float(responses.typical_gradient)
    responses_to = np.abs(evidence.responses_to_impulses())
    first = float(np.max(responses_to[:, 0]))
    # Where the first update does not answer yet, as after a delay, the largest that does.
    answer = (first or float(np.max(responses_to))) * typical
    low, high = np.asarray(points.convergence_update_interval, np.float64)
    if not answer > 0.0 or not np.isfinite([low, high]).all():
        return Found(np.nan, "", "the update at the convergence point is not determined")
    drift = float(points.convergence_update) + 0.0  # no negative zero
    measured = abs(drift) / answer
    least = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high)) / answer
    most = max(abs(low), abs(high)) / answer
    question = QUESTIONS["drift"]
    if question.answer(least) != question.answer(most):
        return Found(
            measured, "", f"the drift is only known to lie between {low:.3g} and {high:.3g}"
        )
    if measured <= ROUNDING:
        return Found(measured, "where the gradient is 0 the update is 0, too")
    sentence = f"it drifts by {drift:.3g} a step, {_percent(measured)} of its answer to |g| = {typical:.3g}"
    return Found(measured, sentence)


@question(
    "one_point",
    "Do all runs end at one point of the state?",
    "the number of stable fixed points that runs and searches from the states visited end at",
    CRITERIA["one_convergence_point"].threshold,
    2.0,
)
def _one_point(evidence: Evidence) -> Found:
    points = evidence.results.fixed_points
    code, share = int(points.convergence_code), float(points.basin_share)
    arrives = (
        f"{_percent(share)} of the last states arrive there within {int(points.basin_steps)} steps"
    )
    stable = np.asarray(points.attractor_stable) == 1
    kinds = np.asarray(points.attractor_codes)[stable]
    shares = np.asarray(points.attractor_basin_shares)[stable]
    only_cycles = np.any(shares > 0.0) and np.all(kinds[shares > 0.0] == Code.LIMIT_CYCLE)
    if (np.any(kinds == Code.CONTINUUM) or code == Code.CONTINUUM) and not only_cycles:
        return Found(
            np.inf, "they end on a continuum of fixed points (a memory that does not fade)"
        )
    if np.isin(kinds, NOT_POINTS).any():
        rows = stable & (np.asarray(points.attractor_codes) == Code.LIMIT_CYCLE)
        closed = np.any(np.asarray(points.attractor_periods)[rows] > 0)
        return Found(
            np.inf,
            "they end on a cycle"
            if closed
            else "they go on for ever, in bounds, without coming back",
        )
    if code != Code.CONVERGED:
        return Found(np.nan, "", f"no fixed point is determined ({Code(code).name.lower()})")
    count = evidence.measured("one_convergence_point")
    if count == 1.0 and share < 1.0:
        return Found(count, "", f"one stable fixed point was found, but only {arrives}")
    if not np.isfinite(count):
        return Found(count, "", "the fixed point that was found is not stable")
    return Found(count, f"{count:.0f} stable fixed point{'s' if count > 1 else ''}; {arrives}")


@question(
    "forgets",
    "Does it forget what it has seen?",
    "the largest |eigenvalue| at the convergence point",
    1.0 - 1e-6,
    CRITERIA["all_eigenvalues_inside_circle"].threshold - 2e-9,
)
def _forgets(evidence: Evidence) -> Found:
    modes = evidence.results.linearization
    place = int(np.argmax(modes.momenta))
    largest, error = float(modes.momenta[place]), float(modes.eigenvalue_errors[place])
    # Of modes that were merged because of their rates it is the mean; the slowest of them is slower.
    slowest_of_all = float(np.max(np.abs(np.linalg.eigvals(modes.jacobian))))
    if slowest_of_all - largest > max(1e-4, 0.1 * abs(1.0 - largest)):
        largest = slowest_of_all
    if not error <= max(1e-9, 0.1 * abs(1.0 - largest)):
        return Found(
            largest, "", f"the largest eigenvalue {largest:.6g} is only known to {error:.2g}"
        )
    slowest = f"its slowest mode keeps {largest:.6g} of its state a step"
    if largest < 1.0 - 1e-6:
        scale = -1.0 / np.log(largest) if largest > 0.0 else 0.0
        return Found(largest, f"{slowest}, a timescale of {scale:.3g} steps")
    return Found(largest, slowest)


@question(
    "home",
    "Are the gradients of the sizes that it was trained on?",
    "the share of them that are smaller or larger than all but 0.1 % of those in its training",
    0.05,
    0.5,
)
def _home(evidence: Evidence) -> Found:
    met, sizes = evidence.results.trajectories, evidence.trained_on
    if sizes is None:
        return Found(np.nan, "", "nothing says which gradients it met in its training")
    low, high = sizes["smallest"], sizes["largest"]
    share = share_outside(met.magnitude_counts, met.magnitude_edges, low, high)
    return Found(
        share,
        f"{_percent(share)} of the gradients are beyond the trained range, |g| from {low:.3g} to {high:.3g}",
    )


@question(
    "linearity",
    "Is its learning rate at g = 0 the one that gradients meet?",
    "the factor between the gain at a typical gradient and the derivative at g = 0",
    2.0,
    2.0 + 1e-9,
)
def _linearity(evidence: Evidence) -> Found:
    responses = evidence.results.responses
    code = int(responses.convergence_rate_code)
    typical = float(responses.typical_gradient)
    gains = np.asarray(responses.convergence_gains)
    amplitudes = np.asarray(responses.gain_amplitudes)
    here = float(np.interp(np.log(typical), np.log(amplitudes), gains))
    if code == RateCode.NOT_DIFFERENTIABLE:
        if np.any(gains):
            return Found(np.inf, f"it has none; at |g| = {typical:.3g} the gain is {here:.3g}")
        return Found(np.nan, "", "no gradient changes its update")
    rate = float(responses.convergence_learning_rate)
    if rate == 0.0 and here != 0.0:
        return Found(np.inf, f"it is 0; at |g| = {typical:.3g} the gain is {here:.3g}")
    if rate == 0.0 or here == 0.0:
        return Found(np.nan, "", "its effective learning rate at the convergence point is 0")
    factor = here / rate
    measured = max(factor, 1.0 / factor) if factor > 0.0 else np.inf
    if code == RateCode.SMOOTH:
        return Found(min(measured, 2.0), f"it is {rate:.4g}, and {here:.4g} at |g| = {typical:.3g}")
    same = np.abs(np.log2(np.maximum(gains / rate, 1e-300))) <= 1.0
    holds = amplitudes[: int(np.argmin(same))] if not same.all() else amplitudes
    limit = f"|g| < {holds[-1]:.2g}" if holds.size else f"less than |g| = {amplitudes[0]:.2g}"
    return Found(
        max(measured, 2.0 + 1e-9),
        f"{rate:.4g} at g = 0 holds for {limit}; at |g| = {typical:.3g} the gain is {here:.3g}",
    )


@question(
    "reads_parameter",
    "Does it read the parameter (weight decay)?",
    "the number of parameters, of two with the same gradients, that change the updates",
    1.0,
    0.0,
)
def _reads_parameter(evidence: Evidence) -> Found:
    if evidence.reads_parameter is None:
        return Found(0.0, "it is a map of state and gradient alone")
    if evidence.reads_parameter:
        return Found(1.0, "its update changes with the parameter; the analysis holds it still")
    return Found(0.0, "the same gradients give the same updates at another parameter")


@question(
    "finite_runs",
    "Do all runs stay finite?",
    "the number of runs that became non-finite",
    0.0,
    1.0,
)
def _finite_runs(evidence: Evidence) -> Found:
    if evidence.lost:
        lost = count = evidence.lost
    else:
        met = evidence.results.trajectories
        lost, count = int(met.diverged), int(met.problems)
    return Found(float(lost), f"{lost} of {count} runs became non-finite")


def _percent(share: float) -> str:
    percent = 100.0 * share
    return f"{percent:,.0f} %" if abs(percent) >= 1000.0 else f"{percent:.3g} %"
