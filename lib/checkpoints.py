"""Weights of models that the course itself trained for longer than a minute.

A checkpoint is two files in data/checkpoints/: NAME.npz, the weights in the
order of `model.weights`, and NAME.json, which says how they came about. Tables
of vectors are stored in 8 bits, with a scale for each row, all else in 16.
`make checkpoints` trains them from nothing (tools/checkpoints.py).
"""

import hashlib
import json
import pathlib

import keras
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "data/checkpoints"
MAX_BYTES = 8_000_000
TABLE_ROWS = 1000  # a matrix with so many rows is a table of vectors


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, or belongs to another model."""


def save(model, name, facts, folder=FOLDER):
    """Write a model's weights, and how they came about.

    Args:
        model: a built model, every weight of which is at most 65,504.
        name: of the two files, without ending.
        facts: dict of JSON values: command, seed, data, steps, loss, …
        folder: where to write, a pathlib.Path.

    Raises:
        CheckpointError: the file would be larger than the course allows.
    """
    arrays = {}
    for i, weight in enumerate(model.weights):
        arrays |= _packed(str(i), keras.ops.convert_to_numpy(weight))
    size = sum(array.nbytes for array in arrays.values())
    if size > MAX_BYTES:
        raise CheckpointError(f"{name} would have {size:,} bytes; a "
                              f"checkpoint may have {MAX_BYTES:,}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    facts = facts | {"weights": model.count_params(),
                     "sha256": _checksum(path)}
    (folder / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n",
                                         encoding="utf-8")


def load(model, name, folder=FOLDER):
    """Give a model the weights of a checkpoint.

    Args:
        model: a built model of the same shape, whose weights are replaced.
        name: of the two files, without ending.
        folder: where they lie, a pathlib.Path.

    Returns:
        Dict of how the checkpoint came about: command, seed, data, steps,
        loss, seconds, …

    Raises:
        CheckpointError: a file is missing or damaged, or the model has
            another shape. The model is then unchanged.
    """
    advice = f"Train it again: make checkpoints ONLY={name}"
    path = folder / f"{name}.npz"
    try:
        facts = json.loads(path.with_suffix(".json").read_text("utf-8"))
        checksum = _checksum(path)
    except FileNotFoundError as error:
        missing = pathlib.Path(error.filename).name
        raise CheckpointError(f"{missing} is missing. {advice}") from None
    except ValueError:
        raise CheckpointError(f"{name}.json is damaged. {advice}") from None
    if checksum != facts.get("sha256"):
        raise CheckpointError(f"{name}.npz is not the file that {name}.json "
                              f"describes (its SHA-256 differs). {advice}")
    weights = _unpacked(path)
    shapes = [weight.shape for weight in weights]
    if shapes != [tuple(weight.shape) for weight in model.weights]:
        raise CheckpointError(f"{name} holds {len(shapes)} weights of other "
                              "shapes than this model's: build the model as "
                              "lib/recipes.py does")
    for weight, value in zip(model.weights, weights):
        weight.assign(value)
    return facts


def _packed(name, weight):
    """The arrays that stand for one weight."""
    if weight.ndim < 2 or len(weight) < TABLE_ROWS:
        return {name: weight.astype("float16")}
    scale = np.abs(weight).max(axis=1, keepdims=True) / 127 + 1e-8
    return {name: np.round(weight / scale).astype("int8"),
            f"{name} scale": scale.astype("float32")}


def _unpacked(path):
    """The weights of a file, float32, in their order."""
    with np.load(path) as arrays:
        names = [name for name in arrays.files if name.isdigit()]
        return [arrays[name].astype("float32")
                * (arrays[f"{name} scale"] if f"{name} scale" in arrays
                   else np.float32(1)) for name in sorted(names, key=int)]


def _checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
