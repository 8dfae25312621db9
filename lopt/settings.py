"""The settings of a study: what each key of ``config.yaml`` means, in which unit, and what it may be.

A dataclass is a mapping of the configuration, a field is a key. Its annotation (``lopt.fields``) says type
and bounds, the text under it the meaning; that starts with the unit in brackets where the number has one.
The schema that configurations are held against and the reference page are made of them
(``lopt.config_frame``, ``lopt.config_reference``). A field whose default is None may be left out of a
configuration. The other numbers stand in ``config.yaml`` under ``study``: that is what a scale's changes are
changes of.

Keys of ``problem``, ``optimizer`` and of the search ranges belong to the files of tasks, learned families and
baselines, which state them in the same way. No JAX here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from lopt.fields import Bounds, Fraction, NonNegative, Positive, Seed, Share

__all__ = [
    "AnalysisSettings",
    "Early",
    "EvaluationSettings",
    "GradientGrid",
    "InterventionSettings",
    "MetaSearchRung",
    "MetaSearchSettings",
    "MetaTrainingSettings",
    "Range",
    "StudySettings",
    "TaskSettings",
    "TuningRung",
    "TuningSettings",
]

Number = Annotated[int, Bounds(minimum=1, maximum=1_000_000_000)]
Steps = Annotated[int, Bounds(minimum=1, maximum=1_000_000)]  # whose losses are all kept
Many = Annotated[int, Bounds(minimum=1, maximum=2**24)]  # in memory together
Jobs = Annotated[int, Bounds(minimum=1, maximum=100_000)]
Log10 = Annotated[float, Bounds(minimum=-37, maximum=37)]  # within float32
Names = tuple[str, ...] | Literal["all"]
Folder = str | None
Seeds = Annotated[tuple[Seed, ...], Bounds(minimum_length=1)]


@dataclass(frozen=True)
class MetaTrainingSettings:
    """How a learned optimizer is trained.

    The learning rate at meta-step k is ``learning_rate * decay_factor ** (k / decay_steps)``. The last three
    fields may be left out of a configuration, or None.
    """

    meta_steps: Number
    """[meta-steps] Length of the training; a multiple of ``validation_interval``."""
    problems: Many
    """[problems] Fresh problems per meta-step, whose meta-objectives are averaged."""
    learning_rate: Positive
    """Learning rate of Adam on theta at the start."""
    decay_factor: Share
    """What the learning rate is multiplied by in ``decay_steps`` meta-steps."""
    decay_steps: Number
    """[meta-steps] In how many the learning rate falls by ``decay_factor``."""
    b1: Fraction
    """Adam's decay of the mean of meta-gradients, per meta-step."""
    b2: Fraction
    """Adam's decay of the mean of squared meta-gradients, per meta-step."""
    epsilon: Positive
    """[meta-gradient] Adam's epsilon, outside the square root."""
    clip: Positive
    """[meta-gradient] Every element of the meta-gradient is clipped to plus and minus this."""
    theta_penalty: NonNegative
    """[per unit of theta] Times the norm of theta, added to the meta-objective."""
    chunk: Number
    """[meta-steps] Meta-steps per call of the compiled program; changes no result."""
    validation_problems: Many
    """[problems] Problems of the validation, the same each time."""
    validation_interval: Number
    """[meta-steps] Between validations, whose best theta is kept; a multiple of ``chunk``."""
    checkpoint_seconds: Annotated[float, Bounds(minimum=0, maximum=60)]
    """[seconds] Least time between two checkpoints, from which a training goes on after whatever ended it."""
    skipped_in_a_row: Number
    """[meta-steps] Updates in a row, skipped for want of a finite meta-gradient, that end the training."""
    memory_budget_gb: Positive
    """[GB] Memory for the unroll, which is divided into recomputed blocks to keep within it."""
    precision: Literal["default", "high", "BF16_BF16_F32_X3", "highest"]
    """JAX's precision of float32 products; on recent GPUs ``default`` and ``high`` are TF32, and
    ``BF16_BF16_F32_X3`` is three products in bfloat16."""
    adjoint_bound: Positive | None = None
    """[of the cotangent at the last step] Bound of what goes back through a problem's run; null: none."""
    problem_clip: Positive | None = None
    """[meta-gradient] Norm to which each problem's meta-gradient is clipped before their mean; null: none."""
    averaging: Annotated[float, Bounds(exclusive_minimum=0, exclusive_maximum=1)] | None = None
    """Decay per meta-step of the average of theta that is validated and kept in its place; null: none."""


@dataclass(frozen=True)
class Range:
    """Where a number is searched: uniformly on a scale, from ``low`` to ``high``."""

    low: float
    """[of what is searched] Smallest value; less than ``high``, within the bounds of what is searched."""
    high: float
    """[of what is searched] Largest value."""
    scale: Literal["linear", "log", "log_one_minus"]
    """What is uniform: the value, its logarithm, or the logarithm of one minus the value."""


@dataclass(frozen=True)
class MetaSearchRung:
    """One stage of the search for a recipe."""

    trials: Jobs
    """[trials] The best of the stage before that go on, at first all; no more than before."""
    meta_steps: Number
    """[meta-steps] Up to which they are trained; more than before, a multiple of ``validation_interval``."""


@dataclass(frozen=True)
class MetaSearchSettings:
    """The search for a meta-training recipe by successive halving: ``snakemake meta_search``."""

    seed: Seed
    """Seed of the recipes and of every training; not one of ``seeds``, which test the winner."""
    rungs: Annotated[tuple[MetaSearchRung, ...], Bounds(minimum_length=1)]
    """The stages, each with the best of the one before, trained on."""
    ranges: Mapping[str, Range]
    """Where recipes are drawn, by keys of ``meta_training`` and ``optimizer``; other keys are as there."""


SEARCHED = ("learning_rate", "decay_factor", "decay_steps", "b1", "b2", "epsilon", "clip")
"""Which settings of meta-training a search may draw."""


@dataclass(frozen=True)
class TuningRung:
    """One stage of racing: cheaper than the full search, after which few settings go on."""

    keep: Share
    """Share of the settings that go on."""
    problems: Many
    """[problems] On which they run; at most ``tuning.problems``."""
    steps: Number
    """[steps] Updates per problem; at most ``steps`` of the task."""


@dataclass(frozen=True)
class TuningSettings:
    """How the hyperparameters of baselines are tuned: random search, the best meta-objective wins."""

    samples: Many
    """[settings] Drawn at random, per baseline."""
    problems: Many
    """[problems] On which settings are compared."""
    fresh_problems: Many
    """[problems] Others, that the winner must not diverge on."""
    divergence_factor: Annotated[float, Bounds(exclusive_minimum=1)]
    """[start losses] A run whose meta-objective is above this has diverged."""
    rungs: tuple[TuningRung, ...]
    """Stages of racing before the full search; an empty list: none."""
    ranges: Mapping[str, Mapping[str, Range]]
    """By baseline and hyperparameter; what is not named has the range of the baseline's file."""
    pool: Many | None = None
    """[settings] Scored in a census, from which searches are resampled; at least `samples`; null: none
    are."""
    searches: Jobs | None = None
    """[searches] Resampled from the pool; null: 200."""


@dataclass(frozen=True)
class EvaluationSettings:
    """The test problems that all optimizers run on."""

    problems: Many
    """[problems] Test problems, never seen in training or tuning."""
    batch_size: Many
    """[problems] Computed at a time; bounds memory, changes no result but the last digits."""
    parts: Jobs
    """[jobs] Jobs that the problems are divided among; no more than problems."""


@dataclass(frozen=True)
class GradientGrid:
    """Sizes of constant gradients, spaced evenly in their logarithm, for each sign."""

    log10_smallest: Log10
    """[log10 of a gradient] The smallest; less than the largest."""
    log10_largest: Log10
    """[log10 of a gradient] The largest."""
    count: Annotated[int, Bounds(minimum=2, maximum=1_000_000)]
    """[gradients] How many, per sign."""


@dataclass(frozen=True)
class AnalysisSettings:
    """How mechanisms are read off an optimizer."""

    problems: Many
    """[problems] Test problems whose trajectories are summarized."""
    batch_size: Many
    """[problems] Of them at a time."""
    sample_states: Many
    """[states] Visited states that are kept."""
    starts: Many
    """[states] Starts of the search for fixed points, drawn from them."""
    gradients: GradientGrid
    """Constant gradients whose fixed points are found (figure 5)."""
    update_gradients: Positive
    """[gradient] Update functions are computed up to this size of the gradient (figures 2 and 3)."""


@dataclass(frozen=True)
class InterventionSettings:
    """How mechanisms are removed from an optimizer, one at a time (figure 6)."""

    problems: Many
    """[problems] The first of the evaluation's, on which altered optimizers run."""
    batch_size: Many
    """[problems] Of them at a time."""
    parts: Jobs
    """[jobs] Jobs that the problems are divided among, no more than problems; and runs away from home."""
    tuning_samples: Annotated[int, Bounds(minimum=0, maximum=2**24)]
    """[settings] Of the distilled optimizer, drawn around what was read off; 0: it is not tuned."""


@dataclass(frozen=True)
class Early:
    """One more optimizer, whose training ends early: for the supplement."""

    seed: Seed
    """Its seed; none of ``seeds``."""
    meta_steps: Number
    """[meta-steps] Where its training ends; a multiple of ``validation_interval``."""


@dataclass(frozen=True)
class TaskSettings:
    """What is done with one task: under ``every_task``, or under ``settings`` by the task's name."""

    problem: Mapping[str, Any]
    """The task's parameters, by the fields of its file."""
    meta_training_problem: Mapping[str, Any] | None
    """What meta-training changes of them: some of the keys, or null for nothing."""
    steps: Steps
    """[steps] Updates per problem; losses are recorded at 0, 1, ..., ``steps``."""
    seeds: Seeds
    """Seeds of the meta-trainings, each of which is one optimizer."""
    early: Early | None
    """One more optimizer, trained for fewer meta-steps, or null for none."""
    optimizer: Mapping[str, Any]
    """``family``: the learned family, a file of ``lopt/learned`` by name; and the fields of that file."""
    meta_training: MetaTrainingSettings
    """How optimizers are trained."""
    meta_search: MetaSearchSettings
    """How a recipe is searched for."""
    tuning: TuningSettings
    """How baselines are tuned."""
    evaluation: EvaluationSettings
    """What optimizers are compared on."""
    analysis: AnalysisSettings
    """How mechanisms are read off."""
    interventions: InterventionSettings
    """How mechanisms are removed."""
    start: Folder = None
    """A folder of released optimizers: meta-training goes on from their theta of this task and seed.

    Adam's moments begin anew. null: from a random theta, as the training that ends early, searches for a
    recipe and variants always do.
    """
    variants: Mapping[str, Any] | None = None
    """Optimizers of other kinds that a census trains: by name, what each changes of the task's settings."""


@dataclass(frozen=True)
class StudySettings:
    """A study; a scale states what it changes of it, in the same keys."""

    device: Literal["cpu", "gpu"]
    """Where meta-training runs; everything else runs on the CPU."""
    weights: Folder
    """A folder of released optimizers and baselines, in place of training and tuning; null: none."""
    tasks: Names
    """The tasks: files of ``lopt/tasks``."""
    baselines: Names
    """Hand-made optimizers, tuned and compared: files of ``lopt/optimizers``."""
    every_task: TaskSettings
    """Settings of every task; what `settings` states wins over it."""
    settings: Mapping[str, Any]
    """Settings of single tasks, by the task's name; some of the keys of ``every_task``."""
    makes: Literal["study", "census"] = "study"
    """What `snakemake --cores all` makes: the figures of the study, or the count over all `variants`."""
    collection: Folder = None
    """A folder of released variants, taken for the tasks that it has instead of training; null: none."""
