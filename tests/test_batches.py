"""How the batches of the trainings are drawn, and how fast they learn."""

import keras
import numpy as np
import pytest

from training.batches import ByLength, LengthBuckets, adamw, warmup_cosine

SIZES = np.array([3, 10, 4, 9, 1, 40, 8, 12])
LENGTHS = np.array([3, 40, 17, 5, 64, 1, 33, 20, 2, 50])
IDS = np.where(np.arange(64) < LENGTHS[:, None], np.arange(1, 11)[:, None], 0)
LABELS = np.arange(10) % 2


# ---- LengthBuckets

def draws(buckets, count=400, tokens=12):
    return [buckets.draw(np.random.default_rng([1, step]), tokens)
            for step in range(count)]


def test_texts_of_like_length_share_a_batch():
    for length, texts in draws(LengthBuckets(SIZES, [4, 12])):
        assert len(texts) == len(set(texts)) == 12 // length
        assert np.array_equal(SIZES[texts] <= 4, [length == 4] * len(texts))


def test_the_last_length_is_for_all_longer_texts():
    buckets = LengthBuckets(np.array([4, 5, 99]), [4, 5, 6])
    assert [rows.tolist() for rows in buckets.rows] == [[0], [1], [2]]


def test_every_token_counts_alike():
    short = [length == 4 for length, _ in draws(LengthBuckets(SIZES, [4, 12]))]
    assert abs(np.mean(short) - 3 * 4 / (3 * 4 + 5 * 12)) < 0.06


def test_a_text_comes_as_often_as_its_weight_says():
    weights = np.array([1, 1, 0, 0.2, 1, 1, 1, 1])
    drawn = np.concatenate([texts for _, texts in draws(
        LengthBuckets(SIZES, [4, 12], weights), count=2000)])
    counts = np.bincount(drawn, minlength=8)
    assert counts[2] == 0
    assert abs(counts[3] / counts[1] - 0.2) < 0.1
    # Of the short texts two are left, of 2 tokens' weight in a length of 4.
    assert LengthBuckets(SIZES, [4, 12], weights).shares[0] == pytest.approx(
        2 * 4 / (2 * 4 + 4.2 * 12))


def test_a_bucket_of_few_texts_fills_its_batch_all_the_same():
    for length, texts in draws(LengthBuckets(np.array([3, 3, 9]), [4, 12]),
                               tokens=24):
        assert len(texts) == 24 // length


# ---- ByLength

def epochs(batches, count=2):
    for _ in range(count):
        yield [batches[i] for i in range(len(batches))]
        batches.on_epoch_end()


@pytest.mark.parametrize("seed", [None, 1])
def test_every_text_comes_once_an_epoch_and_unharmed(seed):
    for epoch in epochs(ByLength([IDS, 2 * IDS], LABELS, 3, seed)):
        seen = []
        for (ids, doubled), labels in epoch:
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


def test_an_epoch_has_texts_of_like_length_together():
    lengths = [((ids != 0).sum(axis=1) + 15) // 16
               for (ids,), _ in ByLength([IDS], LABELS, batch_size=2)]
    lengths.sort(key=np.min)
    assert all(a.max() <= b.min() for a, b in zip(lengths, lengths[1:]))


def test_the_order_follows_from_the_seed_and_differs_by_epoch():
    def orders(seed):
        batches = ByLength([IDS], LABELS, 3, seed)
        first = [rows.tolist() for rows in batches.rows]
        batches.on_epoch_end()
        return first, [rows.tolist() for rows in batches.rows]

    assert orders(1) == orders(1) != orders(2)
    assert orders(1)[0] != orders(1)[1]
    assert orders(None)[0] == orders(None)[1]
    # Texts of one length meet in another order too.
    assert orders(1)[0] != sorted(orders(1)[0])
    same = ByLength([np.ones((40, 16), int)], np.zeros(40), 4, seed=1)
    assert set(np.concatenate(same.rows)) == set(range(40))
    assert any(np.ptp(rows) > 4 for rows in same.rows)


def test_the_first_two_batches_differ_in_length():
    """Keras takes their shapes for those of all."""
    ids = np.concatenate([np.tile(IDS[[0]], (8, 1)), IDS[[4, 4]]])
    for seed in [None, *range(6)]:
        batches = ByLength([ids], LABELS, 2, seed)
        (first, _), (second, _) = batches[0], batches[1]
        assert first[0].shape[1] != second[0].shape[1]


@pytest.mark.parametrize("ids", [np.zeros((3, 20), int), IDS[:1], IDS[:0]])
def test_empty_texts_one_text_and_no_text(ids):
    batches = ByLength([ids], LABELS[:len(ids)], 2)
    assert sum(len(labels) for _, labels in epochs(batches).__next__()
               ) == len(ids)
    assert all(inputs[0].shape[1] >= 16 for inputs, _ in
               [batches[i] for i in range(len(batches))])


# ---- the learning rate

def test_the_learning_rate_warms_up_along_a_line_and_falls_along_a_cosine():
    rate = warmup_cosine(110, 10, peak=2.0, first=0.5, last=0.1)
    values = [float(rate(step)) for step in range(112)]
    expected = [0.5 + 1.5 * step / 10 for step in range(10)] + [
        2 * (0.1 + 0.9 * (1 + np.cos(np.pi * step / 100)) / 2)
        for step in range(101)] + [0.2]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_a_training_of_one_step_has_a_learning_rate():
    rate = warmup_cosine(1, 1, peak=2.0)
    assert np.isfinite(float(rate(0))) and np.isfinite(float(rate(1)))
    assert float(warmup_cosine(20, 2, peak=2.0)(20)) == pytest.approx(0)


def test_the_optimizer_is_as_it_was_asked_for():
    optimizer = adamw(0.25, weight_decay=0.125, beta_2=0.5)
    assert isinstance(optimizer, keras.optimizers.AdamW)
    config = optimizer.get_config()
    assert {key: config[key] for key in (
        "learning_rate", "weight_decay", "beta_2", "global_clipnorm")} == {
        "learning_rate": 0.25, "weight_decay": 0.125, "beta_2": 0.5,
        "global_clipnorm": 1.0}
