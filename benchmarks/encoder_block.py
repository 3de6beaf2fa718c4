"""The encoder block of chapter 05 beside KerasHub's TransformerEncoder, with
the same weights: equal outputs, and the time of a pass over a batch."""

import functools
import statistics

import keras
import keras_hub
import numpy as np

from benchmarks.timing import in_turn, ratio, timed
from lib.layers import encoder_block

BATCH, LENGTH, WIDTH, HEADS = 32, 128, 192, 6
EPSILON = 1e-3  # that of Keras' LayerNormalization; KerasHub's is 1e-5
TOLERANCE = 1e-5
REPEATS = 50  # a pass takes some ten milliseconds only


def measure():
    """Yield a row for each order of normalisation.

    Raises:
        AssertionError: the outputs differ.
    """
    keras.utils.set_random_seed(1)
    x = np.random.normal(size=(BATCH, LENGTH, WIDTH)).astype("float32")
    real = np.arange(LENGTH) < np.random.randint(20, LENGTH, (BATCH, 1))
    for norm_first in (True, False):
        yield row(norm_first, [x, real])


def row(norm_first, inputs):
    models = dict(zip(("ours", "KerasHub"), pair(norm_first)))
    passes = {name: functools.partial(model.predict_on_batch, inputs)
              for name, model in models.items()}
    np.testing.assert_allclose(*(run() for run in passes.values()), rtol=0,
                               atol=TOLERANCE)
    seconds = in_turn({name: timed(run) for name, run in passes.items()},
                      REPEATS)
    return {"norm_first": str(norm_first),
            "outputs differ by": f"less than {TOLERANCE}",
            **{f"{name}, ms": round(1e3 * statistics.median(taken), 1)
               for name, taken in seconds.items()},
            "our speed/KerasHub's": ratio(seconds["KerasHub"],
                                          seconds["ours"])}


def pair(norm_first):
    """Our block and KerasHub's, as two models of vectors (BATCH, LENGTH,
    WIDTH) and what is no padding (BATCH, LENGTH)."""
    x = keras.Input((LENGTH, WIDTH))
    real = keras.Input((LENGTH,), dtype="bool")
    ours = keras.Model([x, real], encoder_block(
        x, real[:, None, :], HEADS, WIDTH // HEADS, 4 * WIDTH,
        norm_first=norm_first))
    block = keras_hub.layers.TransformerEncoder(
        4 * WIDTH, HEADS, layer_norm_epsilon=EPSILON,
        normalize_first=norm_first)
    theirs = keras.Model([x, real], block(x, padding_mask=real))
    for weight in ours.weights:  # zeros and ones would hide a mistake
        weight.assign(np.random.normal(0, 0.1, weight.shape))
    weights = ours.get_weights()
    # Layers come in the order of their use; KerasHub has first the attention
    # (8 weights), then both normalisations, then the feed-forward network.
    if norm_first:
        weights = weights[2:10] + weights[:2] + weights[10:]
    else:
        weights = weights[:10] + weights[14:] + weights[10:14]
    block.set_weights(weights)
    return ours, theirs
