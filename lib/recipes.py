"""How the checkpoints are trained: data, model, optimizer, number of steps.

A chapter trains a recipe for some seconds and then loads its checkpoint;
`make checkpoints` trains it to the end. A batch follows from its number
alone, so that training can be stopped and resumed.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import scipy.sparse
from keras import ops
from sklearn.utils.extmath import randomized_svd

from lib import datasets
from lib.models import GPT, MaskedLanguageModel, Translator, text_encoder
from lib.text import (
    UNKNOWN_ID,
    Subwords,
    Vocabulary,
    characters,
    learn_merges,
    mask_tokens,
    pair_lookup,
    pairs,
)

SEED = 1


class Recipe(NamedTuple):
    """One model and its training.

    model: a keras.Model, compiled and built.
    batch: function of the step, an int from 0, to (inputs, targets) or
        (inputs, targets, weights), as `train_on_batch` takes them.
    steps: number of steps of the whole training.
    texts: list of str, all that it learns from.
    vocabulary: lib.text.Vocabulary of its ids.
    """

    model: keras.Model
    batch: Callable
    steps: int
    texts: list
    vocabulary: Vocabulary


class LengthBuckets:
    """Which texts share a batch: those of like length, so that little of it is
    padding.

    A length comes as often as its texts have tokens, so that texts of every
    length count alike.
    """

    def __init__(self, sizes, lengths, weights=None):
        """
        Args:
            sizes: int array (n,), the number of tokens of each text.
            lengths: ascending list of int, the lengths of batches; the last
                is for all texts that are longer than the one before.
            weights: float array (n,), how much a text counts, if not all
                count alike. A batch may then hold a text twice.
        """
        bucket = np.searchsorted(lengths[:-1], sizes)
        self.lengths = lengths
        self.weights = weights
        counted = np.ones(len(sizes)) if weights is None else weights
        self.rows = [np.flatnonzero((bucket == i) & (counted > 0))
                     for i in range(len(lengths))]
        tokens = np.array([counted[r].sum() for r in self.rows]) * lengths
        self.shares = tokens / tokens.sum()

    def draw(self, random, tokens):
        """One batch.

        Args:
            random: numpy.random.Generator.
            tokens: int, how many it is to have, padding counted.

        Returns:
            Its length, an int, and the numbers of its texts, an int array
            (tokens // length,).
        """
        chosen = random.choice(len(self.rows), p=self.shares)
        rows, length = self.rows[chosen], self.lengths[chosen]
        if self.weights is None:
            return length, random.choice(rows, tokens // length, replace=False)
        share = self.weights[rows] / self.weights[rows].sum()
        return length, random.choice(rows, tokens // length, p=share)


RATINGS = ["<negative>", "<positive>"]
REVIEW_LENGTH = 128
REVIEW_BUCKETS = [32, 64, 128]  # three shapes of batches …
REVIEW_TOKENS = 4096            # … with as many tokens each


def review_vocabulary(texts):
    """<end>, the two ratings, and the characters that occur three times."""
    kept = Vocabulary.from_token_lists(map(characters, texts), min_count=3)
    return Vocabulary(["<end>", *RATINGS, *kept.tokens[2:]])


def review_ids(reviews, vocabulary):
    """Each review as its rating, its characters and <end>.

    Args:
        reviews: lib.datasets.Reviews.
        vocabulary: what review_vocabulary returned.

    Returns:
        int32 array (n, REVIEW_LENGTH + 1), padded with 0; a longer text loses
        its end, and with it <end>.
    """
    return vocabulary.encode_batch(
        [[RATINGS[label], *characters(text), "<end>"]
         for text, label in zip(*reviews)], REVIEW_LENGTH + 1)


def gpt_reviews():
    """A GPT that writes reviews, the rating as their first token."""
    train = datasets.reviews("train")
    start = len(train.texts) // 10  # what is before it stays for validation
    fit = datasets.Reviews(train.texts[start:], train.labels[start:])
    vocabulary = review_vocabulary(fit.texts)
    ids = review_ids(fit, vocabulary)
    buckets = LengthBuckets((ids != 0).sum(axis=1) - 1, REVIEW_BUCKETS)

    def batch(step):
        random = np.random.default_rng([SEED, step])
        length, texts = buckets.draw(random, REVIEW_TOKENS)
        return ids[texts, :length], ids[texts, 1:length + 1]

    steps = 2200
    model = GPT(len(vocabulary), REVIEW_LENGTH, width=192, num_layers=3,
                num_heads=6, dropout=0.2)
    model(ids[:1, :-1])
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - 100, alpha=0.01, warmup_target=1.5e-3, warmup_steps=100)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.1, beta_2=0.99,
                               global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True,
                                                   ignore_class=0))
    return Recipe(model, batch, steps, fit.texts, vocabulary)


TRANSLATION_LENGTH = 24
TRANSLATION_BUCKETS = [10, 14, 24]
TRANSLATION_TOKENS = 1680
LANGUAGES = ["<en>", "<zh>"]  # the first token of a text to be written


def translation_tokens(translations):
    """<end>, the two languages, the Chinese characters and English pieces.

    Returns:
        The Vocabulary, and the Subwords that cut English.
    """
    subwords = Subwords(learn_merges(translations.english, 1000))
    kept = Vocabulary.from_token_lists(
        [*map(characters, translations.chinese),
         *map(subwords, translations.english)])
    return Vocabulary(["<end>", *LANGUAGES, *kept.tokens[2:]]), subwords


def translation_ids(translations, vocabulary, subwords):
    """Every pair twice: Chinese to English, then English to Chinese.

    Returns:
        Sources, int32 (2n, TRANSLATION_LENGTH), and targets, int32 (2n,
        TRANSLATION_LENGTH + 1), which begin with their language and close
        with <end>; longer ones lose their end.
    """
    chinese = [characters(text) for text in translations.chinese]
    english = [subwords(text) for text in translations.english]
    targets = ([["<en>", *tokens, "<end>"] for tokens in english]
               + [["<zh>", *tokens, "<end>"] for tokens in chinese])
    return (vocabulary.encode_batch(chinese + english, TRANSLATION_LENGTH),
            vocabulary.encode_batch(targets, TRANSLATION_LENGTH + 1))


def smoothed_cross_entropy(targets, logits):
    """Cross-entropy against 0.9 for the right token and 0.1 shared by all
    (Szegedy et al., 2016), the mean of all tokens that are no padding."""
    logs = ops.log_softmax(logits, axis=-1)
    targets = ops.cast(targets, "int32")
    right = ops.take_along_axis(logs, targets[..., None], axis=-1)[..., 0]
    losses = -0.9 * right - 0.1 * ops.mean(logs, axis=-1)
    real = ops.cast(targets != 0, losses.dtype)
    return ops.sum(losses * real) / ops.sum(real)


def translator():
    """One Translator for both directions."""
    train = datasets.translations("train")
    start = len(train.chinese) // 12  # what is before it stays for validation
    fit = datasets.Translations(*(part[start:] for part in train))
    vocabulary, subwords = translation_tokens(fit)
    sources, targets = translation_ids(fit, vocabulary, subwords)
    sizes = np.maximum((sources != 0).sum(axis=1),
                       (targets != 0).sum(axis=1) - 1)
    buckets = LengthBuckets(sizes, TRANSLATION_BUCKETS)

    def batch(step):
        random = np.random.default_rng([SEED, step])
        length, texts = buckets.draw(random, TRANSLATION_TOKENS)
        source = sources[texts, :length]
        # One token in ten is hidden: an unknown one is then nothing new.
        hidden = (random.random(source.shape) < 0.1) & (source != 0)
        target = targets[texts, :length + 1]
        return ((np.where(hidden, UNKNOWN_ID, source), target[:, :-1]),
                target[:, 1:])

    steps = 2400
    model = Translator(len(vocabulary), len(vocabulary), TRANSLATION_LENGTH,
                       width=160, num_layers=2, num_heads=4, dropout=0.3)
    model((sources[:1], targets[:1, :-1]))
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - 200, alpha=0.01, warmup_target=2e-3, warmup_steps=200)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.01, beta_2=0.98,
                                         global_clipnorm=1.0),
                  smoothed_cross_entropy)
    return Recipe(model, batch, steps, fit.chinese + fit.english, vocabulary)


LANGUAGE_BUCKETS = [40, 80, 170]  # of which at most 128 are shown
LANGUAGE_TOKENS = 4096
SHORTEST = 8         # a text of fewer characters is not worth cutting
NEWS_SHARE = 0.3     # a newspaper text counts so much, a review 1
MASKED_SHARE = 0.25
SECOND_QUESTION = 4  # counts so much, the first 1


def language_texts():
    """All that may be read without labels: the characters of the training
    reviews, and of the newspaper's paragraphs of at least SHORTEST."""
    reviews = [characters(text) for text in datasets.reviews("train").texts]
    news = [characters("".join(words)) for words in datasets.people_daily()]
    return reviews, [text for text in news if len(text) >= SHORTEST]


def language_vocabularies(reviews, news):
    """Vocabularies of the characters, with <mask>, and of the pairs."""
    both = Vocabulary.from_token_lists(reviews + news, min_count=2)
    return (Vocabulary(["<mask>", *both.tokens[2:]]),
            Vocabulary.from_token_lists(
                (pairs("".join(text)) for text in reviews), min_count=6))


def language_encoder(vocabulary, pair_vocabulary, dropout=0.0,
                     input_dropout=0.1):
    """The text_encoder of chapter 08, in its sizes."""
    return text_encoder(len(vocabulary), len(pair_vocabulary), REVIEW_LENGTH,
                        width=128, num_layers=2, num_heads=4,
                        hidden_width=256, dropout=dropout,
                        input_dropout=input_dropout)


def cooccurrence_vectors(texts, weights, pair_ids, character_count, pair_count,
                         width, window=8):
    """Vectors of characters and pairs from what stands near what.

    Levy and Goldberg, "Neural Word Embedding as Implicit Matrix
    Factorization", 2014: the positive pointwise mutual information of tokens
    at most `window` apart, factorised by a truncated SVD.

    Args:
        texts: list of lists of ids of characters.
        weights: list of float, how much a text counts.
        pair_ids: what pair_lookup returned.
        character_count, pair_count: number of ids of each kind.
        width: size of a vector.
        window: how far apart two tokens may stand.

    Returns:
        float32 arrays (character_count, width) and (pair_count, width).
    """
    gap = [0] * window
    ids = np.concatenate([text + gap for text in texts])
    weight = np.repeat(weights, [len(text) + window for text in texts])
    kinds = [(ids, 0), (pair_ids(ids[None])[0], character_count)]
    size = character_count + pair_count
    counts = scipy.sparse.csr_matrix((size, size), dtype="float32")
    for distance in range(1, window + 1):
        for a, first in kinds:
            if distance == 1 and first:  # a pair contains its neighbour
                continue
            for b, second in kinds:
                left, right = a[:-distance], b[distance:]
                known = (left > UNKNOWN_ID) & (right > UNKNOWN_ID)
                counts += scipy.sparse.csr_matrix(
                    (weight[:-distance][known].astype("float32"),
                     (left[known] + first, right[known] + second)),
                    shape=(size, size))
    counts = (counts + counts.T).tocoo()
    sums = np.asarray(counts.sum(axis=1)).ravel()
    context = sums ** 0.75 * (sums.sum() / (sums ** 0.75).sum())
    information = np.log(counts.data * sums.sum()
                         / (sums[counts.row] * context[counts.col]))
    positive = scipy.sparse.csr_matrix(
        (information.clip(min=0), (counts.row, counts.col)), (size, size))
    positive.eliminate_zeros()
    u, s, _ = randomized_svd(positive, width, n_iter=2, random_state=0)
    vectors = u * np.sqrt(s)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 0.1
    vectors = (0.05 * width ** 0.5 * vectors).astype("float32")
    return vectors[:character_count], vectors[character_count:]


def cut(random, ids):
    """Cut a text in two, at a random place in its middle half.

    Args:
        random: numpy.random.Generator.
        ids: list of int.

    Returns:
        The two parts, the first or the last one first, as it is drawn.
    """
    quarter = len(ids) // 4
    place = random.integers(quarter, len(ids) - quarter + 1)
    parts = [ids[:place], ids[place:]]
    return parts if random.random() < 0.5 else parts[::-1]


def pair_worth(pair_ids, pair_count):
    """How much one occurrence of each pair says: 1 / sqrt(occurrences).

    Args:
        pair_ids: int array of any shape, the pairs of many texts.
        pair_count: number of ids of pairs.

    Returns:
        float32 array (pair_count,), 0 for padding and unknown pairs.
    """
    counts = np.bincount(pair_ids.ravel(), minlength=pair_count)
    worth = 1 / np.sqrt(np.maximum(counts, 1))
    worth[:2] = 0  # <pad> and <unk>
    return worth.astype("float32")


def pair_shares(pair_ids, worth):
    """Which pairs stand in a text, as shares that sum to 1.

    Args:
        pair_ids: int array (batch, length).
        worth: what pair_worth returned, (pair_count,).

    Returns:
        float32 array (batch, pair_count); all 0 where there is no known pair.
    """
    shares = np.zeros((len(pair_ids), len(worth)), "float32")
    np.add.at(shares, (np.arange(len(pair_ids))[:, None], pair_ids),
              worth[pair_ids])
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)


def masked_language_model(from_cooccurrence=True):
    """A MaskedLanguageModel of the training reviews and the newspaper.

    Args:
        from_cooccurrence: start from cooccurrence_vectors, which takes half a
            minute, not from random ones.
    """
    reviews, news = language_texts()
    vocabulary, pair_vocabulary = language_vocabularies(reviews, news)
    pair_ids = pair_lookup(vocabulary, pair_vocabulary)
    texts = [vocabulary.encode(text) for text in reviews + news]
    weights = np.repeat([1.0, NEWS_SHARE], [len(reviews), len(news)])
    worth = pair_worth(
        pair_ids(vocabulary.encode_batch(reviews, max(map(len, reviews)))),
        len(pair_vocabulary))
    sizes = np.array(list(map(len, texts)))
    buckets = LengthBuckets(sizes, LANGUAGE_BUCKETS,
                            np.where(sizes < SHORTEST, 0, weights))

    def batch(step):
        random = np.random.default_rng([SEED, step])
        length, chosen = buckets.draw(random, LANGUAGE_TOKENS)
        ids, rest = np.zeros((2, len(chosen), length - length // 4), "int32")
        for row, i in enumerate(chosen):
            start = random.integers(max(1, len(texts[i]) - length + 1))
            part, other = cut(random, texts[i][start:start + length])
            ids[row, :len(part)], rest[row, :len(other)] = part, other
        shown, places, characters_there = mask_tokens(
            random, ids, MASKED_SHARE, len(vocabulary))
        return ([shown, pair_ids(shown), places],
                [characters_there, pair_shares(pair_ids(rest), worth)])

    steps = 12000
    encoder = language_encoder(vocabulary, pair_vocabulary)
    model = MaskedLanguageModel(encoder)
    model(batch(0)[0])
    if from_cooccurrence:
        for name, vectors in zip(("characters", "pairs"), cooccurrence_vectors(
                texts, weights, pair_ids, len(vocabulary),
                len(pair_vocabulary), encoder.output.shape[-1])):
            encoder.get_layer(name).set_weights([vectors])
    rate = keras.optimizers.schedules.CosineDecay(
        1e-5, steps, alpha=0.02, warmup_target=1.5e-3, warmup_steps=150)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.01, beta_2=0.98,
                                         global_clipnorm=1.0),
                  [keras.losses.SparseCategoricalCrossentropy(
                      from_logits=True, ignore_class=0),
                   keras.losses.CategoricalCrossentropy(from_logits=True)],
                  loss_weights=[1.0, SECOND_QUESTION])
    return Recipe(model, batch, steps, list(map("".join, reviews + news)),
                  vocabulary)


RECIPES = {recipe.__name__: recipe for recipe in (
    gpt_reviews, translator, masked_language_model)}
