"""A stand-in for PyTorch, which the locked environment lacks: as much of its interface as lopt uses.

It is NOT PyTorch. Tensors wrap NumPy arrays; ``optim.Optimizer`` has what the documentation of
``torch.optim.Optimizer`` says: ``param_groups``, ``state``, ``defaults``, ``step``, ``zero_grad``, and hooks
before and after a step, which are given the optimizer, its arguments (itself the first) and keywords. SGD and
Adam are those of the documentation, state and order of operations included. PyTorch itself is tested in
``test_torch_itself.py`` (make test-torch).
"""

import types
from collections import defaultdict
from functools import wraps

import numpy as np

__all__ = ["module"]


class Tensor:
    """An array with a gradient; the few methods that are used."""

    is_sparse = False

    def __init__(self, array, requires_grad=False):
        self.array, self.requires_grad, self.grad = np.asarray(array), requires_grad, None

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)

    def requires_grad_(self, flag=True):
        self.requires_grad = flag
        return self

    def detach(self):
        return Tensor(self.array)  # shares its memory, as PyTorch's does

    def clone(self):
        return Tensor(self.array.copy())

    def cpu(self):
        return self

    def double(self):
        return Tensor(self.array.astype(np.float64))

    def to(self, dtype):
        return Tensor(self.array.astype(dtype))

    def numpy(self):
        return self.array

    def numel(self):
        return self.array.size

    def item(self):
        return self.array.item()

    def is_floating_point(self):
        return np.issubdtype(self.array.dtype, np.floating)

    def reshape(self, *shape):
        return Tensor(self.array.reshape(*shape))

    def __getitem__(self, places):
        return Tensor(self.array[places])


def _hooked(step):
    @wraps(step)
    def wrapper(*args, **keywords):
        self = args[0]
        for hook in list(self._before.values()):
            changed = hook(self, args, keywords)
            if changed is not None:
                args, keywords = changed
        out = step(*args, **keywords)
        for hook in list(self._after.values()):
            hook(self, args, keywords)
        return out

    return wrapper


class _Handle:
    def __init__(self, hooks, hook):
        self.hooks = hooks
        hooks[id(self)] = hook

    def remove(self):
        self.hooks.pop(id(self), None)


class Optimizer:
    def __init_subclass__(cls):
        cls.step = _hooked(cls.step)

    def __init__(self, params, defaults):
        params = list(params)
        groups = params if isinstance(params[0], dict) else [{"params": params}]
        self.defaults, self.state = defaults, defaultdict(dict)
        self.param_groups = [
            defaults | {**group, "params": list(group["params"])} for group in groups
        ]
        self._before, self._after = {}, {}

    def register_step_pre_hook(self, hook):
        return _Handle(self._before, hook)

    def register_step_post_hook(self, hook):
        return _Handle(self._after, hook)

    def zero_grad(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def _each(self, closure):
        loss = None if closure is None else closure()
        parameters = [(g, p) for g in self.param_groups for p in g["params"] if p.grad is not None]
        return loss, parameters


class SGD(Optimizer):
    def __init__(self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0):
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening}
        super().__init__(params, defaults | {"weight_decay": weight_decay})

    def step(self, closure=None):
        loss, parameters = self._each(closure)
        for group, p in parameters:
            d = p.grad.array + group["weight_decay"] * p.array
            if group["momentum"]:
                buffer = self.state[p].get("momentum_buffer")
                if buffer is None:
                    buffer = Tensor(d.copy())
                else:
                    damped = group["momentum"] * buffer.array + (1 - group["dampening"]) * d
                    buffer = Tensor(damped)
                self.state[p]["momentum_buffer"] = buffer
                d = buffer.array
            p.array[...] = p.array - group["lr"] * d
        return loss


class Adam(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    def step(self, closure=None):
        loss, parameters = self._each(closure)
        for group, p in parameters:
            state, g, (b1, b2) = self.state[p], p.grad.array, group["betas"]
            if len(state) == 0:
                state["step"] = Tensor(np.array(0.0, np.float32))
                state["exp_avg"] = Tensor(np.zeros_like(p.array))
                state["exp_avg_sq"] = Tensor(np.zeros_like(p.array))
            state["step"].array = state["step"].array + np.float32(1.0)
            m, v = state["exp_avg"].array, state["exp_avg_sq"].array
            m[...] = m + (1 - b1) * (g - m)
            v[...] = b2 * v + (1 - b2) * g * g
            step = float(state["step"].item())
            root = np.sqrt(v) / np.sqrt(1 - b2**step) + group["eps"]
            p.array[...] = p.array - group["lr"] / (1 - b1**step) * m / root
        return loss


def module():
    """Return the stand-in, to lie in ``sys.modules`` as ``torch``."""
    torch = types.ModuleType("torch")
    torch.is_tensor = lambda value: isinstance(value, Tensor)
    torch.from_numpy = Tensor
    torch.full_like = lambda like, value: Tensor(np.full_like(like.array, value))
    torch.Tensor = Tensor
    torch.optim = types.SimpleNamespace(Optimizer=Optimizer, SGD=SGD, Adam=Adam)
    return torch
