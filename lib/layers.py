"""The Transformer's layers, on keras.ops only, so that they run on every
backend.

Chapters 04 to 07 build them step by step. The encoder's attention is Keras'
own MultiHeadAttention, which chapter 04 takes apart; the decoders have their
own, since they keep keys and values between two calls.
"""

import keras
import numpy as np
from keras import layers, ops


def padding_mask(ids):
    """Which positions hold a token, as MultiHeadAttention wants to hear it.

    Args:
        ids: int tensor (batch, length), padded with 0.

    Returns:
        bool tensor (batch, 1, length): True where any query may look.
    """
    return (ids != 0)[:, None, :]


def causal_mask(length):
    """Each query may look at itself and back.

    Returns:
        bool array (1, length, length): row query, column key.
    """
    return np.tril(np.ones((1, length, length), dtype=bool))


def attention(query, key, value, mask=None):
    """Scaled dot-product attention, "Attention Is All You Need", equation 1.

    Args:
        query: tensor (batch, queries, key_dim).
        key: tensor (batch, keys, key_dim).
        value: tensor (batch, keys, value_dim).
        mask: bool, (batch or 1, queries or 1, keys or 1): True may be looked
            at. Any of the four may have an axis of heads after the batch.

    Returns:
        The averages of the values, (batch, queries, value_dim), and the
        weights, (batch, queries, keys).
    """
    scores = query @ ops.swapaxes(key, -1, -2)  # (batch, queries, keys)
    scores = scores / key.shape[-1] ** 0.5
    if mask is not None:
        scores = ops.where(mask, scores, -1e9)
    weights = ops.softmax(scores, axis=-1)
    return weights @ value, weights


def split_heads(x, num_heads):
    """(batch, length, width) to (batch, num_heads, length, key_dim), where
    key_dim is width / num_heads."""
    _, length, width = x.shape
    x = ops.reshape(x, (-1, length, num_heads, width // num_heads))
    return ops.swapaxes(x, 1, 2)


def join_heads(x):
    """(batch, num_heads, length, key_dim) to (batch, length, width)."""
    _, num_heads, length, key_dim = x.shape
    return ops.reshape(ops.swapaxes(x, 1, 2),
                       (-1, length, num_heads * key_dim))


def sinusoidal_encoding(length, width):
    """The fixed position vectors of "Attention Is All You Need", section 3.5.

    Column 2i holds the sine of p / 10000^(2i / width) at position p, column
    2i + 1 the cosine of the same angle.

    Args:
        length: number of positions, int or scalar int tensor.
        width: size of a vector, an even int.

    Returns:
        float32 tensor of shape (length, width).

    Raises:
        ValueError: width is odd, so that a sine would lack its cosine.
    """
    if width % 2:
        raise ValueError(f"width must be even, not {width}")
    frequencies = 10000.0 ** (-np.arange(0, width, 2) / width)  # (width/2,)
    positions = ops.arange(length, dtype="float32")[:, None]    # (length, 1)
    frequencies = ops.convert_to_tensor(frequencies, "float32")
    angles = positions * frequencies                     # (length, width/2)
    pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
    return ops.reshape(pairs, (-1, width))                # (length, width)


@keras.saving.register_keras_serializable("course")
class SinusoidalPositions(layers.Layer):
    """Add sinusoidal_encoding to the vectors of a text of any length.

    Input and output: (batch, length, width), width even.
    """

    def call(self, x):
        positions = sinusoidal_encoding(ops.shape(x)[1], x.shape[2])
        return x + ops.cast(positions, x.dtype)


@keras.saving.register_keras_serializable("course")
class LearnedPositions(layers.Layer):
    """Add a trained vector for each position, up to max_length.

    Input and output: (batch, length, width) with length <= max_length.
    """

    def __init__(self, max_length, **options):
        """
        Args:
            max_length: number of positions that have a vector.
        """
        super().__init__(**options)
        self.max_length = max_length

    def build(self, shape):
        self.table = self.add_weight(shape=(self.max_length, shape[-1]),
                                     initializer="random_normal",
                                     name="table")

    def compute_output_shape(self, shape):
        return shape

    def call(self, x):
        length = x.shape[1]
        if length is not None and length > self.max_length:
            raise ValueError(f"{length} positions, but vectors for "
                             f"{self.max_length}: cut the text or raise "
                             "max_length")
        return x + self.table[:ops.shape(x)[1]]


def encoder_block(x, attention_mask, num_heads, key_dim, hidden_width,
                  dropout=0.0, norm_first=True):
    """Self-attention, then a feed-forward network, each with its residual.

    "Attention Is All You Need", section 3.1, normalises each sum; with
    norm_first the input of each part is normalised instead (Xiong et al.,
    "On Layer Normalization in the Transformer Architecture", 2020).

    Args:
        x: symbolic tensor (batch, length, width) of a model that is being
            built.
        attention_mask: symbolic bool tensor (batch, length or 1, length):
            True where the query in a row may look at the key in a column.
            It is an argument because the mask that an Embedding attaches may
            get lost: MultiHeadAttention takes it off its input, and a
            post-norm residual then has none.
        num_heads: number of attention heads.
        key_dim: width of one head, commonly width // num_heads.
        hidden_width: size inside the feed-forward network.
        dropout: share of each part's output that is blanked in training.
        norm_first: normalise each part's input, not each sum.

    Returns:
        Symbolic tensor (batch, length, width).
    """
    def attend(x):
        attention = layers.MultiHeadAttention(num_heads, key_dim)
        return attention(x, x, attention_mask=attention_mask)

    def feed_forward(x):
        hidden = layers.Dense(hidden_width, activation="relu")(x)
        return layers.Dense(x.shape[-1])(hidden)

    for part in (attend, feed_forward):
        if norm_first:
            y = part(layers.LayerNormalization()(x))
            x = layers.Add()([x, layers.Dropout(dropout)(y)])
        else:
            y = layers.Dropout(dropout)(part(x))
            x = layers.LayerNormalization()(layers.Add()([x, y]))
    return x


@keras.saving.register_keras_serializable("course")
class CausalSelfAttention(layers.Layer):
    """Multi-head attention of each token to itself and those before it.

    Input and output: (batch, length, width), width divisible by num_heads.
    """

    def __init__(self, num_heads, **options):
        """
        Args:
            num_heads: number of attention heads.
        """
        super().__init__(**options)
        self.num_heads = num_heads

    def build(self, shape):
        self.into_heads = layers.Dense(3 * shape[-1])
        self.into_heads.build(shape)
        self.out_of_heads = layers.Dense(shape[-1])
        self.out_of_heads.build(shape)

    def heads(self, x):
        """Query, key, value, each (batch, num_heads, length, key_dim)."""
        return [split_heads(part, self.num_heads)
                for part in ops.split(self.into_heads(x), 3, axis=-1)]

    def call(self, x):
        y, _ = attention(*self.heads(x), causal_mask(x.shape[1]))
        return self.out_of_heads(join_heads(y))

    def empty_cache(self, batch_size, length):
        """Room for the keys and the values of that many tokens: two tensors
        (batch_size, num_heads, length, key_dim)."""
        key_dim = self.out_of_heads.units // self.num_heads
        shape = (batch_size, self.num_heads, length, key_dim)
        return (ops.zeros(shape, self.compute_dtype),
                ops.zeros(shape, self.compute_dtype))

    def step(self, x, cache, position):
        """One token of each text; what it needs of the others is kept.

        Args:
            x: tensor (batch, 1, width), the token at position.
            cache: keys and values of the tokens before it, each
                (batch, num_heads, length, key_dim).
            position: int or scalar int tensor, counted from 0.

        Returns:
            Tensor (batch, 1, width), and the cache with this token.
        """
        query, key, value = self.heads(x)     # (batch, heads, 1, key_dim)
        keys = ops.slice_update(cache[0], (0, 0, position, 0), key)
        values = ops.slice_update(cache[1], (0, 0, position, 0), value)
        known = ops.arange(keys.shape[2]) <= position         # (length,)
        y, _ = attention(query, keys, values, known)
        return self.out_of_heads(join_heads(y)), (keys, values)


@keras.saving.register_keras_serializable("course")
class DecoderBlock(layers.Layer):
    """Causal self-attention, then a feed-forward network, each normalised
    first and with its residual: the block of GPT-2 (Radford et al., 2019).

    Input and output: (batch, length, width).
    """

    def __init__(self, num_heads, hidden_width, dropout=0.0, **options):
        """
        Args:
            num_heads: number of attention heads.
            hidden_width: size inside the feed-forward network.
            dropout: share of each part's output that is blanked in training.
        """
        super().__init__(**options)
        self.hidden_width = hidden_width
        self.attention = CausalSelfAttention(num_heads)
        self.norms = [layers.LayerNormalization() for _ in range(2)]
        self.dropout = layers.Dropout(dropout)

    def build(self, shape):
        width = shape[-1]
        self.feed_forward = keras.Sequential([
            keras.Input((None, width)),
            layers.Dense(self.hidden_width, activation="gelu"),
            layers.Dense(width)])

    def call(self, x):
        x = x + self.dropout(self.attention(self.norms[0](x)))
        return x + self.dropout(self.feed_forward(self.norms[1](x)))

    def step(self, x, cache, position):
        """One token of each text, as CausalSelfAttention.step takes it."""
        y, cache = self.attention.step(self.norms[0](x), cache, position)
        x = x + y
        return x + self.feed_forward(self.norms[1](x)), cache


@keras.saving.register_keras_serializable("course")
class CrossAttention(layers.Layer):
    """Multi-head attention of one text's tokens to another text's.

    Input and output: (batch, length, width), width divisible by num_heads.
    """

    def __init__(self, num_heads, **options):
        """
        Args:
            num_heads: number of attention heads.
        """
        super().__init__(**options)
        self.num_heads = num_heads

    def build(self, shape):
        width = shape[-1]
        self.query, self.key, self.value, self.out_of_heads = (
            layers.Dense(width) for _ in range(4))
        for dense in (self.query, self.key, self.value, self.out_of_heads):
            dense.build(shape)

    def keys_values(self, memory):
        """What may be computed once for a source and kept.

        Args:
            memory: the encoded source, (batch, keys, width).

        Returns:
            Keys and values, each (batch, num_heads, keys, key_dim).
        """
        return tuple(split_heads(dense(memory), self.num_heads)
                     for dense in (self.key, self.value))

    def call(self, x, keys_values, attention_mask):
        """
        Args:
            x: tensor (batch, length, width).
            keys_values: what keys_values() returned for the source.
            attention_mask: bool (batch, 1, keys), True may be looked at.
        """
        query = split_heads(self.query(x), self.num_heads)
        y, _ = attention(query, *keys_values, attention_mask[:, None])
        return self.out_of_heads(join_heads(y))


@keras.saving.register_keras_serializable("course")
class CrossDecoderBlock(DecoderBlock):
    """A DecoderBlock that looks at a source between its two parts, "Attention
    Is All You Need", section 3.1, normalised first.

    Input and output: (batch, length, width).
    """

    def __init__(self, num_heads, hidden_width, dropout=0.0, **options):
        """
        Args:
            num_heads: number of attention heads.
            hidden_width: size inside the feed-forward network.
            dropout: share of each part's output that is blanked in training.
        """
        super().__init__(num_heads, hidden_width, dropout, **options)
        self.cross_attention = CrossAttention(num_heads)
        self.cross_norm = layers.LayerNormalization()

    def build(self, shape):
        super().build(shape)
        self.cross_attention.build(shape)

    def call(self, x, memory, attention_mask):
        """
        Args:
            x: tensor (batch, length, width).
            memory: the encoded source, (batch, keys, width).
            attention_mask: bool (batch, 1, keys), True may be looked at.
        """
        known = self.cross_attention.keys_values(memory)
        x = x + self.dropout(self.attention(self.norms[0](x)))
        x = x + self.dropout(self.cross_attention(self.cross_norm(x), known,
                                                  attention_mask))
        return x + self.dropout(self.feed_forward(self.norms[1](x)))

    def step(self, x, cache, position, keys_values, attention_mask):
        """One token of each text, as CausalSelfAttention.step takes it."""
        y, cache = self.attention.step(self.norms[0](x), cache, position)
        x = x + y
        x = x + self.cross_attention(self.cross_norm(x), keys_values,
                                     attention_mask)
        return x + self.feed_forward(self.norms[1](x)), cache
