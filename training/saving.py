"""Write what lib.checkpoints reads."""

import json

import numpy as np

from lib.checkpoints import FOLDER, CheckpointError, checksum

MAX_BYTES = 8_000_000
TABLE_ROWS = 1000  # a matrix with so many rows is a table of vectors


def save(model, name, config, vocabularies, merges, metadata, folder=FOLDER):
    """Write a checkpoint.

    Args:
        model: a built model, every parameter of which is at most 65,504.
        name, config, vocabularies, merges: as in lib.checkpoints.Checkpoint.
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
                           "sha256": checksum(path)}
    path.with_suffix(".json").write_text(
        json.dumps({"config": config, "metadata": metadata}, indent=1) + "\n",
        encoding="utf-8")


def _packed(name, weight):
    """The arrays that stand for one parameter."""
    if weight.ndim < 2 or len(weight) < TABLE_ROWS:
        return {name: weight.astype("float16")}
    scale = np.abs(weight).max(axis=1, keepdims=True) / 127 + 1e-8
    return {name: np.round(weight / scale).astype("int8"),
            f"{name} scale": scale.astype("float32")}
