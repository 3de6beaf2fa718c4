"""How the batches of the checkpoints' trainings are drawn."""

import numpy as np

from lib.recipes import LengthBuckets, cut, pair_shares, pair_worth

SIZES = np.array([3, 10, 4, 9, 1, 40, 8, 12])


def draws(buckets, count=400):
    return [buckets.draw(np.random.default_rng([1, step]), tokens=12)
            for step in range(count)]


def test_texts_of_like_length_share_a_batch():
    for length, texts in draws(LengthBuckets(SIZES, [4, 12])):
        assert len(texts) == len(set(texts)) == 12 // length
        assert np.array_equal(SIZES[texts] <= 4, [length == 4] * len(texts))


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


def test_a_text_is_cut_in_two_and_nothing_is_lost():
    text, random = list(range(3, 19)), np.random.default_rng(1)
    begins = []
    for _ in range(200):
        shown, rest = cut(random, text)
        assert text in (shown + rest, rest + shown)
        assert 4 <= len(shown) <= 12
        begins.append(shown[0] == 3)
    assert 0.4 < np.mean(begins) < 0.6
    assert {len(cut(random, text)[0]) for _ in range(200)} == set(range(4, 13))


def test_rare_pairs_are_worth_more_and_unknown_ones_nothing():
    pair_ids = np.array([[2, 2, 2, 2, 3, 1, 0], [4, 1, 0, 0, 0, 0, 0]])
    worth = pair_worth(pair_ids, pair_count=6)
    np.testing.assert_allclose(worth, [0, 0, 0.5, 1, 1, 1])
    shares = pair_shares(np.array([[2, 2, 3, 1, 0], [1, 0, 0, 0, 0]]), worth)
    np.testing.assert_allclose(shares, [[0, 0, 0.5, 0.5, 0, 0], [0] * 6])
