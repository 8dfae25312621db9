r"""One step of a ``torch.optim`` optimizer as a function of all that it remembers.

    own'[row, entry], shared'[number], update[row] = step(own, shared, g[row], x[row])

An optimizer of PyTorch keeps what it remembers in ``optimizer.state`` and ``param_groups``, and changes both
in place. Here every step has a new optimizer on one parameter, a vector of ``rows`` components, which is
given what the last one left behind:

    own       tensors of the parameter's shape: every component has an entry (``exp_avg``)
    shared    numbers that all components have in common (``step``; a number of the group as ``group.k``)

All of it is float64. ``observe`` runs an optimizer as it is, and says what its steps leave behind; most make
their state in the first step, whose beginning is caught where they set it.

Source: the documentation of ``torch.optim.Optimizer``: ``state``, ``param_groups``, ``step``, ``zero_grad``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lopt.optimizers.optax_audit import Unreadable

__all__ = ["Observed", "TorchStep", "observe", "require_torch"]

GROUP = "group."


def require_torch() -> Any:
    """Return the module ``torch``.

    Raises:
        ImportError: if PyTorch is not installed; the message says how to get it.
    """
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(f"this needs PyTorch: pip install 'lopt[torch]' ({error})") from None
    return torch


class Observed(NamedTuple):
    """What a run of an optimizer on a vector of components left behind, step by step."""

    updates: Float[np.ndarray, "steps rows"]
    own: tuple[Mapping[str, np.ndarray], ...]
    """Before each step (as far as it is known then), and after the last."""
    shared: tuple[Mapping[str, float], ...]
    templates: Mapping[str, Any]
    """What each entry was when it was first set, to be remade in its own type."""


class _Firsts(dict):
    """A parameter's state that keeps a copy of what each entry is set to first."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        super().__init__(entries)
        self.first = {name: _copied(value) for name, value in entries.items() if value is not None}

    def __setitem__(self, name: str, value: Any) -> None:
        if value is not None and name not in self.first:
            self.first[name] = _copied(value)
        super().__setitem__(name, value)

    def update(self, *others: Any, **entries: Any) -> None:
        for name, value in dict(*others, **entries).items():
            self[name] = value

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]


def observe(
    make: Callable[[list], Any],
    x: Float[np.ndarray, "*shape"],
    gradients: Float[np.ndarray, "steps *shape"],
) -> Observed:
    """Run an optimizer of PyTorch on one parameter, and return what each of its steps does.

    Args:
        make: makes the optimizer of a list of parameters.
        x: where the parameter starts.
        gradients: that it is given, step by step.

    Raises:
        Unreadable: if it keeps what is neither a tensor of the parameter's shape nor a number.
    """
    torch = require_torch()
    p = torch.from_numpy(np.array(x, np.float64)).requires_grad_(True)
    optimizer = make([p])
    state = optimizer.state[p] = _Firsts(dict(optimizer.state.get(p, {})))
    group = optimizer.param_groups[0]
    groups = [_numbers(group)]
    own, shared, updates = [], [], []
    for g in gradients:
        before = _array(p)
        p.grad = torch.from_numpy(np.array(g, np.float64))
        optimizer.step()
        updates.append(_array(p) - before)
        kept, numbers = _sorted_out(state, np.shape(x))
        own.append(kept)
        shared.append(numbers)
        groups.append(_numbers(group))
    first_own, first_shared = _sorted_out(state.first, np.shape(x))
    moving = [name for name, value in groups[0].items() if any(g[name] != value for g in groups)]
    templates = state.first | {GROUP + name: group[name] for name in moving}
    everything = [first_shared, *shared]
    return Observed(
        np.array(updates),
        (first_own, *own),
        tuple(
            numbers | {GROUP + name: float(at[name]) for name in moving}
            for numbers, at in zip(everything, groups, strict=True)
        ),
        templates,
    )


@dataclass(frozen=True)
class TorchStep:
    """The step of an optimizer whose memory has these entries.

    ``make`` makes it of a list of parameters, ``templates`` are those of ``observe``.
    """

    make: Callable[[list], Any]
    own: tuple[str, ...]
    shared: tuple[str, ...]
    templates: Mapping[str, Any]

    def __call__(
        self,
        own: Float[np.ndarray, "rows own"] | None,
        shared: Float[np.ndarray, " shared"] | None,
        g: Float[np.ndarray, " rows"],
        x: Float[np.ndarray, " rows"],
    ) -> tuple[
        Float[np.ndarray, "rows own"], Float[np.ndarray, " shared"], Float[np.ndarray, " rows"]
    ]:
        """Return what is remembered after a step, and the updates; None: it is the first step."""
        torch = require_torch()
        x = np.array(x, np.float64)
        p = torch.from_numpy(x.copy()).requires_grad_(True)
        optimizer = self.make([p])
        group = optimizer.param_groups[0]
        if own is not None and shared is not None:
            state = optimizer.state[p]
            for name, column in zip(self.own, np.array(own, np.float64).T, strict=True):
                state[name] = torch.from_numpy(column.copy()).to(self.templates[name].dtype)
            for name, value in zip(self.shared, shared, strict=True):
                remade = _remade(torch, self.templates[name], float(value))
                if name.startswith(GROUP):
                    group[name.removeprefix(GROUP)] = remade
                else:
                    state[name] = remade
        p.grad = torch.from_numpy(np.array(g, np.float64))
        optimizer.step()
        state = optimizer.state[p]
        columns = [_array(state[name]) for name in self.own]
        numbers = [
            group[name.removeprefix(GROUP)] if name.startswith(GROUP) else _number(state[name])
            for name in self.shared
        ]
        return (
            np.stack([np.broadcast_to(column, x.shape) for column in columns], axis=1)
            if columns
            else np.zeros((len(x), 0)),
            np.array(numbers, np.float64),
            _array(p) - x,
        )


def _sorted_out(
    state: Mapping[str, Any], shape: Sequence[int]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return the entries that components have of their own, and the numbers that they share."""
    torch = require_torch()
    own, shared = {}, {}
    for name, value in state.items():
        if value is None:
            continue
        if torch.is_tensor(value) and tuple(value.shape) == tuple(shape) and value.numel() > 1:
            if not value.is_floating_point():
                raise Unreadable(f"{name} of its state is {value.dtype}, expected floating point")
            own[name] = _array(value)
        elif (torch.is_tensor(value) and value.numel() == 1) or isinstance(value, (int, float)):
            shared[name] = _number(value)
        else:
            kind = (
                f"a tensor of shape {list(value.shape)}"
                if torch.is_tensor(value)
                else f"a {type(value).__name__}"
            )
            raise Unreadable(
                f"{name} of its state is {kind}, expected a tensor of the parameter's shape "
                f"{list(shape)} or a number"
            )
    return own, shared


def _numbers(group: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in group.items() if isinstance(value, (int, float))}


def _remade(torch: Any, template: Any, value: float) -> Any:
    if torch.is_tensor(template):
        return torch.full_like(template, value)
    return type(template)(round(value) if isinstance(template, int) else value)


def _copied(value: Any) -> Any:
    return value.detach().clone() if hasattr(value, "detach") else value


def _array(tensor: Any) -> Float[np.ndarray, "*shape"]:
    return np.array(tensor.detach().cpu().numpy(), np.float64)


def _number(value: Any) -> float:
    return float(value.item() if hasattr(value, "item") else value)
