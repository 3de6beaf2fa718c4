"""A GPT that writes reviews, the rating as their first token. Chapter 06
builds the model step by step."""

import keras
import numpy as np
from keras import layers, ops

from lib import datasets
from lib.layers import DecoderBlock, LearnedPositions
from lib.text import PADDING_ID, Vocabulary, characters
from training.batches import (
    SEED,
    LengthBuckets,
    Training,
    adamw,
    warmup_cosine,
)

RATINGS = ["<negative>", "<positive>"]
REVIEW_LENGTH = 128
REVIEW_BUCKETS = [32, 64, 128]  # three shapes of batches …
REVIEW_TOKENS = 4096            # … with as many tokens each


def sampler(temperature=1.0, top_k=None, top_p=None):
    """A function that draws a token as the model's probabilities say.

    Args:
        temperature: the logits are divided by it; below 1 the probable
            tokens gain, above 1 the rare ones.
        top_k: draw among this many of the most probable tokens only.
        top_p: draw among the fewest most probable tokens only whose
            probabilities together reach this share (Holtzman et al., "The
            Curious Case of Neural Text Degeneration", 2020).

    Returns:
        Function of logits (batch, vocabulary) and noise (batch,), uniform in
        [0, 1), to ids, int32 (batch,). It takes the token in whose stretch of
        the summed probabilities the noise falls (inverse transform sampling),
        so the same noise draws the same tokens on every backend.

    Raises:
        ValueError: an argument outside its range.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, not {temperature}; "
                         "for the most probable token use greedy")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be 1 or more, not {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, not {top_p}")

    def choose(logits, noise):
        count = min(top_k or logits.shape[-1], logits.shape[-1])
        best, ids = ops.top_k(logits / temperature, count)  # descending
        shares = ops.exp(best - best[:, :1])            # (batch, count)
        summed = ops.cumsum(shares, axis=-1)
        if top_p is not None:
            inside = summed - shares < top_p * summed[:, -1:]
            shares = ops.where(inside, shares, 0.0)
            summed = ops.cumsum(shares, axis=-1)
        goal = ops.cast(noise, shares.dtype)[:, None] * summed[:, -1:]
        place = ops.sum(ops.cast(summed <= goal, "int32"), axis=-1)
        last = ops.sum(ops.cast(shares > 0, "int32"), axis=-1) - 1
        place = ops.minimum(place, last)  # rounding may lead past it
        return ops.take_along_axis(ops.cast(ids, "int32"), place[:, None],
                                   axis=-1)[:, 0]
    return choose


def review_ids(reviews, vocabulary):
    """Each review as its rating, its characters and <end>.

    Args:
        reviews: lib.datasets.Reviews.
        vocabulary: lib.text.Vocabulary of characters, RATINGS and "<end>".

    Returns:
        int32 array (n, REVIEW_LENGTH + 1), padded with 0; a longer text loses
        its end, and with it <end>.
    """
    return vocabulary.encode_batch(
        [[RATINGS[label], *characters(text), "<end>"]
         for text, label in zip(*reviews)], REVIEW_LENGTH + 1)


@keras.saving.register_keras_serializable("course")
class GPT(keras.Model):
    """A decoder-only Transformer: what may come next, at every position.

    Radford et al., "Language Models are Unsupervised Multitask Learners",
    2019. The vectors of the tokens serve twice, at the input and to score the
    output (Press and Wolf, 2017).
    """

    def __init__(self, vocabulary_size, max_length, embed_dim, num_layers,
                 num_heads, dropout=0.0, **kwargs):
        """
        Args:
            vocabulary_size: number of ids.
            max_length: number of positions that have a vector.
            embed_dim: size of a token's vector, a multiple of num_heads.
            num_layers: number of blocks.
            num_heads: attention heads in each block.
            dropout: share of each part's output that is set to 0 in training.
        """
        super().__init__(**kwargs)
        self.sizes = {"vocabulary_size": vocabulary_size,
                      "max_length": max_length, "embed_dim": embed_dim,
                      "num_layers": num_layers, "num_heads": num_heads,
                      "dropout": dropout}
        self.tokens = layers.Embedding(vocabulary_size, embed_dim)
        self.positions = LearnedPositions(max_length)
        self.dropout = layers.Dropout(dropout)
        self.blocks = [DecoderBlock(num_heads, 4 * embed_dim, dropout)
                       for _ in range(num_layers)]
        self.norm = layers.LayerNormalization()

    def get_config(self):
        return super().get_config() | self.sizes

    def compute_output_shape(self, shape):
        return (*shape, self.tokens.input_dim)

    def call(self, ids, training=None):
        """
        Args:
            ids: int tensor (batch, length), length <= max_length.
            training: whether dropout acts. Keras says so only to a model
                whose call names it, and with JAX to no part of it: hence it is
                passed on.

        Returns:
            Logits of the next token, float32 (batch, length,
            vocabulary_size).
        """
        x = self.positions(self.tokens(ids))
        x = self.dropout(x, training=training)
        for block in self.blocks:
            x = block(x, training=training)
        return self.logits(x)

    def logits(self, x):
        """How well each token's vector fits: (…, embed_dim) to logits."""
        vectors = ops.transpose(self.tokens.embeddings)
        x = self.norm(x)
        return ops.cast(ops.dot(x, ops.cast(vectors, x.dtype)), "float32")

    def empty_cache(self, batch_size, length):
        """Room for the keys and values of every block.

        Returns:
            Tuple of a pair for each block, each tensor of zeros (batch_size,
            num_heads, length, key_dim).

        Raises:
            ValueError: the model has not so many positions.
        """
        if length > self.positions.max_length:
            raise ValueError(f"{length} tokens cannot be written: the model "
                             f"has {self.positions.max_length} positions")
        return tuple(block.attention.empty_cache(batch_size, length)
                     for block in self.blocks)

    def step(self, ids, cache, position):
        """One token of each text.

        Args:
            ids: int tensor (batch,), the tokens at position.
            cache: what empty_cache or the step before returned.
            position: int or scalar int tensor, counted from 0.

        Returns:
            Logits of the next token, float32 (batch, vocabulary_size), and
            the cache with this token.
        """
        vector = self.positions.table[position]            # (embed_dim,)
        x = self.tokens(ids[:, None])
        x = x + ops.cast(vector, x.dtype)
        kept = []
        for block, part in zip(self.blocks, cache):
            x, part = block.step(x, part, position)
            kept.append(part)
        return self.logits(x[:, 0]), tuple(kept)


def gpt_reviews():
    """Chapter 06's GPT for the reviews, and its training."""
    train = datasets.reviews("train")
    held_out = len(train.texts) // 10  # the first texts, for validation
    fit = datasets.Reviews(train.texts[held_out:], train.labels[held_out:])
    vocabulary = Vocabulary.from_texts(fit.texts, characters, min_count=3,
                                       reserved_tokens=["<end>", *RATINGS])
    ids = review_ids(fit, vocabulary)
    buckets = LengthBuckets((ids != PADDING_ID).sum(axis=1) - 1,
                            REVIEW_BUCKETS)

    def batch(step):
        rng = np.random.default_rng([SEED, step])
        length, rows = buckets.draw(rng, REVIEW_TOKENS)
        return ids[rows, :length], ids[rows, 1:length + 1]

    steps = 6000
    model = GPT(len(vocabulary), REVIEW_LENGTH, embed_dim=192, num_layers=3,
                num_heads=6, dropout=0.2)
    model(ids[:1, :-1])
    model.compile(
        adamw(warmup_cosine(steps, 300, peak=1.5e-3, last=0.01),
              weight_decay=0.1, beta_2=0.99),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True,
                                                   ignore_class=PADDING_ID))
    return Training(model, batch, steps, fit.texts, model.sizes,
                    {"characters": vocabulary}, [], held_out)
