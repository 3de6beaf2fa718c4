"""Models that the course itself trained for longer than a minute.

A checkpoint is two files in data/checkpoints/. NAME.npz holds the parameters,
in the order of `model.weights`, and the vocabularies; tables of vectors are
stored in 8 bits, with a scale for each row, all else in 16. NAME.json says
with which arguments the model is built, and how it came about. `make
checkpoints` trains them from nothing (training/).
"""

import hashlib
import json
import pathlib
from typing import NamedTuple

import numpy as np

from lib.text import Vocabulary

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "data/checkpoints"
MAX_BYTES = 8_000_000
TABLE_ROWS = 1000  # a matrix with so many rows is a table of vectors


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, or belongs to another model."""


class Checkpoint(NamedTuple):
    """All that is needed to use a trained model.

    name: of its two files, without ending.
    config: dict of the arguments that the model is built with.
    vocabularies: dict of name → lib.text.Vocabulary.
    merges: list of pairs of str, where byte-pair encoding cut the texts.
    metadata: dict of how it came about: command, seed, steps, loss, seconds, …
    parameters: list of float32 arrays, in the order of `model.weights`.
    """

    name: str
    config: dict
    vocabularies: dict
    merges: list
    metadata: dict
    parameters: list

    def restore(self, model):
        """Give a model the parameters of this checkpoint.

        Args:
            model: a built model, made with the arguments in config.

        Raises:
            CheckpointError: the model has other shapes. It is then unchanged.
        """
        shapes = [array.shape for array in self.parameters]
        if shapes != [tuple(weight.shape) for weight in model.weights]:
            raise CheckpointError(
                f"{self.name} holds {len(shapes)} arrays of other shapes than "
                "this model's: build it with the checkpoint's config")
        model.set_weights(self.parameters)


def save(model, name, config, vocabularies, merges, metadata, folder=FOLDER):
    """Write a checkpoint.

    Args:
        model: a built model, every parameter of which is at most 65,504.
        name, config, vocabularies, merges: as in Checkpoint.
        metadata: dict of JSON values; number of parameters and checksum are
            added.
        folder: where to write, a pathlib.Path.

    Raises:
        CheckpointError: the file would be larger than the course allows.
    """
    tokens = {"merges": merges, "vocabularies": {
        key: vocabulary.get_config()
        for key, vocabulary in vocabularies.items()}}
    arrays = {"tokens": np.frombuffer(
        json.dumps(tokens, ensure_ascii=False).encode("utf-8"), "uint8")}
    for i, weight in enumerate(model.get_weights()):
        arrays |= _packed(str(i), weight)
    size = sum(array.nbytes for array in arrays.values())
    if size > MAX_BYTES:
        raise CheckpointError(f"{name} would have {size:,} bytes; a "
                              f"checkpoint may have {MAX_BYTES:,}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    metadata = metadata | {"parameters": model.count_params(),
                           "sha256": _checksum(path)}
    path.with_suffix(".json").write_text(
        json.dumps({"config": config, "metadata": metadata}, indent=1) + "\n",
        encoding="utf-8")


def load(name, folder=FOLDER):
    """Read a checkpoint.

    Args:
        name: of the two files, without ending.
        folder: where they lie, a pathlib.Path.

    Returns:
        Checkpoint.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    advice = f"Train it again: make checkpoints ONLY={name}"
    path = folder / f"{name}.npz"
    try:
        about = json.loads(path.with_suffix(".json").read_text("utf-8"))
        config, metadata = about["config"], about["metadata"]
        checksum = _checksum(path)
    except FileNotFoundError as error:
        missing = pathlib.Path(error.filename).name
        raise CheckpointError(f"{missing} is missing. {advice}") from None
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"{name}.json is damaged. {advice}") from None
    if checksum != metadata.get("sha256"):
        raise CheckpointError(f"{name}.npz is not the file that {name}.json "
                              f"describes (its SHA-256 differs). {advice}")
    with np.load(path) as arrays:
        tokens = json.loads(arrays["tokens"].tobytes())
        parameters = _unpacked(arrays)
    vocabularies = {key: Vocabulary.from_config(vocabulary)
                    for key, vocabulary in tokens["vocabularies"].items()}
    return Checkpoint(name, config, vocabularies,
                      list(map(tuple, tokens["merges"])), metadata, parameters)


def _packed(name, weight):
    """The arrays that stand for one parameter."""
    if weight.ndim < 2 or len(weight) < TABLE_ROWS:
        return {name: weight.astype("float16")}
    scale = np.abs(weight).max(axis=1, keepdims=True) / 127 + 1e-8
    return {name: np.round(weight / scale).astype("int8"),
            f"{name} scale": scale.astype("float32")}


def _unpacked(arrays):
    """The parameters of an opened file, float32, in their order."""
    names = sorted((name for name in arrays.files if name.isdigit()), key=int)
    return [arrays[name].astype("float32")
            * (arrays[f"{name} scale"] if f"{name} scale" in arrays
               else np.float32(1)) for name in names]


def _checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
