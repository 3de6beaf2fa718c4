"""Weights of models that the course itself trained for longer than a minute.

A checkpoint is two files in data/checkpoints/: NAME.npz, the weights in
16 bits in the order of `model.weights`, and NAME.json, which says how they
came about. `make checkpoints` trains them from nothing (tools/checkpoints.py).
"""

import hashlib
import json
import pathlib

import keras
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "data/checkpoints"
MAX_BYTES = 8_000_000


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
    weights = [keras.ops.convert_to_numpy(weight).astype("float16")
               for weight in model.weights]
    if sum(weight.nbytes for weight in weights) > MAX_BYTES:
        raise CheckpointError(f"{name} has {model.count_params():,} weights; "
                              f"a checkpoint may have {MAX_BYTES // 2:,}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npz"
    np.savez(path, *weights)
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
    with np.load(path) as arrays:
        weights = [arrays[f"arr_{i}"] for i in range(len(arrays))]
    shapes = [weight.shape for weight in weights]
    if shapes != [tuple(weight.shape) for weight in model.weights]:
        raise CheckpointError(f"{name} holds {len(shapes)} weights of other "
                              "shapes than this model's: build the model as "
                              "lib/recipes.py does")
    for weight, value in zip(model.weights, weights):
        weight.assign(value.astype("float32"))
    return facts


def _checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
