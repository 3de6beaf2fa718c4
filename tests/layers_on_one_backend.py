"""What tests/test_layers.py runs once for each backend.

    KERAS_BACKEND=jax python tests/layers_on_one_backend.py FOLDER STEP…

Steps: "save" writes models with their weights, "load" reads them and writes
the outputs of this backend to FOLDER/BACKEND.npz, "check" tests the promises
that need no other backend.
"""

import pathlib
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from lib.layers import (
    LearnedPositions,
    SinusoidalPositions,
    encoder_block,
    padding_mask,
    sinusoidal_encoding,
)

IDS = np.array([[5, 3, 8, 1, 0, 0], [2, 2, 7, 9, 4, 6], [1, 0, 0, 0, 0, 0]])


def encoder(positions, norm_first):
    """A small encoder: ids (batch, length) to vectors (batch, length, 8)."""
    ids = keras.Input(shape=(None,), dtype="int32")
    x = positions(layers.Embedding(10, 8, "random_normal",
                                   name="embedding")(ids))
    for _ in range(2):
        x = encoder_block(x, padding_mask(ids), num_heads=2, key_dim=4,
                          hidden_width=16, dropout=0.1, norm_first=norm_first)
    return keras.Model(ids, x)


def models():
    return {f"{positions.__name__}-{norm_first}": (positions, norm_first)
            for positions in (sinusoidal, learned)
            for norm_first in (True, False)}


def sinusoidal():
    return SinusoidalPositions()


def learned():
    return LearnedPositions(max_length=20)


def numpy_of(model, ids):
    return ops.convert_to_numpy(model(np.asarray(ids)))


def outputs(model):
    longer = np.arange(20)[None] % 9 + 1  # another batch, another length
    return numpy_of(model, IDS), numpy_of(model, longer)


def save(folder):
    keras.utils.set_random_seed(1)
    for name, (positions, norm_first) in models().items():
        encoder(positions(), norm_first).save(folder / f"{name}.keras")


def load(folder):
    arrays = {}
    for name in models():
        loaded = keras.models.load_model(folder / f"{name}.keras")
        arrays[f"{name}-short"], arrays[f"{name}-long"] = outputs(loaded)
    arrays["encoding"] = ops.convert_to_numpy(sinusoidal_encoding(300, 16))
    np.savez(folder / f"{keras.backend.backend()}.npz", **arrays)


def check(folder):
    check_padding_mask()
    check_encoding()
    check_positions()
    check_wiring()
    for positions, norm_first in models().values():
        model = encoder(positions(), norm_first)
        check_masks(model)
        check_saving(model, folder / "own.keras")
    check_training()
    check_dropout()
    check_mixed_precision()


def check_padding_mask():
    mask = ops.convert_to_numpy(padding_mask(ops.convert_to_tensor(IDS)))
    assert mask.shape == (3, 1, 6) and mask.dtype == bool
    assert mask[:, 0].sum(axis=1).tolist() == [4, 6, 1]


def check_encoding():
    table = ops.convert_to_numpy(sinusoidal_encoding(4, 6))
    assert table.shape == (4, 6) and table.dtype == np.float32
    for p in range(4):
        for i in range(3):
            angle = p / 10000 ** (2 * i / 6)
            assert np.isclose(table[p, 2 * i], np.sin(angle), atol=1e-6)
            assert np.isclose(table[p, 2 * i + 1], np.cos(angle), atol=1e-6)
    with pytest.raises(ValueError, match="even, not 5"):
        sinusoidal_encoding(4, 5)


def check_positions():
    for layer in (sinusoidal(), table := learned()):
        zeros = np.zeros((1, 20, 8), "float32")
        vectors = ops.convert_to_numpy(layer(zeros))[0]
        assert vectors.shape == (20, 8)
        assert len(np.unique(vectors.round(4), axis=0)) == 20
        np.testing.assert_allclose(
            ops.convert_to_numpy(layer(zeros[:, :7]))[0], vectors[:7])
    with pytest.raises(ValueError, match="21 positions.*for 20"):
        table(np.zeros((1, 21, 8), "float32"))


def check_wiring():
    """What is normalised, and that the block is residual."""
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    vectors = keras.Input((None, 8))
    everywhere = ops.ones_like(vectors[:, None, :, 0], dtype="bool")
    for norm_first in (True, False):
        model = keras.Model(vectors, encoder_block(
            vectors, everywhere, num_heads=2, key_dim=4, hidden_width=16,
            norm_first=norm_first))
        # four times 8 * 8 + 8, then 8 * 16 + 16 + 16 * 8 + 8, two norms
        assert model.count_params() == 4 * 72 + 280 + 2 * 16
        names = [type(layer).__name__ for layer in model.layers]
        assert names.index("MultiHeadAttention") < names.index("Dense")
        output = numpy_of(model, x)
        is_normed = np.allclose(output.mean(axis=-1), 0, atol=1e-4)
        assert is_normed != norm_first
        if norm_first:  # what the parts add does not grow with x
            added = np.abs(numpy_of(model, 100 * x) - 100 * x).max()
            assert added < 5 * np.abs(output - x).max()
        for weight in model.trainable_weights:
            if "normalization" not in weight.path:
                weight.assign(np.zeros(weight.shape))
        unchanged = np.allclose(numpy_of(model, x), x, atol=1e-5)
        assert unchanged == norm_first


def check_masks(model):
    """What stands under the mask changes nothing; what does not, does."""
    first = numpy_of(model, IDS)
    padded = np.pad(IDS, [(0, 0), (0, 3)])
    real = IDS != 0
    np.testing.assert_allclose(numpy_of(model, padded)[:, :6][real],
                               first[real], atol=1e-5)
    table = model.get_layer("embedding").embeddings
    changed = ops.convert_to_numpy(table).copy()
    changed[0] += 5  # the vector of the padding itself
    table.assign(changed)
    np.testing.assert_allclose(numpy_of(model, IDS)[real], first[real],
                               atol=1e-5)
    other = np.where(IDS == 8, 9, IDS)
    assert np.abs(numpy_of(model, other)[0, 0] - first[0, 0]).max() > 1e-3
    empty = numpy_of(model, np.zeros((1, 4), "int32"))
    assert np.isfinite(empty).all()


def check_saving(model, path):
    model.save(path)
    loaded = keras.models.load_model(path)
    for a, b in zip(outputs(model), outputs(loaded)):
        np.testing.assert_allclose(a, b, atol=1e-6)


def check_training():
    """Every weight gets a gradient: it moves in one step."""
    keras.utils.set_random_seed(2)
    model = encoder(learned(), norm_first=True)
    before = [ops.convert_to_numpy(w).copy()
              for w in model.trainable_weights]
    model.compile("adam", "mse")
    model.fit(IDS, np.random.default_rng(0).normal(size=(3, 6, 8)), verbose=0)
    for weight, old in zip(model.trainable_weights, before):
        moved = np.abs(ops.convert_to_numpy(weight) - old).max() > 0
        # A bias on every key adds the same to all scores of a query, which
        # the softmax takes away again.
        assert moved or "key/bias" in weight.path, weight.path


def check_dropout():
    model = encoder(learned(), norm_first=True)
    runs = [ops.convert_to_numpy(model(IDS, training=training))
            for training in (False, False, True, True)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.allclose(runs[2], runs[3])


def check_mixed_precision():
    for policy in ("mixed_bfloat16", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        try:
            for positions, norm_first in models().values():
                output = encoder(positions(), norm_first)(IDS)
                assert keras.backend.standardize_dtype(
                    output.dtype) == policy.removeprefix("mixed_")
                assert np.isfinite(ops.convert_to_numpy(
                    ops.cast(output, "float32"))).all()
        finally:
            keras.config.set_dtype_policy("float32")


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    for step in sys.argv[2:]:
        {"save": save, "load": load, "check": check}[step](target)
