"""Batches of texts of like length, and what chapter 08 does with them."""

import keras
import numpy as np

from lib.fine_tuning import (
    ByLength,
    fine_tune,
    frozen_head,
    outputs_of,
    sample,
)

LENGTHS = np.array([3, 40, 17, 5, 64, 1, 33, 20, 2, 50])
IDS = np.where(np.arange(64) < LENGTHS[:, None], np.arange(1, 11)[:, None], 0)
LABELS = np.arange(10) % 2


def test_every_text_comes_once_an_epoch_and_unharmed():
    for seed in (None, 1):
        batches = ByLength([IDS, 2 * IDS], LABELS, batch_size=3, seed=seed)
        for _ in range(2):
            seen = []
            for (ids, doubled), labels in batches:
                longest = (ids != 0).sum(axis=1).max()
                assert longest <= ids.shape[1] < longest + 16
                assert ids.shape[1] % 16 == 0
                assert np.array_equal(doubled, 2 * ids)
                assert labels.shape == (len(ids), 1)
                for row, (label,) in zip(ids, labels):
                    i = row[0] - 1
                    assert (row != 0).sum() == LENGTHS[i]
                    assert label == LABELS[i]
                    seen.append(i)
            assert sorted(seen) == list(range(10))
            batches.on_epoch_end()


def test_texts_of_like_length_share_a_batch():
    lengths = [((ids != 0).sum(axis=1) + 15) // 16
               for (ids,), _ in ByLength([IDS], LABELS, batch_size=2)]
    lengths.sort(key=np.min)
    assert all(a.max() <= b.min() for a, b in zip(lengths, lengths[1:]))


def test_the_order_follows_from_the_seed():
    def order(seed):
        batches = ByLength([IDS], LABELS, 3, seed)
        return [rows.tolist() for rows in batches.rows]

    assert order(1) == order(1) != order(2)


def test_batches_of_one_length_may_come_first():
    ids = np.tile(IDS[[0]], (8, 1))        # four batches alike, one longer
    ids = np.concatenate([ids, IDS[[4, 4]]])
    for seed in range(6):
        inputs = keras.Input((None,), dtype="int32")
        x = keras.ops.cast(inputs, "float32")
        x = keras.ops.sum(x, axis=1, keepdims=True)
        model = keras.Model([inputs], keras.layers.Dense(1)(x))
        fine_tune(model, [ids], LABELS, seed, epochs=2, batch_size=2)


def test_a_sample_is_another_slice_for_each_seed():
    inputs, labels = sample([IDS], LABELS, 4, seed=2)
    assert np.array_equal(inputs[0], IDS[4:8])
    assert np.array_equal(labels, LABELS[4:8])
    inputs, labels = sample([IDS], LABELS, None, seed=2)
    assert len(inputs[0]) == len(labels) == 10


def test_outputs_come_back_in_the_order_of_the_texts():
    ids = keras.Input((None,), dtype="int32")
    total = keras.ops.sum(keras.ops.cast(ids, "float32"), axis=1)
    model = keras.Model([ids], total[:, None])
    outputs = outputs_of(model, [IDS])
    assert np.array_equal(outputs, IDS.sum(axis=1, keepdims=True))


def test_fine_tuning_learns():
    keras.utils.set_random_seed(1)
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(11, 4, mask_zero=True)(ids)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model([ids], keras.layers.Dense(1)(x))
    fine_tune(model, [IDS], LABELS, seed=1, epochs=40, batch_size=5,
              learning_rate=0.1)
    assert np.array_equal(outputs_of(model, [IDS])[:, 0] > 0, LABELS > 0)


def test_the_penalty_of_a_frozen_head_weighs_the_same_for_any_number():
    random = np.random.default_rng(1)
    vectors = random.normal(size=(50, 4))
    labels = vectors[:, 0] + 0.3 * random.normal(size=50) > 0
    few = frozen_head(50).fit(vectors, labels)
    many = frozen_head(500).fit(np.tile(vectors, (10, 1)),
                                np.tile(labels, 10))
    np.testing.assert_allclose(few[-1].coef_, many[-1].coef_, rtol=1e-3)
