"""lib.layers against NumPy, on the backend that KERAS_BACKEND names."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from lib.layers import (
    CausalSelfAttention,
    DecoderBlock,
    LearnedPositions,
    SinusoidalPositions,
    attention,
    causal_mask,
    encoder_block,
    head_size,
    join_heads,
    padding_mask,
    sinusoidal_encoding,
    split_heads,
)
from tests import reference
from tests.reference import IDS, POLICIES, close, numpy_of
from tools.notebooks import ROOT


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def positions_of(kind):
    return {"sinusoidal": SinusoidalPositions,
            "learned": lambda: LearnedPositions(20)}[kind]()


def encoder(kind="learned", norm_first=True, dropout=0.0):
    """Ids (batch, length) to vectors (batch, length, 8), in two blocks."""
    ids = keras.Input(shape=(None,), dtype="int32")
    x = positions_of(kind)(layers.Embedding(10, 8, "random_normal",
                                            name="embedding")(ids))
    for _ in range(2):
        x = encoder_block(x, padding_mask(ids), num_heads=2, key_dim=4,
                          intermediate_dim=16, dropout=dropout,
                          norm_first=norm_first)
    return keras.Model(ids, x)


# ---- masks and attention

def test_padding_mask_shows_the_tokens():
    mask = ops.convert_to_numpy(padding_mask(ops.convert_to_tensor(IDS)))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, (IDS != 0)[:, None])


@pytest.mark.parametrize("length", [1, 2, 5])
def test_causal_mask_shows_a_token_itself_and_those_before(length):
    mask = ops.convert_to_numpy(causal_mask(length))
    assert mask.dtype == bool
    np.testing.assert_array_equal(
        mask, np.tril(np.ones((1, length, length), bool)))


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_the_papers(masked):
    query, key = normal(2, 3, 4), 3 * normal(2, 5, 4, seed=1)
    value = normal(2, 5, 6, seed=2)
    mask = np.random.default_rng(3).random((2, 3, 5)) < 0.6
    mask[..., 0] = True
    y, weights = attention(*map(ops.convert_to_tensor, (query, key, value)),
                           mask if masked else None)
    assert tuple(weights.shape) == (2, 3, 5)
    np.testing.assert_allclose(numpy_of(weights).sum(-1), 1, atol=1e-5)
    close(y, [reference.attention(query[i], key[i], value[i],
                                  mask[i] if masked else None)
              for i in range(2)])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_query_that_may_look_at_nothing_takes_the_mean(dtype):
    x = ops.cast(normal(1, 4, 8), dtype)
    mask = np.array([[[True] * 4, [False] * 4, [True] + [False] * 3,
                      [True] * 4]])
    y, weights = attention(x, x, x, mask)
    close(weights[0, 1], [0.25] * 4)
    close(weights[0, 2], [1, 0, 0, 0])
    assert np.isfinite(numpy_of(y)).all()


def test_heads_are_split_in_order_and_joined_again():
    x = np.arange(2 * 3 * 8, dtype="float32").reshape(2, 3, 8)
    parts = split_heads(ops.convert_to_tensor(x), 4)
    for head in range(4):
        close(parts[:, head], x[..., 2 * head:2 * head + 2])
    close(join_heads(parts), x)


@pytest.mark.parametrize("build", [
    lambda: head_size(16, 3),
    lambda: split_heads(np.zeros((2, 3, 16)), 3),
    lambda: CausalSelfAttention(3)(np.zeros((2, 3, 16), "float32")),
    lambda: DecoderBlock(3, 16)(np.zeros((2, 3, 16), "float32")),
])
def test_heads_that_cannot_share_the_dimension_are_refused(build):
    with pytest.raises(ValueError, match="3 heads cannot share .* of 16"):
        build()


@pytest.mark.slow
def test_attending_to_one_token_is_no_mistake():
    """In a process of its own: pytest has filters of warnings itself."""
    program = ("import numpy as np; from lib.layers import DecoderBlock; "
               "DecoderBlock(2, 8)(np.ones((1, 1, 4), 'float32'))")
    result = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program], cwd=ROOT,
        capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


# ---- positions

def test_sinusoids_are_the_papers():
    table = numpy_of(sinusoidal_encoding(40, 6))
    expected = [[f(p / 10000 ** (2 * i / 6)) for i in range(3)
                 for f in (np.sin, np.cos)] for p in range(40)]
    np.testing.assert_allclose(table, expected, atol=1e-5)
    with pytest.raises(ValueError, match="even, not 5"):
        sinusoidal_encoding(4, 5)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_positions_are_added_whatever_the_length(kind):
    layer, x = positions_of(kind), normal(2, 20, 8)
    layer(x)
    table = numpy_of(layer.table if kind == "learned"
                     else sinusoidal_encoding(20, 8))
    assert len(np.unique(table.round(4), axis=0)) == 20
    close(layer(x), x + table)
    close(layer(x[:, :7]), x[:, :7] + table[:7])


def test_learned_positions_start_small():
    keras.utils.set_random_seed(1)
    layer = LearnedPositions(100)
    layer.build((None, None, 50))
    table = numpy_of(layer.table)
    assert abs(table.mean()) < 0.002 and abs(table.std() - 0.05) < 0.002
    assert np.abs(table).max() > 0.12  # a normal distribution, not a uniform


def test_more_tokens_than_positions_are_refused():
    layer = positions_of("learned")
    layer(np.zeros((1, 20, 8), "float32"))
    with pytest.raises(ValueError, match="21 positions.*for 20"):
        layer(np.zeros((1, 21, 8), "float32"))


# ---- the encoder block

@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder_blocks_are_the_papers(norm_first):
    model = reference.randomise(encoder(norm_first=norm_first))
    table, places = (model.layers[i].get_weights()[0] for i in (1, 2))
    mask = np.repeat((IDS != 0)[:, None], 6, axis=1)
    close(model(IDS), reference.encoder_blocks(
        model, table[IDS] + places[:6], mask, norm_first), atol=1e-4)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_padding_changes_nothing_and_a_token_does(kind, norm_first):
    model, real = encoder(kind, norm_first), IDS != 0
    first = numpy_of(model(IDS))
    close(model(np.pad(IDS, [(0, 0), (0, 3)]))[:, :6][real], first[real])
    table = model.get_layer("embedding").embeddings
    changed = numpy_of(table)
    changed[0] += 5  # the vector of the padding itself
    table.assign(changed)
    close(model(IDS)[real], first[real])
    other = numpy_of(model(np.where(IDS == 8, 9, IDS)))
    assert np.abs(other[0, 0] - first[0, 0]).max() > 1e-3
    assert np.isfinite(numpy_of(model(np.zeros((1, 4), "int32")))).all()


def test_attention_starts_as_keras_draws_it_today():
    """Glorot's limit counts all heads together: keras before 3.15 did not."""
    keras.utils.set_random_seed(1)
    ids = keras.Input((None, 48))
    everywhere = ops.ones_like(ids[:, None, :, 0], dtype="bool")
    model = keras.Model(ids, encoder_block(ids, everywhere, 3, 16, 8))
    layer, = (layer for layer in model.layers
              if isinstance(layer, layers.MultiHeadAttention))
    limit = (6 / (48 + 3 * 16)) ** 0.5
    kernels = layer.get_weights()[::2]
    assert [kernel.shape for kernel in kernels] == (
        [(48, 3, 16)] * 3 + [(3, 16, 48)])
    for kernel in kernels:
        assert 0.97 * limit < np.abs(kernel).max() <= limit
        assert abs(kernel.std() - limit / 3 ** 0.5) < 0.02 * limit
    assert not np.allclose(kernels[0], kernels[1])


def test_every_weight_of_an_encoder_is_trained():
    keras.utils.set_random_seed(2)
    model = encoder()
    before = model.get_weights()
    model.compile("adam", "mse")
    model.fit(IDS, normal(3, 6, 8), verbose=0)
    for weight, old in zip(model.trainable_weights, before):
        moved = np.abs(numpy_of(weight) - old).max() > 0
        # A bias on every key adds the same to all scores of a query, which
        # the softmax takes away again.
        assert moved or "key/bias" in weight.path, weight.path


def test_an_encoder_block_drops_nothing_unless_it_is_asked_to():
    vectors = keras.Input((None, 8))
    everywhere = ops.ones_like(vectors[:, None, :, 0], dtype="bool")
    model = keras.Model(vectors, encoder_block(vectors, everywhere, 2, 4, 16))
    x = normal(2, 5, 8)
    close(model(x, training=True), numpy_of(model(x)), atol=0)


@pytest.mark.parametrize("norm_first", [True, False])
def test_dropout_of_an_encoder_is_for_training(norm_first):
    model = encoder(norm_first=norm_first, dropout=0.3)
    runs = [numpy_of(model(IDS, training=training))
            for training in (False, False, True, True)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.allclose(runs[0], runs[2])
    assert not np.allclose(runs[2], runs[3])
    rates = [layer.rate for layer in model.layers
             if isinstance(layer, layers.Dropout)]
    assert rates == [0.3] * 4  # two blocks, each after two parts


def test_dropout_stands_in_the_residual_branches():
    """With nearly all dropped, the stream itself still runs through."""
    vectors = keras.Input((None, 8))
    everywhere = ops.ones_like(vectors[:, None, :, 0], dtype="bool")
    model = keras.Model(vectors, encoder_block(
        vectors, everywhere, 2, 4, 16, dropout=1 - 1e-7))
    x = normal(2, 5, 8)
    close(model(x, training=True), x)


# ---- the decoder block

def decoder(dropout=0.0):
    block = DecoderBlock(2, 16, dropout)
    block(np.zeros((1, 2, 8), "float32"))
    return reference.randomise(block)


@pytest.mark.parametrize("length", [1, 6])
def test_a_decoder_block_is_gpt_2s(length):
    block, x = decoder(), normal(3, length, 8)
    close(block(x), reference.decoder_block(block, x), atol=1e-4)


@pytest.mark.parametrize("policy", ["float32", *POLICIES], indirect=True)
def test_token_by_token_is_as_all_at_once(policy):
    block, x = decoder(), normal(3, 6, 8)
    x = ops.cast(x, block.compute_dtype)
    cache = block.attention.empty_cache(3, 6)
    assert [tuple(part.shape) for part in cache] == [(3, 2, 6, 4)] * 2
    assert all(keras.backend.standardize_dtype(part.dtype)
               == block.compute_dtype for part in cache)
    whole = numpy_of(block(x))
    for position in range(6):
        y, cache = block.step(x[:, position:position + 1], cache, position)
        np.testing.assert_allclose(
            numpy_of(y)[:, 0], whole[:, position],
            atol=1e-4 if policy == "float32" else 0.1)


def test_both_branches_of_a_decoder_block_have_dropout():
    block, x = decoder(dropout=1 - 1e-7), normal(2, 5, 8)
    close(block(x, training=True), x)
    half = decoder(dropout=0.5)
    runs = [numpy_of(half(x, training=training))
            for training in (False, False, True, True)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.allclose(runs[2], runs[3])


# ---- saving, other precisions

@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_an_encoder_is_loaded_as_it_was_saved(kind, norm_first, tmp_path):
    model = encoder(kind, norm_first)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for ids in (IDS, np.arange(20)[None] % 9 + 1):
        close(loaded(ids), numpy_of(model(ids)), atol=1e-6)


@pytest.mark.parametrize("layer, config", [
    (LearnedPositions(9, name="places"), {"max_length": 9}),
    (CausalSelfAttention(2, name="places"), {"num_heads": 2}),
    (DecoderBlock(2, 16, 0.1, name="places"),
     {"num_heads": 2, "intermediate_dim": 16, "dropout": 0.1}),
    (SinusoidalPositions(name="places"), {}),
], ids=lambda value: type(value).__name__)
def test_a_layer_keeps_its_name_and_arguments(layer, config, tmp_path):
    vectors = keras.Input((None, 8))
    keras.Model(vectors, layer(vectors)).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.get_layer("places")
    assert type(again) is type(layer)
    assert config.items() <= again.get_config().items()
    x = normal(2, 5, 8)
    close(again(x), numpy_of(layer(x)), atol=1e-6)


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_mixed_precision(policy, kind, norm_first):
    output = encoder(kind, norm_first)(IDS)
    assert (keras.backend.standardize_dtype(output.dtype)
            == policy.removeprefix("mixed_"))
    assert np.isfinite(numpy_of(output)).all()
