"""One Translator for both directions. Chapter 07 builds the model and its
tokens step by step."""

import keras
import numpy as np
from keras import layers, ops

from lib import datasets
from lib.layers import (
    DecoderBlock,
    LearnedPositions,
    attention,
    encoder_block,
    head_size,
    join_heads,
    padding_mask,
    split_heads,
)
from lib.text import PADDING_ID, UNKNOWN_ID, Vocabulary, characters
from training.batches import (
    SEED,
    LengthBuckets,
    Training,
    adamw,
    warmup_cosine,
)
from training.subwords import Subwords, learn_merges

TRANSLATION_LENGTH = 24
TRANSLATION_BUCKETS = [10, 14, 24]
TRANSLATION_TOKENS = 1680
LANGUAGES = ["<en>", "<zh>"]  # the first token of a text to be written


@keras.saving.register_keras_serializable("course")
class CrossAttention(layers.Layer):
    """Multi-head attention of one text's tokens to another text's.

    Input and output: (batch, length, embed_dim), embed_dim a multiple of
    num_heads.
    """

    def __init__(self, num_heads, **kwargs):
        """
        Args:
            num_heads: number of attention heads.
        """
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, shape):
        embed_dim = shape[-1]
        self.query_proj, self.key_proj, self.value_proj, self.out_proj = (
            layers.Dense(embed_dim) for _ in range(4))
        for dense in (self.query_proj, self.key_proj, self.value_proj,
                      self.out_proj):
            dense.build(shape)

    def keys_values(self, memory):
        """What may be computed once for a source and kept.

        Args:
            memory: the encoded source, (batch, keys, embed_dim).

        Returns:
            Keys and values, each (batch, num_heads, keys, key_dim).
        """
        return tuple(split_heads(dense(memory), self.num_heads)
                     for dense in (self.key_proj, self.value_proj))

    def call(self, x, keys_values, attention_mask):
        """
        Args:
            x: tensor (batch, length, embed_dim).
            keys_values: what keys_values() returned for the source.
            attention_mask: bool (batch, 1, keys), True may be looked at.
        """
        query = split_heads(self.query_proj(x), self.num_heads)
        y, _ = attention(query, *keys_values, attention_mask[:, None])
        return self.out_proj(join_heads(y))


@keras.saving.register_keras_serializable("course")
class CrossDecoderBlock(DecoderBlock):
    """A DecoderBlock that looks at a source between its two parts, "Attention
    Is All You Need", section 3.1, normalised first.

    Input and output: (batch, length, embed_dim).
    """

    def __init__(self, num_heads, intermediate_dim, dropout=0.0, **kwargs):
        """
        Args:
            num_heads: number of attention heads.
            intermediate_dim: size inside the feed-forward network.
            dropout: share of each part's output that is set to 0 in training.
        """
        super().__init__(num_heads, intermediate_dim, dropout, **kwargs)
        self.cross_attention = CrossAttention(num_heads)
        self.cross_norm = layers.LayerNormalization()

    def build(self, shape):
        super().build(shape)
        self.cross_attention.build(shape)

    def call(self, x, memory, attention_mask, training=None):
        """
        Args:
            x: tensor (batch, length, embed_dim).
            memory: the encoded source, (batch, keys, embed_dim).
            attention_mask: bool (batch, 1, keys), True may be looked at.
            training: whether dropout acts.
        """
        y = self.attention(self.norms[0](x))
        x = x + self.dropout(y, training=training)
        known = self.cross_attention.keys_values(memory)
        y = self.cross_attention(self.cross_norm(x), known, attention_mask)
        x = x + self.dropout(y, training=training)
        y = self.feed_forward(self.norms[1](x))
        return x + self.dropout(y, training=training)

    def step(self, x, cache, position, known, attention_mask):
        """One token of each text, as CausalSelfAttention.step takes it; known
        is what keys_values() returned for the source."""
        y, cache = self.attention.step(self.norms[0](x), cache, position)
        x = x + y
        x = x + self.cross_attention(self.cross_norm(x), known, attention_mask)
        return x + self.feed_forward(self.norms[1](x)), cache


def source_encoder(vocabulary_size, max_length, embed_dim, num_layers,
                   num_heads, dropout):
    """Ids of a source → a vector for each of its tokens.

    Args: as those of Translator.

    Returns:
        keras.Model from int ids (batch, length), padded with 0, to (batch,
        length, embed_dim).
    """
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(vocabulary_size, embed_dim)(ids)
    x = layers.Dropout(dropout)(LearnedPositions(max_length)(x))
    for _ in range(num_layers):
        x = encoder_block(x, padding_mask(ids), num_heads,
                          head_size(embed_dim, num_heads), 4 * embed_dim,
                          dropout)
    return keras.Model(ids, layers.LayerNormalization()(x))


@keras.saving.register_keras_serializable("course")
class Translator(keras.Model):
    """An encoder that reads one text and a decoder that writes another.

    Vaswani et al., "Attention Is All You Need", 2017, with normalisation
    first and learned positions.
    """

    def __init__(self, source_vocabulary_size, target_vocabulary_size,
                 max_length, embed_dim, num_layers, num_heads, dropout=0.0,
                 **kwargs):
        """
        Args:
            source_vocabulary_size: number of ids of the texts it reads.
            target_vocabulary_size: number of ids of the texts it writes.
            max_length: number of positions that have a vector, on each side.
            embed_dim: size of a token's vector, a multiple of num_heads.
            num_layers: number of blocks on each side.
            num_heads: attention heads in each block.
            dropout: share of each part's output that is set to 0 in training.
        """
        super().__init__(**kwargs)
        self.sizes = {"source_vocabulary_size": source_vocabulary_size,
                      "target_vocabulary_size": target_vocabulary_size,
                      "max_length": max_length, "embed_dim": embed_dim,
                      "num_layers": num_layers, "num_heads": num_heads,
                      "dropout": dropout}
        self.encoder = source_encoder(source_vocabulary_size, max_length,
                                      embed_dim, num_layers, num_heads,
                                      dropout)
        self.tokens = layers.Embedding(target_vocabulary_size, embed_dim)
        self.positions = LearnedPositions(max_length)
        self.dropout = layers.Dropout(dropout)
        self.blocks = [CrossDecoderBlock(num_heads, 4 * embed_dim, dropout)
                       for _ in range(num_layers)]
        self.norm = layers.LayerNormalization()
        self.logits = layers.Dense(target_vocabulary_size)

    def get_config(self):
        return super().get_config() | self.sizes

    def compute_output_shape(self, shapes):
        return (*shapes[1], self.logits.units)

    def call(self, inputs, training=None):
        """
        Args:
            inputs: source ids (batch, keys) and target ids (batch, length),
                padded with 0.
            training: whether dropout acts, as in GPT.

        Returns:
            Logits of the next target token, float32 (batch, length,
            target_vocabulary_size).
        """
        source, target = inputs
        mask = padding_mask(source)
        memory = self.encoder(source, training=training)
        x = self.positions(self.tokens(target))
        x = self.dropout(x, training=training)
        for block in self.blocks:
            x = block(x, memory, mask, training=training)
        return ops.cast(self.logits(self.norm(x)), "float32")

    def start_cache(self, source, length):
        """What every step needs of the source, and room for the target.

        Args:
            source: int tensor (batch, keys), padded with 0.
            length: number of target tokens, at most max_length.

        Returns:
            Nested tuple of tensors whose first axis is the batch.

        Raises:
            ValueError: the model has not so many positions.
        """
        if length > self.positions.max_length:
            raise ValueError(f"{length} tokens cannot be written: the model "
                             f"has {self.positions.max_length} positions")
        memory = self.encoder(source)
        return (padding_mask(source),
                tuple(block.cross_attention.keys_values(memory)
                      for block in self.blocks),
                tuple(block.attention.empty_cache(source.shape[0], length)
                      for block in self.blocks))

    def step(self, ids, cache, position):
        """One target token of each text.

        Args:
            ids: int tensor (batch,), the tokens at position.
            cache: what start_cache or the step before returned.
            position: int or scalar int tensor, counted from 0.

        Returns:
            Logits of the next token, float32 (batch,
            target_vocabulary_size), and the cache with this token.
        """
        mask, sources, targets = cache
        vector = self.positions.table[position]            # (embed_dim,)
        x = self.tokens(ids[:, None])
        x = x + ops.cast(vector, x.dtype)
        kept = []
        for block, source, target in zip(self.blocks, sources, targets):
            x, target = block.step(x, target, position, source, mask)
            kept.append(target)
        logits = ops.cast(self.logits(self.norm(x[:, 0])), "float32")
        return logits, (mask, sources, tuple(kept))


def translation_ids(translations, vocabulary, subwords):
    """Every pair twice: Chinese to English, then English to Chinese.

    Args:
        translations: lib.datasets.Translations of n pairs.
        vocabulary: lib.text.Vocabulary of characters, pieces and LANGUAGES.
        subwords: function from English to its pieces.

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
    (Szegedy et al., 2016).

    Args:
        targets: int tensor (batch, length), padded with 0.
        logits: float tensor (batch, length, vocabulary).

    Returns:
        The mean of all tokens that are no padding, a scalar; 0 without any.
    """
    logs = ops.log_softmax(logits, axis=-1)
    targets = ops.cast(targets, "int32")
    right = ops.take_along_axis(logs, targets[..., None], axis=-1)[..., 0]
    losses = -0.9 * right - 0.1 * ops.mean(logs, axis=-1)
    real = ops.cast(targets != PADDING_ID, losses.dtype)
    return ops.sum(losses * real) / ops.maximum(ops.sum(real), 1.0)


def translator():
    """Chapter 07's Translator for both directions, and its training."""
    train = datasets.translations("train")
    held_out = len(train.chinese) // 12  # the first texts, for validation
    fit = datasets.Translations(*(part[held_out:] for part in train))
    merges = learn_merges(fit.english, 1000)
    subwords = Subwords(merges)
    vocabulary = Vocabulary.from_texts(
        [*map(characters, fit.chinese), *map(subwords, fit.english)],
        reserved_tokens=["<end>", *LANGUAGES])
    sources, targets = translation_ids(fit, vocabulary, subwords)
    sizes = np.maximum((sources != PADDING_ID).sum(axis=1),
                       (targets != PADDING_ID).sum(axis=1) - 1)
    buckets = LengthBuckets(sizes, TRANSLATION_BUCKETS)

    def batch(step):
        rng = np.random.default_rng([SEED, step])
        length, rows = buckets.draw(rng, TRANSLATION_TOKENS)
        source = sources[rows, :length]
        # One token in ten is hidden: an unknown one is then nothing new.
        hidden = (rng.random(source.shape) < 0.1) & (source != PADDING_ID)
        target = targets[rows, :length + 1]
        return ((np.where(hidden, UNKNOWN_ID, source), target[:, :-1]),
                target[:, 1:])

    steps = 6000
    model = Translator(len(vocabulary), len(vocabulary), TRANSLATION_LENGTH,
                       embed_dim=160, num_layers=2, num_heads=4, dropout=0.3)
    model((sources[:1], targets[:1, :-1]))
    model.compile(adamw(warmup_cosine(steps, 200, peak=2e-3, last=0.01),
                        weight_decay=0.01, beta_2=0.98),
                  smoothed_cross_entropy)
    return Training(model, batch, steps, fit.chinese + fit.english,
                    model.sizes, {"tokens": vocabulary}, merges, held_out)
