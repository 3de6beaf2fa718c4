"""The Transformer's layers, on keras.ops only, so that they run on every
backend.

Chapters 04 and 05 build them step by step. Attention itself is Keras' own
MultiHeadAttention, which chapter 04 takes apart.
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
    angles = positions * frequencies.astype("float32")   # (length, width/2)
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
