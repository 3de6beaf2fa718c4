"""The models that a later chapter, a tool or a benchmark builds again.

Chapter 01 builds the baseline, chapters 06 to 08 the others, step by step
from the parts in lib.layers.
"""

import keras
from keras import layers, ops
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from lib.layers import (
    CrossDecoderBlock,
    DecoderBlock,
    LearnedPositions,
    encoder_block,
    padding_mask,
)

# For jit_compile: JAX runs one operation after the other without XLA;
# TensorFlow makes a graph anyway, for all shapes at once, and starts sooner.
XLA = keras.backend.backend() == "jax"


def tfidf_classifier():
    """The baseline of the reviews: counts of one to three characters, weighed
    by how rare they are, and logistic regression.

    Returns:
        scikit-learn Pipeline from texts to labels; it is not fitted yet.
    """
    return make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2,
                        sublinear_tf=True),
        LogisticRegression(C=5, solver="liblinear"))


@keras.saving.register_keras_serializable("course")
class GPT(keras.Model):
    """A decoder-only Transformer: what may come next, at every position.

    Radford et al., "Language Models are Unsupervised Multitask Learners",
    2019. The vectors of the tokens serve twice, at the input and to score the
    output (Press and Wolf, 2017).
    """

    def __init__(self, vocabulary_size, max_length, width, num_layers,
                 num_heads, dropout=0.0, **options):
        """
        Args:
            vocabulary_size: number of ids.
            max_length: number of positions that have a vector.
            width: size of a token's vector, divisible by num_heads.
            num_layers: number of blocks.
            num_heads: attention heads in each block.
            dropout: share of each part's output that is blanked in training.
        """
        super().__init__(**options)
        self.tokens = layers.Embedding(vocabulary_size, width)
        self.positions = LearnedPositions(max_length)
        self.dropout = layers.Dropout(dropout)
        self.blocks = [DecoderBlock(num_heads, 4 * width, dropout)
                       for _ in range(num_layers)]
        self.norm = layers.LayerNormalization()

    def call(self, ids):
        """
        Args:
            ids: int tensor (batch, length), length <= max_length.

        Returns:
            Logits of the next token, float32 (batch, length,
            vocabulary_size).
        """
        x = self.dropout(self.positions(self.tokens(ids)))
        for block in self.blocks:
            x = block(x)
        return self.scores(x)

    def scores(self, x):
        """How well each token's vector fits: (…, width) to logits."""
        vectors = ops.transpose(self.tokens.embeddings)
        x = self.norm(x)
        return ops.cast(x @ ops.cast(vectors, x.dtype), "float32")

    def empty_cache(self, batch_size, length):
        """Room for the keys and values of every block.

        Returns:
            Tuple of a pair for each block, each tensor of zeros (batch_size,
            num_heads, length, key_dim).
        """
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
        x = self.tokens(ids[:, None]) + self.positions.table[position]
        kept = []
        for block, part in zip(self.blocks, cache):
            x, part = block.step(x, part, position)
            kept.append(part)
        return self.scores(x[:, 0]), tuple(kept)


@keras.saving.register_keras_serializable("course")
class Translator(keras.Model):
    """An encoder that reads one text and a decoder that writes another.

    Vaswani et al., "Attention Is All You Need", 2017, with normalisation
    first and learned positions.
    """

    def __init__(self, source_vocabulary_size, target_vocabulary_size,
                 max_length, width, num_layers, num_heads, dropout=0.0,
                 **options):
        """
        Args:
            source_vocabulary_size: number of ids of the texts it reads.
            target_vocabulary_size: number of ids of the texts it writes.
            max_length: number of positions that have a vector, on each side.
            width: size of a token's vector, divisible by num_heads.
            num_layers: number of blocks on each side.
            num_heads: attention heads in each block.
            dropout: share of each part's output that is blanked in training.
        """
        super().__init__(**options)
        ids = keras.Input((None,), dtype="int32")
        x = layers.Embedding(source_vocabulary_size, width)(ids)
        x = layers.Dropout(dropout)(LearnedPositions(max_length)(x))
        for _ in range(num_layers):
            x = encoder_block(x, padding_mask(ids), num_heads,
                              width // num_heads, 4 * width, dropout)
        self.encoder = keras.Model(ids, layers.LayerNormalization()(x))
        self.tokens = layers.Embedding(target_vocabulary_size, width)
        self.positions = LearnedPositions(max_length)
        self.dropout = layers.Dropout(dropout)
        self.blocks = [CrossDecoderBlock(num_heads, 4 * width, dropout)
                       for _ in range(num_layers)]
        self.norm = layers.LayerNormalization()
        self.scores = layers.Dense(target_vocabulary_size)

    def call(self, inputs):
        """
        Args:
            inputs: source ids (batch, keys) and target ids (batch, length),
                padded with 0.

        Returns:
            Logits of the next target token, float32 (batch, length,
            target_vocabulary_size).
        """
        source, target = inputs
        memory, mask = self.encoder(source), padding_mask(source)
        x = self.dropout(self.positions(self.tokens(target)))
        for block in self.blocks:
            x = block(x, memory, mask)
        return ops.cast(self.scores(self.norm(x)), "float32")

    def start_cache(self, source, length):
        """What every step needs of the source, and room for the target.

        Args:
            source: int tensor (batch, keys), padded with 0.
            length: number of target tokens, at most max_length.

        Returns:
            Nested tuple of tensors whose first axis is the batch.
        """
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
        x = self.tokens(ids[:, None]) + self.positions.table[position]
        kept = []
        for block, source, target in zip(self.blocks, sources, targets):
            x, target = block.step(x, target, position, source, mask)
            kept.append(target)
        logits = ops.cast(self.scores(self.norm(x[:, 0])), "float32")
        return logits, (mask, sources, tuple(kept))


def text_encoder(vocabulary_size, pair_count, max_length, width, num_layers,
                 num_heads, hidden_width, dropout=0.0, input_dropout=0.0):
    """Ids of characters and of pairs → a vector for each position.

    Args:
        vocabulary_size, pair_count: number of ids of each kind.
        max_length: number of positions that have a vector.
        width: size of a vector, divisible by num_heads.
        num_layers: number of blocks.
        num_heads: attention heads in each block.
        hidden_width: size inside the feed-forward networks.
        dropout: share of each part's output that is blanked in training.
        input_dropout: share of the columns that is blanked, for a whole text.

    Returns:
        keras.Model from two int inputs (batch, length), padded with 0, to
        (batch, length, width).
    """
    ids = keras.Input((None,), dtype="int32")
    pair_ids = keras.Input((None,), dtype="int32")
    x = layers.Add()([
        layers.Embedding(vocabulary_size, width, name="characters")(ids),
        layers.Embedding(pair_count, width, name="pairs")(pair_ids)])
    x = LearnedPositions(max_length)(x)                # (batch, length, width)
    x = layers.SpatialDropout1D(input_dropout)(x)
    for _ in range(num_layers):
        x = encoder_block(x, padding_mask(ids), num_heads, width // num_heads,
                          hidden_width, dropout)
    return keras.Model([ids, pair_ids], layers.LayerNormalization()(x))


def pooled(x, real):
    """Mean and maximum over a text's positions.

    Args:
        x: tensor (batch, length, width).
        real: bool (batch, length), False where a text is padded.

    Returns:
        Tensor (batch, 2 * width).
    """
    real = real[:, :, None]
    total = ops.sum(ops.where(real, x, 0.0), axis=1)
    count = ops.sum(ops.cast(real, x.dtype), axis=1)
    highest = ops.max(ops.where(real, x, -1e4), axis=1)
    return ops.concatenate([total / ops.maximum(count, 1), highest], axis=-1)


@keras.saving.register_keras_serializable("course")
class MaskedLanguageModel(keras.Model):
    """An encoder with two heads: which character stood here, and which pairs
    stand in the part of the text that is not shown?

    The first asks single positions (Devlin et al., "BERT", 2018), the second
    the pooled vector of the whole text, which a classifier will see. The
    vectors of the input serve again to score the answers, as in GPT.
    """

    def __init__(self, encoder, **options):
        """
        Args:
            encoder: what text_encoder returned.
        """
        super().__init__(**options)
        width = encoder.output.shape[-1]
        self.encoder = encoder
        self.heads = [keras.Sequential([layers.Dense(width, "gelu"),
                                        layers.LayerNormalization()])
                      for _ in range(2)]

    def call(self, inputs):
        """
        Args:
            inputs: ids and pairs (batch, length), and the positions that are
                asked for (batch, count).

        Returns:
            Logits of the characters, float32 (batch, count, characters), and
            of the pairs, float32 (batch, pairs).
        """
        ids, pair_ids, places = inputs
        x = self.encoder([ids, pair_ids])              # (batch, length, width)
        asked = ops.take_along_axis(x, places[:, :, None], axis=1)
        return (self.scores(self.heads[0](asked), "characters"),
                self.scores(self.heads[1](pooled(x, ids != 0)), "pairs"))

    def scores(self, x, name):
        """How well each vector of the input fits: (…, width) to logits."""
        vectors = ops.transpose(self.encoder.get_layer(name).embeddings)
        return ops.cast(ops.matmul(x, ops.cast(vectors, x.dtype)), "float32")


def classifier(encoder, dropout=0.0):
    """An encoder with a head for one yes-or-no question about a text.

    Args:
        encoder: what text_encoder returned; its weights are shared.
        dropout: share of what the head sees that is blanked in training.

    Returns:
        keras.Model with the encoder's inputs and one logit (batch, 1).
    """
    x = pooled(encoder(encoder.inputs), encoder.inputs[0] != 0)
    x = layers.Dropout(dropout)(x)
    # A head of zeros does not shake a trained encoder with random gradients,
    # and all fine-tunings of one encoder then have one start.
    head = layers.Dense(1, kernel_initializer="zeros")
    return keras.Model(encoder.inputs, head(x))
