r"""Training a convolutional network to classify handwritten digits, on a new minibatch at each iteration.

    f_k(theta) = mean over the batch of iteration k of -log softmax(network(theta, image))[label]

Three convolutions (zero padding to a size of ceil(n / stride), ReLU after each) and a dense layer to the
ten classes. A batch is drawn with replacement from the training images; a problem is the initial weights
(Glorot-normal, biases N(0, 0.01^2)) and the seed of its batches. There is no penalty. Pixels are scaled to
[0, 1].

``pixels`` chooses the images: 28, those of LeCun, Cortes and Burges (60,000 to train on and 10,000 held
out), from four files that the user fetches (``lopt.tasks.idx``); or 8, those of Alpaydin and Kaynak (UCI
machine learning repository, optical recognition of handwritten digits, CC BY 4.0), of which scikit-learn
brings 1,797: the first 1,500 to train on, the last 297 held out.

Source: arXiv 2011.02159, second version, has "a four layer convolutional network to classify digits"; its
settings are not published. The defaults are a *candidate*, of the authors' code before that version: 10,346
parameters on 28 x 28 pixels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt, UInt8

from lopt.fields import Count, Counts, NonNegative, Sizes
from lopt.keys import stream
from lopt.records.portraits import LabelledImages
from lopt.tasks.base import Task
from lopt.tasks.idx import read_images

__all__ = ["Digits", "Images", "Layer", "Network", "digit_images"]

CLASSES = 10
BUNDLED_TRAINING = (
    1500  # of scikit-learn's; their order is that of the writers' forms, classes mixed
)
HELD_OUT_AT_A_TIME = 500  # to bound memory
SHOWN = 2  # images of each class in the portrait


class Images(NamedTuple):
    """Gray images with their classes; ``white`` is the pixels' largest value."""

    training: UInt8[np.ndarray, "training pixels pixels"]
    training_labels: Int[np.ndarray, " training"]
    held_out: UInt8[np.ndarray, "held_out pixels pixels"]
    held_out_labels: Int[np.ndarray, " held_out"]
    white: int


@lru_cache
def digit_images(pixels: int, folder: str, standard: bool) -> Images:
    """Return the images of ``pixels`` x ``pixels``.

    Raises:
        FileNotFoundError, ValueError: of 28 pixels, if a file is missing or is not what it should be.
    """
    if pixels == 28:
        return Images(*read_images(folder, pixels, CLASSES, standard), white=255)
    from sklearn.datasets import load_digits  # costs a second to import: only where it is needed

    found: Any = load_digits()
    first = BUNDLED_TRAINING
    images, labels = found.images.astype(np.uint8), found.target.astype(np.int32)
    return Images(images[:first], labels[:first], images[first:], labels[first:], white=16)


class Layer(NamedTuple):
    """Weights of a convolution (a dense layer is one of a single position) and its biases."""

    kernel: Float[Array, "height width inputs outputs"]
    bias: Float[Array, " outputs"]


class Network(NamedTuple):
    """One problem: initial weights, and the seed of its batches."""

    layers: tuple[Layer, ...]
    seed: UInt[Array, ""]


@dataclass(frozen=True)
class Digits(Task):
    """Convolutions of ``channels``, ``kernels``, ``strides`` and a dense layer, in batches of ``batch``."""

    label: ClassVar[str] = "Digit classification"
    sizes: ClassVar[tuple[str, ...]] = ("pixels", "channels", "batch")
    least_components: ClassVar[int | str | tuple[str, str, int]] = ("channels", "kernels", 10)

    pixels: Literal[8, 28] = 8
    """[pixels] Height and width of the images: scikit-learn's 8, or 28, from files in ``folder``."""
    folder: str = "data/digits"
    """Where the four files of the images of 28 pixels lie."""
    standard: bool = True
    """Whether these files have to be the standard ones, by their checksums."""
    channels: Sizes = (32, 16, 16)
    """[channels] Of each convolution's output, first to last."""
    kernels: Counts = (5, 3, 3)
    """[pixels] Height and width of each convolution's kernel."""
    strides: Counts = (2, 2, 2)
    """[pixels] Between neighboring outputs of each convolution."""
    batch: Count = 32
    """[images] Drawn anew at each iteration, with replacement."""
    bias_scale: NonNegative = 0.01
    """[of a bias] Standard deviation of the biases where an optimization starts."""

    def __post_init__(self) -> None:
        lengths = {}
        for name in ("channels", "kernels", "strides"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            lengths[name] = len(getattr(self, name))
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{count} {name}" for name, count in lengths.items())
            raise ValueError(f"digits: there are {told}; each convolution needs one of each")

    @property
    def layer_shapes(self) -> tuple[tuple[int, int, int, int], ...]:
        """(height, width, inputs, outputs) of every layer's kernel; the last one's covers what is left."""
        shapes, inputs, size = [], 1, self.pixels
        for channels, kernel, stride in zip(self.channels, self.kernels, self.strides, strict=True):
            shapes.append((kernel, kernel, inputs, channels))
            inputs, size = channels, -(-size // stride)
        return (*shapes, (size, size, inputs, CLASSES))

    @property
    def components(self) -> int:
        return sum(
            h * w * inputs * outputs + outputs for h, w, inputs, outputs in self.layer_shapes
        )

    def images(self) -> Images:
        """Return the images that are trained on, and those held out."""
        return digit_images(self.pixels, self.folder, self.standard)

    def sample(self, key: jax.Array) -> Network:
        layers = []
        for height, width, inputs, outputs in self.layer_shapes:
            key, key_kernel, key_bias = jax.random.split(key, 3)
            shape = (height, width, inputs, outputs)
            scale = (2.0 / (height * width * (inputs + outputs))) ** 0.5  # Glorot and Bengio 2010
            if len(layers) == len(self.channels):  # dense: as many inputs as there are pixels left
                scale = (2.0 / (height * width * inputs + outputs)) ** 0.5
            # Drawn flat: the same numbers, but a draw of four axes takes XLA twice as long to compile.
            kernel = jax.random.normal(key_kernel, (math.prod(shape),), jnp.float32)
            biases = jax.random.normal(key_bias, (outputs,), jnp.float32)
            layers.append(Layer(scale * kernel.reshape(shape), self.bias_scale * biases))
        return Network(tuple(layers), jax.random.bits(key, (), jnp.uint32))

    def init(self, problem: Network) -> tuple[Layer, ...]:
        return problem.layers

    def chosen(self, problem: Network, iteration: Int[Array, ""]) -> Int[Array, " batch"]:
        """Return the numbers of the training images of one iteration's batch."""
        key, count = stream(problem.seed, "batch", iteration), len(self.images().training)
        return jax.random.randint(key, (self.batch,), 0, count, jnp.int32)

    def logits(
        self, layers: tuple[Layer, ...], images: UInt8[Array, "images pixels pixels"]
    ) -> Float[Array, "images 10"]:
        """Return the network's outputs before the softmax."""
        *convolutions, dense = layers
        x = (images.astype(dense.bias.dtype) / self.images().white)[..., None]
        for layer, stride in zip(convolutions, self.strides, strict=True):
            x = jax.nn.relu(_patches(x, len(layer.kernel), stride) @ _matrix(layer) + layer.bias)
        return x.reshape(len(x), -1) @ _matrix(dense) + dense.bias

    def loss(  # pyright: ignore[reportIncompatibleMethodOverride]: it is stochastic, see Task
        self, problem: Network, x: tuple[Layer, ...], iteration: Int[Array, ""]
    ) -> Float[Array, ""]:
        images, chosen = self.images(), self.chosen(problem, iteration)
        logits = self.logits(x, jnp.asarray(images.training)[chosen])
        return jnp.mean(_losses(logits, jnp.asarray(images.training_labels)[chosen]))

    def held_out(self, problem: Network, x: tuple[Layer, ...]) -> Mapping[str, Float[Array, ""]]:
        """Return mean loss and accuracy on all held-out images."""
        del problem  # the images are the same for all
        images = self.images()

        def one(held_out: tuple[Array, Array]) -> tuple[Array, Array]:
            image, label = held_out
            logits = self.logits(x, image[None])
            right = jnp.argmax(logits[0]) == label
            return _losses(logits, label[None])[0], right.astype(logits.dtype)

        data = jnp.asarray(images.held_out), jnp.asarray(images.held_out_labels)
        losses, right = jax.lax.map(one, data, batch_size=min(HELD_OUT_AT_A_TIME, len(data[1])))
        return {"loss": jnp.mean(losses), "accuracy": jnp.mean(right)}

    def portrait(self) -> LabelledImages:
        """Return the first images of each class."""
        images = self.images()
        first = [
            np.flatnonzero(images.training_labels == label)[:SHOWN] for label in range(CLASSES)
        ]
        chosen = np.concatenate(first)
        return LabelledImages(
            images.training[chosen] / np.float64(images.white),
            images.training_labels[chosen].astype(np.int64),
        )


def _patches(
    x: Float[Array, "images height width channels"], kernel: int, stride: int
) -> Float[Array, "images out_height out_width patch"]:
    """Return what a kernel sees at each place: then a convolution is a matrix product.

    XLA's convolutions are slow where every problem has weights of its own, and so are their derivatives.
    """
    pads, ends = [], []
    for size in x.shape[1:3]:
        out = -(-size // stride)
        total = max((out - 1) * stride + kernel - size, 0)
        pads.append((total // 2, total - total // 2))
        ends.append((out - 1) * stride + 1)
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    return jnp.concatenate(
        [
            x[:, row : row + ends[0] : stride, column : column + ends[1] : stride]
            for row in range(kernel)
            for column in range(kernel)
        ],
        axis=-1,
    )


def _matrix(layer: Layer) -> Float[Array, "patch outputs"]:
    return layer.kernel.reshape(-1, layer.kernel.shape[-1])


def _losses(
    logits: Float[Array, "images 10"], labels: Int[Array, " images"]
) -> Float[Array, " images"]:
    """Return -log softmax at the labels, stable for large logits."""
    of_label = jnp.sum(jax.nn.one_hot(labels, CLASSES, dtype=logits.dtype) * logits, axis=-1)
    return jax.nn.logsumexp(logits, axis=-1) - of_label
