"""The four standard files of handwritten digits, in the IDX format, compressed or not.

    train-images-idx3-ubyte, train-labels-idx1-ubyte      60,000 images of 28 x 28 pixels, 0 ... 255; classes
    t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte        10,000 more, held out

They are those of Y. LeCun, C. Cortes and C. Burges (MNIST), and are not part of this project. An IDX file
is two zero bytes, one that says the type of the numbers (8: unsigned bytes), one for the number of
dimensions, each dimension as a big-endian 32-bit number, and then the numbers, the last index fastest.
"""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

__all__ = ["STANDARD", "read_idx", "read_images"]

STANDARD = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of each file, uncompressed."""

WHERE = (
    "they are the MNIST digits, which the data folders of most machine learning libraries hold: for example, "
    "torchvision.datasets.MNIST(root, download=True) leaves them in root/MNIST/raw. Put them into this "
    "folder, compressed (.gz) or not, or name theirs as the task's `folder`"
)
UNSIGNED_BYTES = 8

Read = tuple[
    UInt8[np.ndarray, "training pixels pixels"],
    Int[np.ndarray, " training"],
    UInt8[np.ndarray, "held_out pixels pixels"],
    Int[np.ndarray, " held_out"],
]


def read_images(folder: str | Path, pixels: int, classes: int, standard: bool = True) -> Read:
    """Return training images and labels, held-out images and labels.

    Args:
        folder: where the four files are.
        pixels: height and width that the images must have.
        classes: labels must be below.
        standard: whether they must be the standard files, by their checksums.

    Raises:
        FileNotFoundError: if a file is missing, with where to get it.
        ValueError: if a file is damaged, not the standard one, or does not go with the others.
    """
    folder = Path(folder)
    missing = [name for name in STANDARD if _path(folder, name) is None]
    if missing:
        raise FileNotFoundError(
            f"{folder.absolute()} has no {', no '.join(missing)}, which the digits of {pixels} x {pixels} "
            f"pixels need; {WHERE}"
        )
    arrays = []
    for name, digest in STANDARD.items():
        path = _path(folder, name)
        assert path is not None  # as was seen above
        array = read_idx(path, digest if standard else None)
        wanted = (pixels, pixels) if "images" in name else ()
        if array.shape[1:] != wanted or array.ndim != len(wanted) + 1 or not len(array):
            raise ValueError(f"{path}: has the shape {array.shape}, expected {('n', *wanted)}")
        if "labels" in name:
            if len(array) != len(arrays[-1]):
                raise ValueError(f"{path}: has {len(array)} labels of {len(arrays[-1])} images")
            if array.max() >= classes:
                raise ValueError(f"{path}: has the label {array.max()}, expected below {classes}")
            array = array.astype(np.int32)
        arrays.append(array)
    return tuple(arrays)


def _path(folder: Path, name: str) -> Path | None:
    """Return the file of this name, uncompressed or compressed; None if there is neither."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def read_idx(path: Path, sha256: str | None = None) -> UInt8[np.ndarray, "..."]:
    """Return the unsigned bytes that an IDX file holds.

    Args:
        path: of the file; one that ends in ``.gz`` is decompressed.
        sha256: the checksum that it must have, uncompressed (default: any).

    Raises:
        ValueError: if it is damaged, of another type, or has another checksum.
    """
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: damaged, or not compressed by gzip ({error})") from None
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise ValueError(
            f"{path}: is not the standard file: its SHA-256, uncompressed, is {found}, expected {sha256}; "
            "fetch it again, or set the task's `standard` to false for digits of another source"
        )
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTES:
        raise ValueError(f"{path}: not an IDX file of unsigned bytes (begins with {content[:4]!r})")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"{path}: ends within its header")
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    count = 1
    for size in shape:
        count *= size
    if len(content) - start != count:
        raise ValueError(
            f"{path}: holds {len(content) - start} numbers, its header says {count} {shape}"
        )
    try:
        return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    except ValueError as error:  # too many dimensions, or none of them and too long others
        raise ValueError(f"{path}: its header says what no array is: {error}") from None
