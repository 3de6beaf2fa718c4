"""An encoder of reviews, pre-trained without labels. Chapter 08 builds the
model and its two tasks step by step."""

import keras
import numpy as np
import scipy.sparse
from keras import layers, ops
from sklearn.utils.extmath import randomized_svd

from lib import datasets
from lib.layers import (
    LearnedPositions,
    encoder_block,
    head_size,
    padding_mask,
)
from lib.text import PADDING_ID, UNKNOWN_ID, Vocabulary, characters, pairs
from training.batches import (
    SEED,
    LengthBuckets,
    Training,
    adamw,
    warmup_cosine,
)

MASK_ID = 2           # of a vocabulary whose first reserved token is "<mask>"
LANGUAGE_BUCKETS = [40, 80, 170]  # of which at most MAX_LENGTH are shown
LANGUAGE_TOKENS = 4096
MAX_LENGTH = 128
SHORTEST = 8          # a text of fewer characters is not worth cutting
NEWS_SHARE = 0.3      # a newspaper text counts so much, a review 1
MASKED_SHARE = 0.25
PAIRS_WEIGHT = 4      # the second loss counts so much, the first 1


def text_encoder(vocabulary_size, pair_count, max_length, embed_dim,
                 num_layers, num_heads, intermediate_dim, dropout=0.0,
                 input_dropout=0.0):
    """Ids of characters and of pairs → a vector for each position.

    Args:
        vocabulary_size, pair_count: number of ids of each kind.
        max_length: number of positions that have a vector.
        embed_dim: size of a vector, a multiple of num_heads.
        num_layers: number of blocks.
        num_heads: attention heads in each block.
        intermediate_dim: size inside the feed-forward networks.
        dropout: share of each part's output that is set to 0 in training.
        input_dropout: share of the columns that is set to 0 in training, for
            a whole text.

    Returns:
        keras.Model from two int inputs (batch, length), padded with 0, to
        (batch, length, embed_dim).
    """
    ids = keras.Input((None,), dtype="int32")
    pair_ids = keras.Input((None,), dtype="int32")
    x = layers.Add()([
        layers.Embedding(vocabulary_size, embed_dim, name="characters")(ids),
        layers.Embedding(pair_count, embed_dim, name="pairs")(pair_ids)])
    x = LearnedPositions(max_length)(x)            # (batch, length, embed_dim)
    x = layers.SpatialDropout1D(input_dropout)(x)
    for _ in range(num_layers):
        x = encoder_block(x, padding_mask(ids), num_heads,
                          head_size(embed_dim, num_heads), intermediate_dim,
                          dropout)
    return keras.Model([ids, pair_ids], layers.LayerNormalization()(x))


def pooled(x, real):
    """Mean and maximum over a text's positions.

    Args:
        x: tensor (batch, length, embed_dim).
        real: bool (batch, length), False where a text is padded.

    Returns:
        Tensor (batch, 2 * embed_dim), zeros for a text without tokens.
    """
    real = real[:, :, None]
    total = ops.sum(ops.where(real, x, 0.0), axis=1)
    count = ops.sum(ops.cast(real, x.dtype), axis=1)
    highest = ops.max(ops.where(real, x, -1e4), axis=1)
    highest = ops.where(count > 0, highest, 0.0)
    return ops.concatenate([total / ops.maximum(count, 1), highest], axis=-1)


@keras.saving.register_keras_serializable("course")
class MaskedLanguageModel(keras.Model):
    """An encoder with two heads: which character stood here, and which pairs
    stand in the part of the text that is not shown?

    The first predicts masked positions (Devlin et al., "BERT", 2018), the
    second starts from the pooled vector of the whole text, which a classifier
    will see. The vectors of the input serve again for the logits, as in GPT.
    """

    def __init__(self, encoder, **kwargs):
        """
        Args:
            encoder: what text_encoder returned.
        """
        super().__init__(**kwargs)
        embed_dim = encoder.output.shape[-1]
        self.encoder = encoder
        self.heads = [keras.Sequential([layers.Dense(embed_dim, "gelu"),
                                        layers.LayerNormalization()])
                      for _ in range(2)]

    def get_config(self):
        encoder = keras.saving.serialize_keras_object(self.encoder)
        return super().get_config() | {"encoder": encoder}

    @classmethod
    def from_config(cls, config):
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**config | {"encoder": encoder})

    def build(self, input_shape):
        embed_dim = self.encoder.output.shape[-1]
        self.heads[0].build((None, None, embed_dim))
        self.heads[1].build((None, 2 * embed_dim))

    def call(self, inputs, training=None):
        """
        Args:
            inputs: ids and pairs (batch, length), and the masked positions
                (batch, count).
            training: whether dropout acts, as in GPT.

        Returns:
            Logits of the characters, float32 (batch, count, characters), and
            of the pairs, float32 (batch, pairs).
        """
        ids, pair_ids, masked_positions = inputs
        # (batch, length, embed_dim)
        x = self.encoder([ids, pair_ids], training=training)
        masked = ops.take_along_axis(x, masked_positions[:, :, None],
                                     axis=1)
        return (self.logits(self.heads[0](masked), "characters"),
                self.logits(self.heads[1](pooled(x, ids != 0)), "pairs"))

    def logits(self, x, name):
        """How well each vector of the input fits: (…, embed_dim) to logits."""
        vectors = ops.transpose(self.encoder.get_layer(name).embeddings)
        return ops.cast(ops.matmul(x, ops.cast(vectors, x.dtype)), "float32")


def pair_lookup(vocabulary, pair_vocabulary):
    """A function from ids of characters to ids of the pairs they form.

    Args:
        vocabulary: of characters.
        pair_vocabulary: of str of one or two of these characters, as pairs()
            makes them.

    Returns:
        Function from an int array (batch, length), padded with 0, to an int32
        array of the same shape: each id with its right neighbour. A pair that
        is not in the vocabulary, or holds "<mask>", has id 1.
    """
    size = len(vocabulary)
    codes = np.array([  # the last character of a text is a pair by itself
        sum(vocabulary.ids[c] * factor for c, factor in zip(pair, (size, 1)))
        for pair in pair_vocabulary.tokens[2:]])
    order = np.argsort(codes)
    codes = codes[order]

    def look_up(ids):
        right = np.pad(ids[:, 1:], [(0, 0), (0, 1)])
        code = ids.astype("int64") * size + right
        if not len(codes):
            return np.where(ids == PADDING_ID, PADDING_ID, UNKNOWN_ID)
        place = np.searchsorted(codes, code).clip(max=len(codes) - 1)
        known = np.where(codes[place] == code, order[place] + 2, UNKNOWN_ID)
        return np.where(ids == PADDING_ID, PADDING_ID, known).astype("int32")

    return look_up


def mask_tokens(rng, ids, share, vocabulary_size):
    """What a masked language model is shown, and what it is to predict.

    Devlin et al., "BERT", 2018, section 3.1: of the chosen tokens 80 % become
    "<mask>", 10 % another token, and 10 % stay as they are.

    Args:
        rng: numpy.random.Generator.
        ids: int array (batch, length), padded with 0.
        share: of a text's tokens that are chosen; at least one is.
        vocabulary_size: number of ids.

    Returns:
        The ids to be shown, (batch, length); the chosen positions, (batch,
        count) with count = share * length, at least 1; and the ids that stood
        there, (batch, count), 0 where a shorter text has fewer.
    """
    real = (ids != PADDING_ID) & (ids != MASK_ID)
    count = np.maximum(1, np.round(share * real.sum(axis=1)))
    draws = np.where(real, rng.random(ids.shape), 2.0)
    columns = max(1, round(share * ids.shape[1]))
    positions = np.argsort(draws, axis=1)[:, :columns]
    chosen = np.arange(columns) < count[:, None]
    chosen &= np.take_along_axis(real, positions, axis=1)
    original = np.take_along_axis(ids, positions, axis=1)
    kind = rng.random(positions.shape)
    others = rng.integers(MASK_ID + 1, vocabulary_size, positions.shape)
    new = np.select([~chosen, kind < 0.8, kind < 0.9],
                    [original, MASK_ID, others], original)
    shown = ids.copy()
    np.put_along_axis(shown, positions, new, axis=1)
    return shown, positions, np.where(chosen, original, PADDING_ID)


def language_texts():
    """All that may be read without labels: the characters of the training
    reviews, and of the newspaper's paragraphs of at least SHORTEST."""
    reviews = [characters(text) for text in datasets.reviews("train").texts]
    news = [characters("".join(words)) for words in datasets.people_daily()]
    return reviews, [text for text in news if len(text) >= SHORTEST]


def language_vocabularies(reviews, news):
    """Vocabularies of the characters, with <mask>, and of the pairs."""
    return (Vocabulary.from_texts(reviews + news, characters, min_count=2,
                                  reserved_tokens=["<mask>"]),
            Vocabulary.from_texts(map("".join, reviews), pairs, min_count=6))


def cooccurrence_vectors(texts, weights, pair_ids, character_count, pair_count,
                         embed_dim, window=8):
    """Vectors of characters and pairs from what stands near what.

    Levy and Goldberg, "Neural Word Embedding as Implicit Matrix
    Factorization", 2014: the positive pointwise mutual information of tokens
    at most `window` apart, factorised by a truncated SVD.

    Args:
        texts: list of lists of ids of characters.
        weights: list of float, how much a text counts.
        pair_ids: what pair_lookup returned.
        character_count, pair_count: number of ids of each kind.
        embed_dim: size of a vector.
        window: how far apart two tokens may stand.

    Returns:
        float32 arrays (character_count, embed_dim) and (pair_count,
        embed_dim).
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
    u, s, _ = randomized_svd(positive, embed_dim, n_iter=2, random_state=0)
    vectors = u * np.sqrt(s)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 0.1
    vectors = (0.05 * embed_dim ** 0.5 * vectors).astype("float32")
    return vectors[:character_count], vectors[character_count:]


def cut(rng, ids):
    """Cut a text in two, at a random place in its middle half.

    Args:
        rng: numpy.random.Generator.
        ids: list of int.

    Returns:
        The two parts, the first or the last one first, as it is drawn.
    """
    quarter = len(ids) // 4
    place = rng.integers(quarter, len(ids) - quarter + 1)
    parts = [ids[:place], ids[place:]]
    return parts if rng.random() < 0.5 else parts[::-1]


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


def masked_language_model():
    """Chapter 08's MaskedLanguageModel of the training reviews and the
    newspaper, and its training.

    It starts from cooccurrence_vectors, which take half a minute.
    """
    reviews, news = language_texts()
    vocabulary, pair_vocabulary = language_vocabularies(reviews, news)
    pair_ids = pair_lookup(vocabulary, pair_vocabulary)
    texts = [vocabulary.encode(text) for text in reviews + news]
    weights = np.repeat([1.0, NEWS_SHARE], [len(reviews), len(news)])
    batch = language_batches(texts, weights, len(reviews), pair_ids,
                             len(vocabulary), len(pair_vocabulary))
    steps = 12000
    config = {"vocabulary_size": len(vocabulary),
              "pair_count": len(pair_vocabulary), "max_length": MAX_LENGTH,
              "embed_dim": 128, "num_layers": 2, "num_heads": 4,
              "intermediate_dim": 256, "dropout": 0.0, "input_dropout": 0.0}
    model = MaskedLanguageModel(text_encoder(**config))
    model(batch(0)[0])
    for name, vectors in zip(("characters", "pairs"), cooccurrence_vectors(
            texts, weights, pair_ids, len(vocabulary), len(pair_vocabulary),
            config["embed_dim"])):
        model.encoder.get_layer(name).set_weights([vectors])
    # It is stopped before the learning rate is at its lowest.
    rate = warmup_cosine(steps + 150, 150, peak=1.5e-3, first=1e-5, last=0.02)
    model.compile(adamw(rate, weight_decay=0.01, beta_2=0.98),
                  [keras.losses.SparseCategoricalCrossentropy(
                      from_logits=True, ignore_class=PADDING_ID),
                   keras.losses.CategoricalCrossentropy(from_logits=True)],
                  loss_weights=[1.0, PAIRS_WEIGHT])
    return Training(model, batch, steps, list(map("".join, reviews + news)),
                    config, {"characters": vocabulary,
                             "pairs": pair_vocabulary}, [], 0)


def language_batches(texts, weights, review_count, pair_ids, vocabulary_size,
                     pair_count):
    """A function from the number of a step to its batch.

    Args:
        texts: list of lists of ids, the first review_count of them reviews.
        weights: float array, how much each text counts.
        review_count: number of reviews.
        pair_ids: what pair_lookup returned.
        vocabulary_size, pair_count: number of ids of each kind.

    Returns:
        Function from an int to the inputs and the targets of a
        MaskedLanguageModel, two lists of arrays.
    """
    sizes = np.array(list(map(len, texts)))
    buckets = LengthBuckets(sizes, LANGUAGE_BUCKETS,
                            np.where(sizes < SHORTEST, 0, weights))
    reviews = keras.utils.pad_sequences(texts[:review_count], padding="post")
    worth = pair_worth(pair_ids(reviews), pair_count)

    def batch(step):
        rng = np.random.default_rng([SEED, step])
        length, chosen = buckets.draw(rng, LANGUAGE_TOKENS)
        ids, rest = np.zeros((2, len(chosen), length - length // 4), "int32")
        for row, i in enumerate(chosen):
            start = rng.integers(max(1, len(texts[i]) - length + 1))
            part, other = cut(rng, texts[i][start:start + length])
            ids[row, :len(part)], rest[row, :len(other)] = part, other
        shown, positions, originals = mask_tokens(rng, ids, MASKED_SHARE,
                                                  vocabulary_size)
        return ([shown, pair_ids(shown), positions],
                [originals, pair_shares(pair_ids(rest), worth)])
    return batch
