"""The Transformer's layers, on keras.ops only, so that they run on every
backend.

Chapters 04 to 06 build them step by step. The encoder's attention is Keras'
own MultiHeadAttention, which chapter 04 takes apart; the decoders have their
own, since they keep keys and values between two calls.
"""

import math
import warnings

import keras
import numpy as np
from keras import layers, ops

# Keras takes it for a mistake; to attend to a text of one token is none.
warnings.filterwarnings("ignore", "You are using a softmax over axis")


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

    Args:
        length: number of positions, int or scalar int tensor.

    Returns:
        bool tensor (1, length, length): row query, column key.
    """
    positions = ops.arange(length)
    return (positions[:, None] >= positions)[None]


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
        attention weights, (batch, queries, keys). A query that may look at
        nothing has the same weight for every key.
    """
    scores = query @ ops.swapaxes(key, -1, -2)  # (batch, queries, keys)
    scores = scores / key.shape[-1] ** 0.5
    if mask is not None:
        scores = ops.where(mask, scores, lowest_score(scores.dtype))
    weights = ops.softmax(scores, axis=-1)
    return weights @ value, weights


def lowest_score(dtype):
    """The score of a masked key, low enough for an attention weight of 0.

    It must be finite, or a query that may look at nothing has NaN for its
    weights; and the lowest number of float16 is -65,504.
    """
    short = keras.backend.standardize_dtype(dtype) == "float16"
    return -3e4 if short else -1e9


def head_size(embed_dim, num_heads):
    """The key_dim of each head, embed_dim / num_heads, an int.

    Raises:
        ValueError: the heads cannot share embed_dim evenly.
    """
    if embed_dim % num_heads:
        raise ValueError(f"{num_heads} heads cannot share an embedding "
                         f"dimension of {embed_dim}: choose a multiple of "
                         f"{num_heads}")
    return embed_dim // num_heads


def split_heads(x, num_heads):
    """(batch, length, embed_dim) to (batch, num_heads, length, key_dim), where
    key_dim is embed_dim / num_heads."""
    key_dim = head_size(x.shape[-1], num_heads)
    x = ops.reshape(x, (-1, ops.shape(x)[1], num_heads, key_dim))
    return ops.swapaxes(x, 1, 2)


def join_heads(x):
    """(batch, num_heads, length, key_dim) to (batch, length, embed_dim)."""
    _, num_heads, _, key_dim = x.shape
    x = ops.swapaxes(x, 1, 2)
    return ops.reshape(x, (-1, ops.shape(x)[1], num_heads * key_dim))


def sinusoidal_encoding(length, embed_dim):
    """The fixed position vectors of "Attention Is All You Need", section 3.5.

    At position p column 2i holds the sine of p / 10000^(2i / embed_dim),
    column 2i + 1 the cosine of the same angle.

    Args:
        length: number of positions, int or scalar int tensor.
        embed_dim: size of a vector, an even int.

    Returns:
        float32 tensor of shape (length, embed_dim).

    Raises:
        ValueError: embed_dim is odd, so that a sine would lack its cosine.
    """
    if embed_dim % 2:
        raise ValueError(f"embed_dim must be even, not {embed_dim}")
    columns = np.arange(0, embed_dim, 2)              # (embed_dim / 2,)
    frequencies = ops.convert_to_tensor(10000.0 ** (-columns / embed_dim),
                                        "float32")
    positions = ops.arange(length, dtype="float32")
    angles = positions[:, None] * frequencies         # (length, embed_dim / 2)
    pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
    return ops.reshape(pairs, (-1, embed_dim))        # (length, embed_dim)


@keras.saving.register_keras_serializable("course")
class SinusoidalPositions(layers.Layer):
    """Add sinusoidal_encoding to the vectors of a text of any length.

    Input and output: (batch, length, embed_dim), embed_dim even.
    """

    def call(self, x):
        positions = sinusoidal_encoding(ops.shape(x)[1], x.shape[2])
        return x + ops.cast(positions, x.dtype)


@keras.saving.register_keras_serializable("course")
class LearnedPositions(layers.Layer):
    """Add a trained vector for each position, up to max_length.

    Input and output: (batch, length, embed_dim) with length <= max_length.
    """

    def __init__(self, max_length, **kwargs):
        """
        Args:
            max_length: number of positions that have a vector.
        """
        super().__init__(**kwargs)
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


def encoder_block(x, attention_mask, num_heads, key_dim, intermediate_dim,
                  dropout=0.0, norm_first=True):
    """Self-attention, then a feed-forward network, each with its residual.

    "Attention Is All You Need", section 3.1, normalises each sum; with
    norm_first the input of each part is normalised instead (Xiong et al.,
    "On Layer Normalization in the Transformer Architecture", 2020).

    Args:
        x: symbolic tensor (batch, length, embed_dim) of a model that is being
            built.
        attention_mask: symbolic bool tensor (batch, length or 1, length):
            True where the query in a row may look at the key in a column.
            It is an argument because the mask that an Embedding attaches may
            get lost: MultiHeadAttention takes it off its input, and a
            post-norm residual then has none.
        num_heads: number of attention heads.
        key_dim: size of one head, commonly head_size(embed_dim, num_heads).
        intermediate_dim: size inside the feed-forward network.
        dropout: share of each part's output that is set to 0 in training.
        norm_first: normalise each part's input, not each sum.

    Returns:
        Symbolic tensor (batch, length, embed_dim).
    """
    # Keras' own default, which Keras before 3.15 computes another way.
    limit = math.sqrt(6 / (x.shape[-1] + num_heads * key_dim))
    glorot = keras.initializers.RandomUniform(-limit, limit)

    def attend(x):
        attention = layers.MultiHeadAttention(num_heads, key_dim,
                                              kernel_initializer=glorot)
        return attention(x, x, attention_mask=attention_mask)

    def feed_forward(x):
        hidden = layers.Dense(intermediate_dim, activation="relu")(x)
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
        self.qkv_proj = layers.Dense(3 * shape[-1])
        self.qkv_proj.build(shape)
        self.out_proj = layers.Dense(shape[-1])
        self.out_proj.build(shape)

    def heads(self, x):
        """Query, key, value, each (batch, num_heads, length, key_dim)."""
        return [split_heads(part, self.num_heads)
                for part in ops.split(self.qkv_proj(x), 3, axis=-1)]

    def call(self, x):
        y, _ = attention(*self.heads(x), causal_mask(ops.shape(x)[1]))
        return self.out_proj(join_heads(y))

    def empty_cache(self, batch_size, length):
        """Room for the keys and the values of that many tokens: two tensors
        (batch_size, num_heads, length, key_dim)."""
        key_dim = head_size(self.out_proj.units, self.num_heads)
        shape = (batch_size, self.num_heads, length, key_dim)
        return (ops.zeros(shape, self.compute_dtype),
                ops.zeros(shape, self.compute_dtype))

    def step(self, x, cache, position):
        """One token of each text; what it needs of the others is kept.

        Args:
            x: tensor (batch, 1, embed_dim), the token at position.
            cache: keys and values of the tokens before it, each
                (batch, num_heads, length, key_dim).
            position: int or scalar int tensor, counted from 0.

        Returns:
            Tensor (batch, 1, embed_dim), and the cache with this token.
        """
        query, key, value = self.heads(x)     # (batch, heads, 1, key_dim)
        keys = ops.slice_update(cache[0], (0, 0, position, 0), key)
        values = ops.slice_update(cache[1], (0, 0, position, 0), value)
        known = ops.arange(keys.shape[2]) <= position         # (length,)
        y, _ = attention(query, keys, values, known)
        return self.out_proj(join_heads(y)), (keys, values)


@keras.saving.register_keras_serializable("course")
class DecoderBlock(layers.Layer):
    """Causal self-attention, then a feed-forward network, each normalised
    first and with its residual: the block of GPT-2 (Radford et al., 2019).

    Input and output: (batch, length, embed_dim).
    """

    def __init__(self, num_heads, intermediate_dim, dropout=0.0, **kwargs):
        """
        Args:
            num_heads: number of attention heads.
            intermediate_dim: size inside the feed-forward network.
            dropout: share of each part's output that is set to 0 in training.
        """
        super().__init__(**kwargs)
        self.intermediate_dim = intermediate_dim
        self.attention = CausalSelfAttention(num_heads)
        self.norms = [layers.LayerNormalization() for _ in range(2)]
        self.dropout = layers.Dropout(dropout)

    def build(self, shape):
        embed_dim = shape[-1]
        self.feed_forward = keras.Sequential([
            keras.Input((None, embed_dim)),
            layers.Dense(self.intermediate_dim, activation="gelu"),
            layers.Dense(embed_dim)])

    def call(self, x, training=None):
        y = self.attention(self.norms[0](x))
        x = x + self.dropout(y, training=training)
        y = self.feed_forward(self.norms[1](x))
        return x + self.dropout(y, training=training)

    def step(self, x, cache, position):
        """One token of each text, as CausalSelfAttention.step takes it."""
        y, cache = self.attention.step(self.norms[0](x), cache, position)
        x = x + y
        return x + self.feed_forward(self.norms[1](x)), cache
