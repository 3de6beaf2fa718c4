"""What chapter 08's pre-training learns from: masks, pairs, co-occurrence."""

import numpy as np
import pytest

from lib.datasets import Reviews
from lib.text import Vocabulary, characters, pairs
from training import masked_language_model as language_model
from training.masked_language_model import (
    LANGUAGE_BUCKETS,
    LANGUAGE_TOKENS,
    MASK_ID,
    cooccurrence_vectors,
    cut,
    language_batches,
    language_vocabularies,
    mask_tokens,
    pair_lookup,
    pair_shares,
    pair_worth,
)

TEXTS = ["好书好看", "书好", "看书,好书"]


@pytest.fixture(scope="module")
def vocabularies():
    return (Vocabulary.from_texts(TEXTS, characters,
                                  reserved_tokens=["<mask>"]),
            Vocabulary.from_texts(TEXTS[:2], pairs))


# ---- masks

def masked(ids, share, seed=0, size=5000):
    return mask_tokens(np.random.default_rng(seed), ids, share, size)


def test_the_share_of_bert_is_chosen_and_becomes_what_bert_says():
    ids = np.random.default_rng(3).integers(3, 5000, (2000, 80))
    ids[:, 64:] = 0
    before = ids.copy()
    shown, positions, originals = masked(ids, 0.15)
    np.testing.assert_array_equal(ids, before)
    assert positions.shape == originals.shape == (2000, 12)
    chosen = originals > 0
    assert (chosen.sum(axis=1) == round(0.15 * 64)).all()
    np.testing.assert_array_equal(
        originals[chosen], np.take_along_axis(ids, positions, 1)[chosen])
    there = np.take_along_axis(shown, positions, axis=1)[chosen]
    is_mask, is_same = there == MASK_ID, there == originals[chosen]
    assert abs(is_mask.mean() - 0.8) < 0.01
    assert abs(is_same.mean() - 0.1) < 0.01
    others = there[~is_mask & ~is_same]
    assert abs(len(others) / len(there) - 0.1) < 0.01
    assert others.min() > MASK_ID and 4900 < others.max() < 5000
    assert len(np.unique(others)) > 1000  # any token, not one
    # What is not chosen is shown as it was.
    assert (shown != ids).sum() == (~is_same).sum()


def test_positions_are_drawn_evenly_and_none_twice():
    ids = np.full((4000, 10), 7)
    _, positions, originals = masked(ids, 0.3)
    assert (originals > 0).sum(axis=1).tolist() == [3] * 4000
    assert all(len(set(row)) == 3 for row in positions)
    counts = np.bincount(positions.ravel(), minlength=10) / 4000
    np.testing.assert_allclose(counts, 0.3, atol=0.03)


def test_padding_and_masks_are_never_chosen():
    ids = np.array([[5, MASK_ID, 6, 0, 0, 0], [0] * 6, [MASK_ID] * 6])
    for seed in range(20):
        shown, positions, originals = masked(ids, 0.9, seed)
        assert set(originals[0]) == {0, 5, 6}
        assert not originals[1:].any()
        np.testing.assert_array_equal(shown[1:], ids[1:])
        np.testing.assert_array_equal(shown[0, 3:], 0)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_of_the_shortest_text_one_token_is_chosen(length):
    _, _, originals = masked(np.full((5, length), 7), 0.15)
    assert (originals > 0).sum(axis=1).tolist() == [1] * 5


# ---- pairs

def test_pairs_are_found_from_ids(vocabularies):
    vocabulary, pair_vocabulary = vocabularies
    look_up = pair_lookup(vocabulary, pair_vocabulary)
    ids = vocabulary.encode_batch(TEXTS, 6)
    expected = pair_vocabulary.encode_batch(TEXTS, 6)
    found = look_up(ids)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    ids[0, 1] = MASK_ID  # it breaks both its pairs
    assert look_up(ids)[0].tolist() == [1, 1, *expected[0, 2:]]
    assert (expected[2] == 1).any()  # an unknown pair was among them


def test_without_pairs_every_pair_is_unknown(vocabularies):
    look_up = pair_lookup(vocabularies[0], Vocabulary([]))
    assert look_up(np.array([[3, 4, 0]])).tolist() == [[1, 1, 0]]


def test_rare_pairs_are_worth_more_and_unknown_ones_nothing():
    pair_ids = np.array([[2, 2, 2, 2, 3, 1, 0], [4, 1, 0, 0, 0, 0, 0]])
    worth = pair_worth(pair_ids, pair_count=6)
    assert worth.dtype == np.float32
    np.testing.assert_allclose(worth, [0, 0, 0.5, 1, 1, 1])
    shares = pair_shares(np.array([[2, 2, 3, 1, 0], [1, 0, 0, 0, 0]]), worth)
    np.testing.assert_allclose(shares, [[0, 0, 0.5, 0.5, 0, 0], [0] * 6])


def test_a_text_is_cut_in_two_and_nothing_is_lost():
    text, rng = list(range(3, 19)), np.random.default_rng(1)
    begins = []
    for _ in range(200):
        shown, rest = cut(rng, text)
        assert text in (shown + rest, rest + shown)
        assert 4 <= len(shown) <= 12
        begins.append(shown[0] == 3)
    assert 0.4 < np.mean(begins) < 0.6
    assert {len(cut(rng, text)[0]) for _ in range(200)} == set(range(4, 13))


# ---- co-occurrence

def naive_information(texts, weights, pair_ids, sizes, window):
    """Positive pointwise mutual information, token by token."""
    counts = np.zeros((sum(sizes), sum(sizes)))
    for text, weight in zip(texts, weights):
        two = pair_ids(np.array([text]))[0]
        tokens = [[(c, c > 1), (sizes[0] + p, p > 1)]
                  for c, p in zip(text, two)]
        for i in range(len(text)):
            for j in range(i + 1, min(i + window + 1, len(text))):
                for a, (left, known) in enumerate(tokens[i]):
                    if j == i + 1 and a == 1:  # a pair holds its neighbour
                        continue
                    for right, too in tokens[j]:
                        if known and too:
                            counts[left, right] += weight
                            counts[right, left] += weight
    sums = counts.sum(axis=1)
    context = sums ** 0.75 / (sums ** 0.75).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.log(counts / sums[:, None] / context),
                             neginf=0).clip(min=0)


def test_vectors_of_cooccurrence_factorise_the_information(vocabularies):
    vocabulary, pair_vocabulary = vocabularies
    pair_ids = pair_lookup(vocabulary, pair_vocabulary)
    texts = [vocabulary.encode(text) for text in [*TEXTS, "好?看书好好看"]]
    weights = [1, 0.5, 2, 1]
    sizes = len(vocabulary), len(pair_vocabulary)
    expected = naive_information(texts, weights, pair_ids, sizes, window=3)
    rank = 3
    u, s, _ = np.linalg.svd(expected)
    right = u[:, :rank] * np.sqrt(s[:rank])
    right /= np.linalg.norm(right, axis=1, keepdims=True) + 0.1
    right *= 0.05 * rank ** 0.5
    vectors = cooccurrence_vectors(texts, weights, pair_ids, *sizes, rank,
                                   window=3)
    assert [len(part) for part in vectors] == list(sizes)
    found = np.concatenate(vectors)
    assert found.dtype == np.float32
    # Whatever the signs of the columns are.
    np.testing.assert_allclose(found @ found.T, right @ right.T, atol=1e-4)


def test_the_training_reviews_and_the_longer_news_may_be_read(monkeypatch):
    monkeypatch.setattr(language_model.datasets, "reviews", lambda part: {
        "train": Reviews(["Ａ 好", ""], np.zeros(2))}[part])
    monkeypatch.setattr(language_model.datasets, "people_daily", lambda: [
        ["报纸"], ["一二三", "四五", "六七八"], ["一二三四五六七"]])
    reviews, news = language_model.language_texts()
    assert reviews == [["a", "好"], []]
    assert news == [list("一二三四五六七八")]


def test_tokens_up_to_eight_apart_are_near():
    """A pair of far ones: all that the texts have in common."""
    for gap, near in ((7, True), (8, False)):
        texts = [[3, *[1] * gap, 4]] * 5
        vectors, _ = cooccurrence_vectors(
            texts, [1.0] * 5, lambda ids: np.ones_like(ids), 5, 2, 2)
        assert (np.abs(vectors[3:]).max() > 0) == near


def test_vocabularies_of_the_language():
    reviews = [list("好书好看"), list("好书")] * 4
    vocabulary, pair_vocabulary = language_vocabularies(
        reviews, [list("报纸报"), list("纸")])
    assert vocabulary.tokens[2] == "<mask>"
    assert vocabulary.ids["<mask>"] == MASK_ID
    assert set(vocabulary.tokens[3:]) == set("好书看报纸")
    assert set(pair_vocabulary.tokens[2:]) == {"好书"}  # six times at least


# ---- batches

@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    texts = [rng.integers(3, 60, size).tolist()
             for size in rng.integers(4, 220, 300)]

    def pair_ids(ids):  # stands for pair_lookup; 200 pairs, 1 with a mask
        right = np.pad(ids[:, 1:], [(0, 0), (0, 1)])
        pairs = (ids * 7 + right) % 198 + 2
        pairs[(ids == MASK_ID) | (right == MASK_ID)] = 1
        return np.where(ids == 0, 0, pairs).astype("int32")

    made = language_batches(texts, np.ones(300), 200, pair_ids, 60, 200)
    return made, texts, pair_ids


def test_a_batch_shows_one_part_and_asks_for_the_other(batch):
    make, texts, pair_ids = batch
    joined = {tuple(text[i:i + n]) for text in texts for n in (5,)
              for i in range(len(text) - n + 1)}
    for step in range(6):
        (shown, pairs_shown, positions), (originals, shares) = make(step)
        assert shown.shape[1] + shown.shape[1] // 3 in LANGUAGE_BUCKETS or (
            shown.shape[1] == 128)
        assert len(shown) == LANGUAGE_TOKENS // {30: 40, 60: 80, 128: 170}[
            shown.shape[1]]
        np.testing.assert_array_equal(pairs_shown, pair_ids(shown))
        whole = shown.copy()
        rows, columns = np.nonzero(originals)
        whole[rows, positions[rows, columns]] = originals[rows, columns]
        assert not (whole == MASK_ID).any()
        for row in whole[:5]:
            row = row[row > 0]
            assert all(tuple(row[i:i + 5]) in joined
                       for i in range(len(row) - 4))
        real = (whole > 0).sum(axis=1)
        assert (originals > 0).sum(axis=1).tolist() == [
            max(1, round(0.25 * n)) for n in real]
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_a_batch_follows_from_its_number(batch):
    make = batch[0]
    for a, b in zip(make(3)[0] + make(3)[1], make(3)[0] + make(3)[1]):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(make(3)[0][0], make(4)[0][0])


def test_texts_too_short_to_be_cut_are_left_out():
    texts = [[3] * 7] * 50 + [[4] * 8] * 50
    make = language_batches(texts, np.ones(100), 100, lambda ids: ids, 9, 9)
    shown = make(0)[0][0]
    originals = make(0)[1][0]
    assert 3 not in originals and 4 in originals
    assert (shown == 4).any()
