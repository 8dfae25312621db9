r"""Record what an optimizer meets in a training loop that is not JAX: PyTorch, NumPy, anything.

    recorder = lopt.torch_recorder(optimizer, steps=1000)       of torch.optim; the loop stays as it is
    ...
    lopt.save_recording("run.npz", recorder)
    lopt.analyze(lopt.from_torch(torch.optim.Adam, lr=1e-3), "run.npz")

``torch_recorder`` listens by the hooks that every ``torch.optim.Optimizer`` has
(``register_step_pre_hook``, ``register_step_post_hook``; PyTorch 2.0). What a loop without hooks met is told:

    recorder = lopt.LoopRecorder(steps=1000)
    recorder.met(gradients, parameters, updates, loss)          arrays, or lists of them, each step

As of ``lopt.recorder``, for loops in JAX, a random sample of the parameters' entries is followed, and the
first ``steps`` steps are kept: 3 x steps x components numbers.
"""

import reprlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from lopt.arguments import whole
from lopt.records.recorded_run import RecordedRun

__all__ = ["LoopRecorder", "torch_recorder"]


class LoopRecorder:
    """What was met so far; ``recorded_run`` is what is stored.

    Args:
        steps: how many steps are kept, from the first on; later ones pass by.
        components: how many entries of the parameters are followed (all, if there are fewer).
        seed: chooses them.

    Raises:
        ValueError: if ``steps`` or ``components`` is less than 1.
    """

    def __init__(self, *, steps: int, components: int = 64, seed: int = 0) -> None:
        self.steps = whole("steps", steps)
        self._components, self._seed = whole("components", components), whole("seed", seed, least=0)
        self._places: list[np.ndarray] = []
        self._rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._losses: list[float] = []

    @property
    def full(self) -> bool:
        """Whether all steps that are kept were met."""
        return len(self._rows) >= self.steps

    def met(
        self,
        gradients: Float[ArrayLike, "..."] | Sequence[Float[ArrayLike, "..."]],
        parameters: Float[ArrayLike, "..."] | Sequence[Float[ArrayLike, "..."]],
        updates: Float[ArrayLike, "..."] | Sequence[Float[ArrayLike, "..."]],
        loss: float = float("nan"),
    ) -> None:
        """Keep one step.

        Args:
            gradients: that the step met: an array, or one for each of several parameters.
            parameters: before the step.
            updates: that were added to them.
            loss: before the step, if it is known.

        Raises:
            ValueError: if something is no real number, or the three have other shapes than each other, or
                than at the first step.
        """
        if self.full:
            return
        given = {"gradients": gradients, "parameters": parameters, "updates": updates}
        listed = [_listed(name, part) for name, part in given.items()]
        shapes = [[array.shape for array in part] for part in listed]
        for name, other in zip(("parameters", "updates"), shapes[1:], strict=True):
            if other != shapes[0]:
                raise ValueError(f"{name} have shapes {other}, but the gradients have {shapes[0]}")
        sizes = [int(np.prod(shape)) for shape in shapes[0]]
        places = self._chosen(sizes)
        gradients, x, updates = (
            np.concatenate([a.reshape(-1)[p] for a, p in zip(part, places, strict=True)])
            for part in listed
        )
        try:
            known = float(loss)
        except (TypeError, ValueError):
            raise ValueError(f"loss is {reprlib.repr(loss)}, expected a number") from None
        self._keep(gradients, x, updates, known)

    def recorded_run(self) -> RecordedRun:
        """Return what is stored.

        Raises:
            ValueError: if no step was met yet.
        """
        if not self._rows:
            raise ValueError("the recorder has met no step yet")
        gradients, x, updates = map(np.stack, zip(*self._rows, strict=True))
        return RecordedRun(gradients, x, updates, np.array(self._losses, np.float64))

    def _keep(
        self,
        gradients: Float[np.ndarray, " components"],
        x: Float[np.ndarray, " components"],
        updates: Float[np.ndarray, " components"],
        loss: float,
    ) -> None:
        self._rows.append((gradients, x, updates))
        self._losses.append(float(loss))

    def _chosen(self, sizes: Sequence[int]) -> list[np.ndarray]:
        """Return the entries that are followed, of each of several raveled parameters."""
        if not self._places:
            ends = np.cumsum(sizes)
            order = np.random.default_rng(self._seed).permutation(int(ends[-1]))
            chosen = np.sort(order[: self._components])
            homes = np.searchsorted(ends, chosen, side="right")
            self._places = [
                chosen[homes == home] - (end - size)
                for home, (end, size) in enumerate(zip(ends, sizes, strict=True))
            ]
            self._sizes = list(sizes)
        if list(sizes) != self._sizes:
            raise ValueError(
                f"the parameters have {list(sizes)} entries, but at the first step they had {self._sizes}"
            )
        return self._places


def torch_recorder(
    optimizer: Any, *, steps: int, components: int = 64, group: int | None = None, seed: int = 0
) -> LoopRecorder:
    """Return what records every step of a ``torch.optim`` optimizer from now on.

    The loop stays as it is. A loss is known if ``step`` is given a closure that returns it; otherwise
    ``recorder.loss = float(loss)`` before the step tells it. A parameter without a gradient at the first
    step is not followed; one that has none later counts as having met 0.

    Args:
        optimizer: of the loop.
        steps: how many steps are kept, from the next on.
        components: how many entries of the parameters are followed.
        group: the number of the group of parameters to follow (default: all of them). Groups that have
            settings of their own are optimizers of their own.
        seed: chooses the entries.

    Raises:
        ValueError: if it has no hooks or no such group, or a number is less than 1.
    """
    if not all(
        hasattr(optimizer, name) for name in ("register_step_pre_hook", "register_step_post_hook")
    ):
        raise ValueError(
            f"expected a torch.optim optimizer of PyTorch 2.0 or newer, got {type(optimizer).__name__}"
        )
    groups = optimizer.param_groups
    if group is not None and not 0 <= group < len(groups):
        raise ValueError(f"group is {group}, but the optimizer has {len(groups)}")
    return _TorchRecorder(optimizer, group, steps=steps, components=components, seed=seed)


class _TorchRecorder(LoopRecorder):
    def __init__(self, optimizer: Any, group: int | None, **settings: int) -> None:
        super().__init__(**settings)
        self.loss = float("nan")
        self._group, self._followed = group, []
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._hooks = [
            optimizer.register_step_pre_hook(self._begin),
            optimizer.register_step_post_hook(self._end),
        ]

    def _begin(self, optimizer: Any, args: tuple, keywords: dict) -> tuple[tuple, dict] | None:
        if self.full:
            for hook in self._hooks:
                hook.remove()
            return None
        # PyTorch hands the optimizer itself over as the first of the arguments.
        own, given = (args[:1], args[1:]) if args and args[0] is optimizer else ((), args)
        closure = given[0] if given else keywords.get("closure")
        if closure is None:
            self._look(optimizer)
            return None

        def listened() -> Any:
            # The gradients of this step are those that its closure leaves: the first, of several.
            loss = closure()
            if self._before is None:
                self.loss = float(loss)
                self._look(optimizer)
            return loss

        self._before = None
        if given:
            return (*own, listened, *given[1:]), keywords
        return own, keywords | {"closure": listened}

    def _look(self, optimizer: Any) -> None:
        if not self._followed:
            chosen = (
                optimizer.param_groups
                if self._group is None
                else [optimizer.param_groups[self._group]]
            )
            self._followed = [p for each in chosen for p in each["params"] if p.grad is not None]
        if self._followed:
            self._before = self._sampled(lambda p: p.grad), self._sampled(lambda p: p)

    def _end(self, optimizer: Any, args: tuple, keywords: dict) -> None:
        if self._before is not None and not self.full:
            gradients, x = self._before
            self._keep(gradients, x, self._sampled(lambda p: p) - x, self.loss)
        self._before, self.loss = None, float("nan")

    def _sampled(self, part: Callable[[Any], Any]) -> Float[np.ndarray, " components"]:
        places = self._chosen([p.numel() for p in self._followed])
        rows = []
        for p, entries in zip(self._followed, places, strict=True):
            tensor = part(p)
            if tensor is None:
                rows.append(np.zeros(len(entries)))
                continue
            tensor = tensor.detach()
            tensor = tensor.to_dense() if tensor.is_sparse else tensor
            rows.append(tensor.reshape(-1)[entries].cpu().double().numpy())
        return np.concatenate(rows)


def _listed(name: str, part: Any) -> list[Float[np.ndarray, "..."]]:
    """Return a list of arrays: what is a list of arrays already, or the one array.

    Raises:
        ValueError: if something of it is no real number, or there is none.
    """
    several = isinstance(part, (list, tuple)) and any(np.ndim(each) for each in part)
    try:
        arrays = [_real(each) for each in (part if several else [part])]
    except (TypeError, ValueError):
        arrays = []
    if not sum(array.size for array in arrays):
        raise ValueError(
            f"{name} should be an array of real numbers, or a list of one for each parameter, "
            f"got {reprlib.repr(part)}"
        )
    return arrays


def _real(each: Any) -> Float[np.ndarray, "..."]:
    if each is None or np.iscomplexobj(
        each
    ):  # NumPy makes NaN of None, and drops an imaginary part
        raise TypeError
    return np.asarray(each, np.float64)
