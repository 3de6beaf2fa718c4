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
        found = checksum(path)
    except FileNotFoundError as error:
        missing = pathlib.Path(error.filename).name
        raise CheckpointError(f"{missing} is missing. {advice}") from None
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"{name}.json is damaged. {advice}") from None
    if found != metadata.get("sha256"):
        raise CheckpointError(f"{name}.npz is not the file that {name}.json "
                              f"describes (its SHA-256 differs). {advice}")
    with np.load(path) as arrays:
        tokens = json.loads(arrays["tokens"].tobytes())
        parameters = _unpacked(arrays)
    vocabularies = {key: Vocabulary.from_config(vocabulary)
                    for key, vocabulary in tokens["vocabularies"].items()}
    return Checkpoint(name, config, vocabularies,
                      list(map(tuple, tokens["merges"])), metadata, parameters)


def _unpacked(arrays):
    """The parameters of an opened file, float32, in their order."""
    names = sorted((name for name in arrays.files if name.isdigit()), key=int)
    return [arrays[name].astype("float32")
            * (arrays[f"{name} scale"] if f"{name} scale" in arrays
               else np.float32(1)) for name in names]


def checksum(path):
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
