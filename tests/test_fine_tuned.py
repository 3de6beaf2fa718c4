"""What chapter 08 does with labels."""

import keras
import numpy as np
import pytest

from lib.text import PADDING_ID, Vocabulary, characters, pairs
from training import fine_tuned
from training.fine_tuned import (
    MAX_LENGTH,
    SETTINGS,
    both_ends,
    encoded_reviews,
    fine_tune,
    frozen_head,
    new_classifier,
    outputs_of,
    sample,
    settings,
)

LENGTHS = np.array([3, 40, 17, 5, 64, 1, 33, 20, 2, 50])
IDS = np.where(np.arange(64) < LENGTHS[:, None], np.arange(1, 11)[:, None], 0)
LABELS = np.arange(10) % 2
CONFIG = {"vocabulary_size": 12, "pair_count": 9, "max_length": 70,
          "embed_dim": 8, "num_layers": 1, "num_heads": 2,
          "intermediate_dim": 8, "dropout": 0.1, "input_dropout": 0.2}


@pytest.mark.parametrize("length, expected", [
    (9, "abcdef"), (6, "abcdef"), (5, "abdef"), (4, "abef"), (2, "af"),
    (1, "f"), (0, "")])
def test_of_a_longer_text_both_ends_are_kept(length, expected):
    assert both_ends(list("abcdef"), length) == list(expected)
    assert both_ends([], length) == []


def test_a_sample_is_another_slice_for_each_seed():
    inputs, labels = sample([IDS, 2 * IDS], LABELS, 4, seed=2)
    assert np.array_equal(inputs[0], IDS[4:8])
    assert np.array_equal(inputs[1], 2 * IDS[4:8])
    assert np.array_equal(labels, LABELS[4:8])
    assert np.array_equal(sample([IDS], LABELS, 4, seed=1)[0][0], IDS[:4])
    inputs, labels = sample([IDS], LABELS, None, seed=2)
    assert len(inputs[0]) == len(labels) == 10


def test_a_pre_trained_encoder_is_changed_less():
    for count in SETTINGS:
        usual, gentle = settings(count, pretrained=False), settings(count)
        assert usual == SETTINGS[count]
        assert gentle.keys() == usual.keys()
        assert (gentle["epochs"] * gentle["learning_rate"]
                <= usual["epochs"] * usual["learning_rate"])
    assert settings(100)["epochs"] < settings(100, False)["epochs"]
    assert settings(None)["learning_rate"] == 5e-4


def test_reviews_are_encoded_with_their_end_and_their_label(monkeypatch):
    texts = ["好书", "好" * 100 + "书" * 100, ""]
    monkeypatch.setattr(fine_tuned.datasets, "reviews", lambda part: (
        texts, np.array([1, 0, 1])) if part == "test" else None)
    vocabulary = Vocabulary.from_texts(["好好书"], characters,
                                       reserved_tokens=["<mask>"])
    pair_vocabulary = Vocabulary.from_texts(["好书", "好好", "书书"], pairs)
    (ids, pair_ids), labels = encoded_reviews("test", vocabulary,
                                              pair_vocabulary)
    assert labels.tolist() == [1, 0, 1]
    assert ids.shape == pair_ids.shape == (3, MAX_LENGTH)
    assert ids[0].tolist() == [3, 4] + [0] * (MAX_LENGTH - 2)
    assert ids[1].tolist() == [3] * 64 + [4] * 64
    assert not ids[2].any() and not pair_ids[2].any()
    assert [pair_vocabulary.tokens[i] for i in pair_ids[1, 62:66]] == [
        "好好", "好书", "书书", "书书"]


# ---- training

def linear(size=1):
    """Logits of the mean of two embeddings, without dropout."""
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(11, 4, mask_zero=True)(ids)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model([ids], keras.layers.Dense(size)(x))


def test_fine_tuning_learns():
    keras.utils.set_random_seed(1)
    model = linear()
    fine_tune(model, [IDS], LABELS, seed=1, epochs=20, batch_size=10,
              learning_rate=0.2)
    assert np.array_equal(outputs_of(model, [IDS])[:, 0] > 0, LABELS > 0)


@pytest.mark.parametrize("epochs, batch_size, steps", [
    (3, 5, 6), (1, 10, 1), (4, 3, 16)])
def test_the_learning_rate_ends_at_zero_after_all_steps(epochs, batch_size,
                                                        steps):
    model = linear()
    fine_tune(model, [IDS], LABELS, 1, epochs=epochs, batch_size=batch_size,
              learning_rate=0.5)
    optimizer = model.optimizer
    assert int(optimizer.iterations) == steps
    rate = optimizer._learning_rate
    warmup = steps // 10 + 1
    assert float(rate(steps)) == pytest.approx(0 if steps > 1 else 0.5)
    assert float(rate(warmup)) == pytest.approx(0.5)
    assert float(rate(0)) == 0


def test_one_step_is_adams_with_the_gradient_of_the_cross_entropy():
    """Adam's first step is the learning rate times the gradient's sign; the
    second has the learning rate 0.25, after the warm-up's first, 0."""
    keras.utils.set_random_seed(1)
    model = linear()
    before = model.get_weights()[1].copy()
    fine_tune(model, [IDS], np.ones(10, int), 1, epochs=2, batch_size=10,
              learning_rate=0.25)
    # Step 0 has the learning rate 0; step 1 0.25: all labels are 1, so the
    # bias rises by it.
    bias = model.get_weights()[2]
    np.testing.assert_allclose(bias, [0.25], rtol=1e-3)
    assert not np.allclose(model.get_weights()[1], before)


def test_the_average_is_kept_if_it_is_asked_for():
    def trained(average):
        keras.utils.set_random_seed(1)
        model = linear()
        fine_tune(model, [IDS], LABELS, 1, epochs=4, batch_size=5,
                  learning_rate=0.3, average=average)
        return model

    averaged = trained(True)
    assert averaged.optimizer.use_ema
    assert averaged.optimizer.ema_momentum == 0.98
    last = trained(False)
    assert not last.optimizer.use_ema
    assert not np.allclose(averaged.get_weights()[0], last.get_weights()[0])


def test_without_labels_nothing_is_trained():
    with pytest.raises(ValueError, match="at least one text"):
        fine_tune(linear(), [IDS[:0]], LABELS[:0], seed=1)


def test_batches_of_one_length_may_come_first():
    ids = np.concatenate([np.tile(IDS[[0]], (8, 1)), IDS[[4, 4]]])
    for seed in range(2):
        fine_tune(linear(), [ids], LABELS, seed, epochs=1, batch_size=2)


# ---- outputs

def total():
    ids = keras.Input((None,), dtype="int32")
    sums = keras.ops.sum(keras.ops.cast(ids, "float32"), axis=1)
    return keras.Model([ids], sums[:, None])


def test_outputs_come_back_in_the_order_of_the_texts():
    ids = np.tile(IDS, (30, 1))  # several batches
    outputs = outputs_of(total(), [ids])
    assert outputs.dtype == np.float32
    assert np.array_equal(outputs, ids.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("ids", [IDS[:0], np.zeros((3, 20), int), IDS[:1]])
def test_outputs_of_no_text_and_of_empty_ones(ids):
    assert np.array_equal(outputs_of(total(), [ids]),
                          ids.sum(axis=1, keepdims=True))


def test_outputs_have_no_dropout():
    model = new_classifier(CONFIG)
    model.layers[-1].set_weights([w + 1 for w in
                                  model.layers[-1].get_weights()])
    inputs = [IDS, IDS % 9]
    np.testing.assert_array_equal(outputs_of(model, inputs),
                                  outputs_of(model, inputs))


def test_a_new_classifier_starts_from_the_given_encoder():
    first = new_classifier(CONFIG)
    encoder = next(layer for layer in first.layers
                   if isinstance(layer, keras.Model))
    parameters = [w + 0.5 for w in encoder.get_weights()]
    second = new_classifier(CONFIG, parameters)
    for a, b in zip(second.get_weights(), parameters):
        np.testing.assert_allclose(a, b)
    assert not second.get_weights()[-2].any()
    rates = sorted(layer.rate for layer in second._flatten_layers()
                   if "ropout" in type(layer).__name__ and layer.rate)
    assert rates == [0.1, 0.1, 0.2, 0.3]


def test_padding_is_what_the_vocabulary_pads_with():
    assert PADDING_ID == 0 and not IDS[5, 1:].any()


# ---- a head on frozen vectors

def test_the_penalty_of_a_frozen_head_weighs_the_same_for_any_number():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 4))
    labels = vectors[:, 0] + 0.3 * rng.normal(size=50) > 0
    few = frozen_head(50).fit(vectors, labels)
    many = frozen_head(500).fit(np.tile(vectors, (10, 1)),
                                np.tile(labels, 10))
    np.testing.assert_allclose(few[-1].coef_, many[-1].coef_, rtol=1e-3)
    assert few[-1].C == 3 / 50
    scaled = frozen_head(50).fit(vectors * [1, 10, 100, 1000], labels)
    np.testing.assert_allclose(few[-1].coef_, scaled[-1].coef_, rtol=1e-4)
