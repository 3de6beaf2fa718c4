"""The models that a checkpoint is made of, against NumPy, on the backend that
KERAS_BACKEND names."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from lib.layers import (
    CausalSelfAttention,
    DecoderBlock,
    LearnedPositions,
    SinusoidalPositions,
)
from tests import reference
from tests.reference import (
    COMPILED_POLICIES,
    IDS,
    POLICIES,
    close,
    numpy_of,
)
from tools.notebooks import ROOT
from training.fine_tuned import classifier
from training.gpt_reviews import GPT
from training.masked_language_model import (
    MaskedLanguageModel,
    pooled,
    text_encoder,
)
from training.translator import (
    CrossAttention,
    CrossDecoderBlock,
    Translator,
    smoothed_cross_entropy,
)

SOURCE = np.array([[3, 4, 5, 0], [6, 7, 0, 0], [8, 9, 3, 4]], "int32")
TARGET = np.array([[2, 4, 5, 3, 1, 7], [2, 7, 5, 0, 0, 0], [2, 9, 3, 3, 4, 5]],
                  "int32")
POSITIONS = np.array([[1, 3], [5, 0], [0, 2]], "int32")
PAIRS = np.where(IDS, (IDS * 3) % 7 + 1, 0)
PAIRS[[0, 1, 2], [3, 5, 0]] = 0  # the last token of a text begins no pair
ENCODER = {"vocabulary_size": 12, "pair_count": 9, "max_length": 12,
           "embed_dim": 16, "num_layers": 2, "num_heads": 2,
           "intermediate_dim": 24}
GPT_INPUT, TRANSLATOR_INPUT = IDS, (SOURCE, TARGET)
MLM_INPUT = [IDS, PAIRS, POSITIONS]


def gpt(dropout=0.0, num_layers=2):
    return GPT(12, 100, 16, num_layers, 2, dropout)


def translator(dropout=0.0, num_layers=2):
    return Translator(12, 13, 12, 16, num_layers, 2, dropout)


def masked_language_model(dropout=0.0, num_layers=2):
    return MaskedLanguageModel(text_encoder(
        **ENCODER | {"num_layers": num_layers}, dropout=dropout))


MODELS = {"gpt": (gpt, GPT_INPUT), "translator": (translator,
                                                  TRANSLATOR_INPUT),
          "masked": (masked_language_model, MLM_INPUT)}


def built(name, dropout=0.0, num_layers=2):
    make, inputs = MODELS[name]
    model = make(dropout, num_layers)
    model(inputs)
    return reference.randomise(model)


def arrays(outputs):
    return [numpy_of(output) for output in keras.tree.flatten(outputs)]


# ---- what they compute

def test_gpt():
    model = built("gpt")
    for ids in (IDS, IDS[:, :1], np.arange(12)[None]):
        close(model(ids), reference.gpt_logits(model, ids), atol=2e-4)


def test_translator():
    model = built("translator")
    for source, target in ((SOURCE, TARGET), (SOURCE[:, :1], TARGET[:, :3])):
        close(model((source, target)),
              reference.translator_logits(model, source, target), atol=2e-4)


def test_masked_language_model():
    model = built("masked")
    expected = reference.masked_language_model_logits(model, *MLM_INPUT)
    for output, right in zip(model(MLM_INPUT), expected):
        close(output, right, atol=2e-4)


def test_text_encoder():
    model = reference.randomise(text_encoder(**ENCODER))
    close(model([IDS, PAIRS]), reference.encoder_output(model, IDS, PAIRS),
          atol=1e-4)
    assert model.output.shape == (None, None, 16)
    assert [layer.units for layer in model.layers
            if type(layer).__name__ == "Dense"] == [24, 16] * 2


def test_pooled_is_mean_and_maximum_of_what_is_real():
    x = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32") - 3
    real = IDS != 0
    real[2] = False  # an empty text
    close(pooled(ops.convert_to_tensor(x), real), reference.pooled(x, real))


def test_the_second_task_and_the_classifier_see_the_pooled_vector():
    encoder = reference.randomise(text_encoder(**ENCODER))
    model = classifier(encoder, dropout=0.4)
    dense = model.layers[-1]
    kernel, bias = dense.get_weights()
    assert not kernel.any() and not bias.any()  # it starts at zero
    kernel = np.random.default_rng(1).normal(size=kernel.shape)
    dense.set_weights([kernel, bias + 0.5])
    x = reference.encoder_output(encoder, IDS, PAIRS)
    close(model([IDS, PAIRS]), reference.pooled(x, IDS != 0) @ kernel + 0.5,
          atol=1e-3)
    assert [layer.rate for layer in model.layers
            if isinstance(layer, keras.layers.Dropout)] == [0.4]


def test_a_classifier_gives_every_empty_text_the_same_logit():
    model = classifier(text_encoder(**ENCODER))
    weights = model.layers[-1].get_weights()
    model.layers[-1].set_weights([weights[0] + 1, weights[1] + 0.25])
    empty = np.zeros((2, 5), "int32")
    close(model([empty, empty]), [[0.25]] * 2)


def test_smoothing_counts_no_padding():
    targets = np.array([[3, 1, 0], [2, 0, 0]])
    logits = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    logs = reference.log_softmax(logits)
    losses = [-0.9 * logs[row, column, targets[row, column]]
              - 0.1 * logs[row, column].mean()
              for row, column in ((0, 0), (0, 1), (1, 0))]
    close(smoothed_cross_entropy(targets, ops.convert_to_tensor(logits)),
          np.mean(losses))
    assert float(numpy_of(smoothed_cross_entropy(
        0 * targets, ops.convert_to_tensor(logits)))) == 0


def fill(torch_layer, *layers):
    """A PyTorch layer's weight and bias from one or several of Keras'."""
    import torch

    weights = [layer.get_weights() for layer in layers]
    for name, parts in zip(("weight", "bias"), zip(*weights)):
        for prefix in ("", "in_proj_"):
            if hasattr(torch_layer, prefix + name):
                getattr(torch_layer, prefix + name).data = torch.tensor(
                    np.concatenate([part.T for part in parts]))


@pytest.mark.skipif(keras.backend.backend() != "torch",
                    reason="PyTorch is loaded there only")
def test_a_cross_decoder_block_is_pytorchs():
    """Written by others, so that our reference has no mistake of its own."""
    import torch

    block = CrossDecoderBlock(2, 24)
    memory = np.random.default_rng(0).normal(size=(3, 4, 16)).astype("float32")
    x = memory[:, ::-1].copy() + 0.5
    block(x, memory, SOURCE[:, None] != 0)
    reference.randomise(block)
    cross = block.cross_attention
    other = torch.nn.TransformerDecoderLayer(
        16, 2, 24, dropout=0, activation="gelu", layer_norm_eps=1e-3,
        batch_first=True, norm_first=True)
    for part, layers in {
            other.self_attn: [block.attention.qkv_proj],
            other.self_attn.out_proj: [block.attention.out_proj],
            other.multihead_attn: [cross.query_proj, cross.key_proj,
                                   cross.value_proj],
            other.multihead_attn.out_proj: [cross.out_proj],
            other.linear1: block.feed_forward.layers[:1],
            other.linear2: block.feed_forward.layers[1:],
            other.norm1: [block.norms[0]], other.norm2: [block.cross_norm],
            other.norm3: [block.norms[1]]}.items():
        fill(part, *layers)
    expected = other(
        torch.tensor(x), torch.tensor(memory),
        tgt_mask=torch.triu(torch.ones(4, 4, dtype=bool), 1),
        memory_key_padding_mask=torch.tensor(SOURCE == 0))
    close(block(x, memory, SOURCE[:, None] != 0), expected.detach().numpy(),
          atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "torch",
                    reason="PyTorch is loaded there only")
def test_the_encoder_of_a_translator_is_pytorchs():
    import torch

    encoder = built("translator", num_layers=1).encoder
    by_type = {name: [layer for layer in encoder.layers
                      if type(layer).__name__ == name]
               for name in ("Dense", "LayerNormalization",
                            "MultiHeadAttention")}
    norms, (attention,) = by_type["LayerNormalization"], by_type[
        "MultiHeadAttention"]
    other = torch.nn.TransformerEncoderLayer(
        16, 2, 64, dropout=0, layer_norm_eps=1e-3, batch_first=True,
        norm_first=True)
    last = torch.nn.LayerNorm(16, eps=1e-3)
    for part, layer in zip(
            (other.linear1, other.linear2, other.norm1, other.norm2, last),
            (*by_type["Dense"], *norms)):
        fill(part, layer)
    kernels = [weight.reshape(16, 16) if weight.ndim == 3 else weight.ravel()
               for weight in attention.get_weights()]
    attend = other.self_attn
    attend.in_proj_weight.data = torch.tensor(
        np.concatenate([kernel.T for kernel in kernels[:6:2]]))
    attend.in_proj_bias.data = torch.tensor(np.concatenate(kernels[1:6:2]))
    attend.out_proj.weight.data = torch.tensor(kernels[6].T.copy())
    attend.out_proj.bias.data = torch.tensor(kernels[7])
    x = torch.tensor(reference.embedded(encoder.layers[1], next(
        layer for layer in encoder.layers
        if type(layer).__name__ == "LearnedPositions"), SOURCE))
    expected = last(other(x, src_key_padding_mask=torch.tensor(SOURCE == 0)))
    real = SOURCE != 0  # PyTorch leaves out the rest
    close(numpy_of(encoder(SOURCE))[real], expected.detach().numpy()[real],
          atol=1e-4)


def test_a_cache_has_room_for_as_many_tokens_as_are_asked_for():
    caches = [built("gpt").empty_cache(3, 5),
              built("translator").start_cache(
                  ops.convert_to_tensor(SOURCE), 5)[-1]]
    for cache in caches:
        assert [[tuple(part.shape) for part in pair] for pair in cache] == [
            [(3, 2, 5, 8)] * 2] * 2
        assert not any(numpy_of(part).any() for pair in cache for part in pair)


# ---- what may not leak

def test_gpt_does_not_see_the_future():
    model, other = built("gpt"), IDS.copy()
    other[:, 3] = IDS[:, 3] % 9 + 1
    moved = np.abs(numpy_of(model(IDS)) - numpy_of(model(other)))
    assert moved[:, :3].max() < 1e-5
    assert (moved[:, 3:].max(axis=-1) > 1e-3).all()


def test_translator_sees_no_future_and_no_padding():
    model = built("translator")
    expected = numpy_of(model((SOURCE, TARGET)))
    longer = np.pad(SOURCE, [(0, 0), (0, 3)])
    close(model((longer, TARGET)), expected)
    other = TARGET.copy()
    other[:, 3] = 6
    moved = np.abs(numpy_of(model((SOURCE, other))) - expected)
    assert moved[:, :3].max() < 1e-5
    assert (moved[:, 3:].max(axis=-1) > 1e-4).all()
    moved = np.abs(numpy_of(model((np.where(SOURCE == 3, 10, SOURCE),
                                   TARGET))) - expected).max(axis=(1, 2))
    assert (moved[[0, 2]] > 1e-3).all() and moved[1] < 1e-5


def test_masked_language_model_sees_no_padding():
    model = built("masked")
    expected = arrays(model(MLM_INPUT))
    longer = [np.pad(IDS, [(0, 0), (0, 4)]), np.pad(PAIRS, [(0, 0), (0, 4)])]
    for output, right in zip(model([*longer, POSITIONS]), expected):
        close(output, right, atol=1e-4)


# ---- dropout

@pytest.mark.parametrize("name", MODELS)
def test_dropout_is_for_training(name):
    model, inputs = built(name, dropout=0.3), MODELS[name][1]
    runs = [arrays(model(inputs, training=training))[0]
            for training in (False, False, True, True)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.allclose(runs[0], runs[2])
    assert not np.allclose(runs[2], runs[3])
    for run in arrays(built(name)(inputs, training=True)):
        assert np.isfinite(run).all()  # a rate of 0 drops nothing
    still = built(name)
    np.testing.assert_array_equal(arrays(still(inputs, training=True))[0],
                                  arrays(still(inputs, training=False))[0])


@pytest.mark.parametrize("model, inputs", [
    (lambda: GPT(12, 12, 16, 1, 2), GPT_INPUT),
    (lambda: Translator(12, 13, 12, 16, 1, 2), TRANSLATOR_INPUT),
    (lambda: MaskedLanguageModel(text_encoder(**ENCODER)), MLM_INPUT),
    (lambda: classifier(text_encoder(**ENCODER)), MLM_INPUT[:2]),
], ids=["gpt", "translator", "masked", "classifier"])
def test_nothing_is_dropped_unless_it_is_asked_for(model, inputs):
    model = model()
    model(inputs)
    reference.randomise(model)
    for run in zip(arrays(model(inputs, training=True)),
                   arrays(model(inputs, training=False))):
        np.testing.assert_array_equal(*run)


def dropouts_of(model):
    return [layer for layer in model._flatten_layers()
            if type(layer) is keras.layers.Dropout]


def rates_of(model):
    return [layer.rate for layer in dropouts_of(model)]


@pytest.mark.parametrize("name, count", [("gpt", 3), ("translator", 1 + 4 + 3),
                                         ("masked", 4)])
def test_every_dropout_has_the_rate_that_was_given(name, count):
    rates = rates_of(built(name, dropout=0.3))
    # Keras' own attention has one of its own, which drops nothing.
    assert [rate for rate in rates if rate] == [0.3] * count


PARTS = {"input": lambda model: [model.dropout],
         "blocks": lambda model: [block.dropout for block in model.blocks],
         "encoder": lambda model: dropouts_of(model.encoder)}


@pytest.mark.parametrize("name, part", [
    ("gpt", "input"), ("gpt", "blocks"), ("translator", "input"),
    ("translator", "blocks"), ("translator", "encoder")])
def test_each_part_of_a_model_has_dropout_of_its_own(name, part):
    """Asked as the JAX trainer asks: it calls `call`, not the model, so that
    no part hears of the training from anyone but its model."""
    model, inputs = built(name, dropout=0.5), MODELS[name][1]
    for layer in dropouts_of(model):
        if layer not in PARTS[part](model):
            layer.rate = 0.0
    dropped = model.call(keras.tree.map_structure(ops.convert_to_tensor,
                                                  inputs), training=True)
    assert not np.allclose(numpy_of(dropped), numpy_of(model(inputs)))


def test_all_branches_of_a_cross_decoder_block_have_dropout():
    block = CrossDecoderBlock(2, 16, dropout=1 - 1e-7)
    x, memory = np.random.default_rng(0).normal(size=(2, 3, 5, 8)).astype(
        "float32")
    mask = np.ones((3, 1, 5), bool)
    block(x, memory, mask)
    reference.randomise(block)
    close(block(x, memory, mask, training=True), x)


@pytest.mark.parametrize("name", [*MODELS, "classifier"])
def test_dropout_acts_when_a_model_is_fitted(name):
    """Keras asks a model of one's own whether its call wants to know."""
    if name == "classifier":
        model = classifier(text_encoder(**ENCODER, dropout=0.5), dropout=0.5)
        reference.randomise(model)
        inputs, targets = MLM_INPUT[:2], np.ones((3, 1))
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
    else:
        model = built(name, dropout=0.5, num_layers=1)
        inputs = LENGTHS[name][0]
        targets, loss = targets_of(name, inputs), compiled(name).loss
    model.compile(keras.optimizers.SGD(0.0), loss,
                  run_eagerly=keras.backend.backend() == "tensorflow")
    losses = [np.asarray(model.train_on_batch(inputs, targets)).ravel()[0]
              for _ in range(2)]
    assert abs(losses[0] - losses[1]) > 1e-4


def test_the_columns_of_an_encoder_are_dropped_for_a_whole_text():
    model = text_encoder(**ENCODER | {"num_layers": 0}, input_dropout=0.5)
    layer, = (layer for layer in model.layers
              if isinstance(layer, keras.layers.SpatialDropout1D))
    dropped = numpy_of(layer(np.ones((4, 6, 16), "float32"), training=True))
    assert set(np.unique(dropped)) == {0, 2}
    assert (dropped == dropped[:, :1]).all()


# ---- any length, in graphs too

LENGTHS = {
    "gpt": [IDS[:, :3], IDS[:, :5], IDS[:, :1]],
    "translator": [(SOURCE[:, :3], TARGET[:, :2]), (SOURCE, TARGET),
                   (SOURCE[:, :1], TARGET[:, :4])],
    "masked": [[IDS[:, :3], PAIRS[:, :3], POSITIONS[:, :1] % 3],
               MLM_INPUT]}


def targets_of(name, inputs):
    if name == "masked":
        ids, pairs, positions = inputs
        return [np.take_along_axis(ids, positions, axis=1),
                np.eye(9, dtype="float32")[pairs[:, 0]]]
    return inputs if name == "gpt" else inputs[1]


def compiled(name, optimizer="sgd", **options):
    model = built(name, num_layers=1)
    tokens = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, {
        "gpt": tokens, "translator": smoothed_cross_entropy,
        "masked": [tokens, keras.losses.CategoricalCrossentropy(
            from_logits=True)]}[name], **options)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_batches_of_any_length_are_predicted(name):
    model = compiled(name)
    for inputs in LENGTHS[name]:
        for output, right in zip(arrays(model.predict(inputs, verbose=0)),
                                 arrays(model(inputs))):
            np.testing.assert_allclose(output, right, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_batches_of_any_length_are_learnt_and_evaluated(name):
    model = compiled(name)
    parts = [(part, targets_of(name, part)) for part in LENGTHS[name]]
    model.fit(*parts[0], verbose=0)
    losses = [model.train_on_batch(*part) for part in parts[1:]]
    losses += [model.evaluate(*part, verbose=0) for part in parts[:2]]
    assert all(np.isfinite(loss).all() for loss in losses)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow",
                    reason="the others export through TensorFlow or ONNX")
@pytest.mark.parametrize("name, count", [("gpt", 1), ("translator", 2)])
def test_a_model_is_exported_for_any_length(name, count, tmp_path):
    import tensorflow as tf

    model = built(name, num_layers=1)
    ids = keras.InputSpec(dtype="int32", shape=(None, None))
    model.export(tmp_path, verbose=False,
                 input_signature=[ids] if count == 1 else [[ids] * count])
    exported = tf.saved_model.load(str(tmp_path))
    for part in LENGTHS[name]:
        close(exported.serve(part if count == 1 else list(part)),
              numpy_of(model(part)))


@pytest.mark.parametrize("name, count", [("gpt", 1), ("translator", 2)])
def test_a_model_stands_in_a_functional_model_of_any_length(name, count):
    model = built(name)
    ids = [keras.Input((None,), dtype="int32") for _ in range(count)]
    inputs = ids if count > 1 else ids[0]
    outer = keras.Model(inputs, model(inputs))
    assert outer.output.shape == (None, None, 12 if name == "gpt" else 13)
    for part in LENGTHS[name]:
        close(outer(part), numpy_of(model(part)))


# ---- saving

@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_loaded_as_it_was_saved(name, tmp_path):
    model, inputs = built(name, dropout=0.3), MODELS[name][1]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    for output, right in zip(arrays(loaded(inputs)), arrays(model(inputs))):
        np.testing.assert_allclose(output, right, atol=1e-6)
    config = {key: value for key, value in model.get_config().items()
              if key != "encoder"}
    assert config.items() <= loaded.get_config().items()
    assert rates_of(loaded) == rates_of(model) and 0.3 in rates_of(model)


@pytest.mark.parametrize("part", [
    CausalSelfAttention, CrossAttention, CrossDecoderBlock, DecoderBlock, GPT,
    LearnedPositions, MaskedLanguageModel, SinusoidalPositions, Translator])
def test_keras_knows_each_part_by_its_name(part):
    """Or what holds it is saved, and cannot be loaded."""
    name = f"course>{part.__name__}"
    assert keras.saving.get_registered_object(name) is part


@pytest.mark.slow
def test_a_saved_gpt_writes_the_same_in_another_process(tmp_path):
    program = """
import sys, keras, numpy as np
from lib.generation import generate
from training.gpt_reviews import GPT
model = keras.models.load_model(sys.argv[1])
prompt = np.zeros((2, 12), "int32"); prompt[:, 0] = 3, 4
print(keras.ops.convert_to_numpy(generate(model.step,
      lambda n: model.empty_cache(2, n), prompt, -1)).tolist())
"""
    from lib.generation import generate

    model = built("gpt")
    model.save(tmp_path / "gpt.keras")
    prompt = np.zeros((2, 12), "int32")
    prompt[:, 0] = 3, 4
    expected = numpy_of(generate(
        model.step, lambda n: model.empty_cache(2, n), prompt, -1))
    result = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "gpt.keras"], cwd=ROOT,
        capture_output=True, text=True)
    assert result.stdout.strip() == str(expected.astype(int).tolist())


# ---- sizes and precisions

@pytest.mark.parametrize("make", [
    lambda: GPT(12, 12, 16, 1, 3)(IDS),
    lambda: Translator(12, 12, 12, 16, 1, 3),
    lambda: text_encoder(**ENCODER | {"num_heads": 3}),
    lambda: CrossAttention(3).build((None, None, 16)) or CrossAttention(3),
], ids=["gpt", "translator", "text_encoder", "cross"])
def test_heads_must_share_the_dimension(make):
    with pytest.raises(ValueError, match="3 heads cannot share .* of 16"):
        layer = make()
        layer.build((None, None, 16))
        layer.keys_values(np.zeros((1, 2, 16), "float32"))


def test_the_sizes_are_those_that_were_asked_for():
    model = built("gpt")
    tokens, places, width = 12 * 16, 100 * 16, 16
    block = (width * 3 * width + 3 * width + width * width + width
             + 8 * width * width + 5 * width + 4 * width)
    assert model.count_params() == tokens + places + 2 * block + 2 * width
    model = built("translator")
    assert model.blocks[0].intermediate_dim == 64
    assert model.tokens.embeddings.shape == (13, 16)
    assert model.encoder.layers[1].embeddings.shape == (12, 16)
    dense = [layer for layer in model.encoder.layers
             if type(layer).__name__ == "Dense"]
    assert [layer.units for layer in dense] == [64, 16] * 2


def test_the_shape_of_the_logits_is_known_beforehand():
    assert gpt().compute_output_shape((2, 5)) == (2, 5, 12)
    assert translator().compute_output_shape([(2, 3), (2, 5)]) == (2, 5, 13)


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
@pytest.mark.parametrize("name", MODELS)
def test_logits_are_float32_whatever_is_computed_with(policy, name):
    make, inputs = MODELS[name]
    for logits in keras.tree.flatten(make(num_layers=1)(inputs)):
        assert keras.backend.standardize_dtype(logits.dtype) == "float32"


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
@pytest.mark.parametrize("name", ["gpt", "translator"])
def test_a_step_in_mixed_precision_is_near_the_whole(policy, name):
    make, inputs = MODELS[name]
    model = make()
    whole = numpy_of(model(inputs))
    ids = inputs if name == "gpt" else inputs[1]
    cache = (model.empty_cache(3, 6) if name == "gpt" else
             model.start_cache(ops.convert_to_tensor(inputs[0]), 6))
    for position in range(6):
        logits, cache = model.step(
            ops.convert_to_tensor(ids[:, position]), cache, position)
        assert keras.backend.standardize_dtype(logits.dtype) == "float32"
        np.testing.assert_allclose(numpy_of(logits), whole[:, position],
                                   atol=0.1)


@pytest.mark.parametrize("policy", ["float16", *POLICIES], indirect=True)
def test_a_source_of_padding_only_gives_numbers(policy):
    assert np.isfinite(numpy_of(translator()((0 * SOURCE, TARGET)))).all()


@pytest.mark.parametrize("policy", COMPILED_POLICIES, indirect=True)
@pytest.mark.parametrize("name", MODELS)
def test_a_loss_in_mixed_precision_is_a_number(policy, name):
    # With TensorFlow a graph would take longer to make than this step.
    eagerly = keras.backend.backend() == "tensorflow"
    model = compiled(name, "adam", run_eagerly=eagerly)
    inputs = LENGTHS[name][1 if name != "masked" else 0]
    for _ in range(2):
        loss = model.train_on_batch(inputs, targets_of(name, inputs))
        assert np.isfinite(np.asarray(loss)).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
