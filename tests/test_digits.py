"""The digits: the network against SciPy and NumPy, the batches, and the files that hold the images."""

import gzip
import hashlib
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate2d
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss

from lopt.records.portraits import LabelledImages
from lopt.tasks import as_dtype, idx, sample_batch
from lopt.tasks.digits import Digits
from lopt.tasks.flat import is_stochastic, start

SMALL = Digits(channels=(3, 2), kernels=(3, 2), strides=(2, 1), batch=7)


@pytest.fixture(scope="module")
def problems():
    return jax.jit(lambda key: sample_batch(SMALL, key, 3))(jax.random.key(0))


def problem_of(problems, number=0):
    return jax.tree.map(lambda leaf: leaf[number], problems)


def test_the_candidate_has_the_parameters_that_are_told():
    candidate = Digits(pixels=28)
    sizes = [h * w * i * o + o for h, w, i, o in candidate.layer_shapes]
    assert sizes == [832, 4624, 2320, 2570] and candidate.components == 10_346
    assert candidate.layer_shapes[-1] == (4, 4, 16, 10)
    shapes = jax.eval_shape(candidate.sample, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes.layers)) == candidate.components
    assert is_stochastic(candidate)


def test_each_convolution_needs_one_of_each():
    with pytest.raises(ValueError, match="digits: there are 3 channels, 2 kernels, 3 strides"):
        Digits(kernels=(3, 3))


def test_the_images_are_scikit_learns_and_split_once():
    images, found = SMALL.images(), load_digits()
    np.testing.assert_array_equal(np.concatenate([images.training, images.held_out]), found.images)
    labels = np.concatenate([images.training_labels, images.held_out_labels])
    np.testing.assert_array_equal(labels, found.target)
    assert len(images.training) == 1500 and len(images.held_out) == 297
    assert images.white == found.images.max() == 16
    assert np.bincount(images.held_out_labels).min() >= 25  # every class


def numpy_logits(layers, images, strides):
    """The network by SciPy's correlation: zeros around, every stride-th place of what is left."""
    x = images[..., None]
    for (kernel, bias), stride in zip(layers[:-1], strides, strict=True):
        size = kernel.shape[0]
        out = -(-x.shape[1] // stride)
        total = max((out - 1) * stride + size - x.shape[1], 0)
        pads = (total // 2, total - total // 2)
        x = np.pad(x, ((0, 0), pads, pads, (0, 0)))
        planes = [
            [
                sum(
                    correlate2d(image[..., i], kernel[..., i, o], "valid")[::stride, ::stride]
                    for i in range(kernel.shape[2])
                )
                + bias[o]
                for o in range(kernel.shape[3])
            ]
            for image in x
        ]
        x = np.maximum(np.moveaxis(np.array(planes), 1, -1), 0.0)
    kernel, bias = layers[-1]
    return x.reshape(len(x), -1) @ kernel.reshape(-1, kernel.shape[-1]) + bias


def as_numpy(layers):
    return [tuple(np.float64(part) for part in layer) for layer in layers]


@pytest.mark.parametrize("task", [SMALL, Digits(channels=(4,), kernels=(5,), strides=(3,))])
def test_the_network_is_scipys(task, x64):
    layers = as_dtype(jax.jit(task.sample)(jax.random.key(2)), jnp.float64).layers
    images = task.images().held_out[:4]
    found = jax.jit(task.logits)(layers, jnp.asarray(images))
    wanted = numpy_logits(as_numpy(layers), images / 16.0, task.strides)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def test_loss_and_held_out_measures_are_scikit_learns(problems):
    """The loss is of the images that were drawn, accuracy and held-out loss of those never drawn."""
    problem, images = problem_of(problems), SMALL.images()
    iteration = 5
    chosen = np.asarray(SMALL.chosen(problem, iteration))
    layers = as_numpy(problem.layers)

    def probabilities(of):
        logits = numpy_logits(layers, of / 16.0, SMALL.strides)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    found = jax.jit(SMALL.loss)(problem, problem.layers, iteration)
    shown = images.training_labels[chosen]
    wanted = log_loss(shown, probabilities(images.training[chosen]), labels=range(10))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    measures = jax.jit(SMALL.held_out)(problem, problem.layers)
    held_out, labels = probabilities(images.held_out), images.held_out_labels
    np.testing.assert_allclose(measures["loss"], log_loss(labels, held_out), rtol=1e-5)
    accuracy = accuracy_score(labels, held_out.argmax(axis=1))
    np.testing.assert_allclose(measures["accuracy"], accuracy, rtol=1e-6)


def test_the_loss_is_finite_where_the_network_is_certain(problems):
    problem = problem_of(problems)
    large = jax.tree.map(lambda leaf: 1e4 * leaf, problem.layers)
    loss, gradient = jax.jit(jax.value_and_grad(SMALL.loss, argnums=1))(problem, large, 0)
    assert np.isfinite(loss)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_every_iteration_and_problem_draws_its_own_batch_uniformly(problems):
    draw = jax.jit(jax.vmap(lambda p: jax.vmap(lambda k: SMALL.chosen(p, k))(jnp.arange(600))))
    drawn = np.asarray(draw(problems))
    assert len({tuple(batch) for run in drawn for batch in run}) == 3 * 600
    counts = np.bincount(drawn.ravel(), minlength=1500)
    assert len(counts) == 1500
    mean = drawn.size / 1500  # chi-square of 1,499 degrees of freedom: a standard deviation is 55
    assert abs(np.sum((counts - mean) ** 2) / mean - 1499) < 5 * 55


def test_weights_start_glorot_normal_and_biases_small():
    drawn = jax.jit(lambda key: sample_batch(SMALL, key, 64))(jax.random.key(3)).layers
    fans = [(9 * 1, 9 * 3), (4 * 3, 4 * 2), (4 * 4 * 2, 10)]
    for (kernel, bias), (fan_in, fan_out) in zip(drawn, fans, strict=True):
        for part, scale in ((kernel, (2.0 / (fan_in + fan_out)) ** 0.5), (bias, 0.01)):
            part = np.float64(part).ravel() / scale
            assert abs(part.var() - 1.0) < 4.0 * (2.0 / part.size) ** 0.5
            assert abs(part.mean()) < 4.0 * part.size**-0.5


def test_samplers_draw_the_same_numbers_under_x64(problems):
    with jax.enable_x64(True):
        again = jax.jit(lambda key: sample_batch(SMALL, key, 3))(jax.random.key(0))
        batch = np.asarray(SMALL.chosen(problem_of(again), 3))
    assert jax.tree.all(jax.tree.map(np.array_equal, problems, again))
    assert start(SMALL, problem_of(problems)).dtype == jnp.float32
    np.testing.assert_array_equal(batch, SMALL.chosen(problem_of(problems), 3))


def test_the_portrait_shows_two_of_each_class():
    portrait = SMALL.portrait()
    assert isinstance(portrait, LabelledImages)
    np.testing.assert_array_equal(portrait.labels, np.repeat(np.arange(10), 2))
    digits = load_digits()
    np.testing.assert_array_equal(portrait.images[2], digits.images[digits.target == 1][0] / 16.0)


# The four files.


MANY_DIMENSIONS = b"\0\0\x08\xff" + 255 * b"\0\0\0\x01" + b"\0"
EMPTY_AND_HUGE = b"\0\0\x08\x03" + b"\0\0\0\0" + 8 * b"\xff"


def idx_bytes(array) -> bytes:
    array = np.asarray(array, np.uint8)
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


@pytest.fixture
def files(tmp_path):
    """The contents of the four files, written compressed (images) and not (labels)."""
    random, contents = np.random.default_rng(0), {}
    for part, count in (("train", 12), ("t10k", 5)):
        labels = np.arange(count) % 10
        images = random.integers(256, size=(count, 28, 28))
        images[:, :4] = 25 * labels[:, None, None]
        contents[f"{part}-images-idx3-ubyte"] = images
        contents[f"{part}-labels-idx1-ubyte"] = labels
        images_path = tmp_path / f"{part}-images-idx3-ubyte.gz"
        images_path.write_bytes(gzip.compress(idx_bytes(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return tmp_path, contents


def test_the_four_files_are_read_compressed_or_not(files):
    folder, contents = files
    task = Digits(pixels=28, folder=str(folder), standard=False, batch=4)
    images = task.images()
    names = [name for name in contents]
    for found, name in zip(images[:4], names, strict=True):
        np.testing.assert_array_equal(found, contents[name])
    assert images.white == 255
    problem = jax.jit(task.sample)(jax.random.key(0))
    assert 1.0 < float(jax.jit(task.loss)(problem, problem.layers, 0)) < 4.0
    assert set(jax.jit(task.held_out)(problem, problem.layers)) == {"loss", "accuracy"}


def test_files_must_be_the_standard_ones_by_their_checksums(files, monkeypatch):
    folder, contents = files
    with pytest.raises(ValueError, match=r"train-images.*not the standard file.*SHA-256.*standard"):
        idx.read_images(folder, 28, 10)
    sums = {
        name: hashlib.sha256(idx_bytes(content)).hexdigest() for name, content in contents.items()
    }
    monkeypatch.setattr(idx, "STANDARD", sums)
    assert len(idx.read_images(folder, 28, 10)[0]) == 12


def test_missing_files_are_named_with_where_to_get_them(files):
    folder, _ = files
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no t10k-labels-idx1-ubyte, .*torchvision"):
        Digits(pixels=28, folder=str(folder), standard=False).images()


def without_end(content):
    return content[:-1]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train-labels-idx1-ubyte", without_end, r"holds 11 numbers, its header says 12"),
        ("train-labels-idx1-ubyte", lambda _: b"", r"not an IDX file"),
        ("train-labels-idx1-ubyte", lambda _: b"\0\0\x08\x03\0", r"ends within its header"),
        ("train-labels-idx1-ubyte", lambda _: b"\0\0\x0d\x01\0\0\0\0", r"of unsigned bytes"),
        ("train-labels-idx1-ubyte", lambda _: MANY_DIMENSIONS, r"header says what no array is"),
        ("train-labels-idx1-ubyte", lambda _: EMPTY_AND_HUGE, r"header says what no array is"),
        ("train-labels-idx1-ubyte", lambda _: idx_bytes([3]), r"1 labels of 12 images"),
        ("train-labels-idx1-ubyte", lambda _: idx_bytes([10] * 12), r"label 10, expected below 10"),
        ("t10k-images-idx3-ubyte.gz", without_end, r"damaged, or not compressed"),
        ("t10k-images-idx3-ubyte.gz", lambda _: b"no gzip", r"damaged, or not compressed"),
        (
            "t10k-images-idx3-ubyte.gz",
            lambda _: gzip.compress(idx_bytes(np.zeros((5, 8, 8)))),
            r"shape \(5, 8, 8\), expected \('n', 28, 28\)",
        ),
    ],
)
def test_damaged_files_are_told_by_name(files, name, change, message):
    path = files[0] / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as raised:
        idx.read_images(files[0], 28, 10, standard=False)
    assert str(raised.value).startswith(str(path))
