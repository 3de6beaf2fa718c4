"""Chapter 08's classifier of reviews: a pre-trained encoder, fine-tuned."""

import keras
import numpy as np
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lib import checkpoints, datasets
from lib.text import characters
from training.batches import ByLength, warmup_cosine
from training.masked_language_model import (
    MAX_LENGTH,
    MaskedLanguageModel,
    pair_lookup,
    pooled,
    text_encoder,
)

SETTINGS = {  # number of labels (None: all) → how to train with them
    100: {"epochs": 20, "batch_size": 10, "learning_rate": 1e-3},
    1000: {"epochs": 4, "batch_size": 32, "learning_rate": 1e-3},
    None: {"epochs": 4, "batch_size": 64, "learning_rate": 1e-3,
           "average": True},
}
PRETRAINED = {100: {"epochs": 10}, None: {"learning_rate": 5e-4}}


def settings(count, pretrained=True):
    """How to train with so many labels (None: all).

    A pre-trained encoder is to be changed less: fewer epochs, or a lower
    learning rate.

    Returns:
        Dict of arguments of fine_tune.
    """
    changes = PRETRAINED.get(count, {}) if pretrained else {}
    return SETTINGS[count] | changes


def sample(inputs, labels, count, seed):
    """The labelled reviews of one run: another hundred or thousand for each
    seed, from 1. (Their order is as good as random.)"""
    rows = slice(None) if count is None else slice((seed - 1) * count,
                                                   seed * count)
    return [array[rows] for array in inputs], labels[rows]


def pre_trained():
    """The checkpoint masked_language_model, and its encoder's parameters, a
    list of arrays."""
    checkpoint = checkpoints.load("masked_language_model")
    model = MaskedLanguageModel(text_encoder(**checkpoint.config))
    model([np.ones((1, 2), "int32")] * 3)
    checkpoint.restore(model)
    return checkpoint, model.encoder.get_weights()


def new_classifier(config, parameters=None):
    """A classifier to be fine-tuned.

    Args:
        config: dict of the arguments of text_encoder.
        parameters: of the encoder, a list of arrays; without them, from
            scratch.
    """
    encoder = text_encoder(**config)
    if parameters is not None:
        encoder.set_weights(parameters)
    return classifier(encoder, dropout=0.3)


def classifier(encoder, dropout=0.0):
    """An encoder with a head for one yes-or-no question about a text.

    Args:
        encoder: what text_encoder returned; its parameters are shared.
        dropout: share of the head's input that is set to 0 in training.

    Returns:
        keras.Model with the encoder's inputs and one logit (batch, 1).
    """
    x = pooled(encoder(encoder.inputs), encoder.inputs[0] != 0)
    x = layers.Dropout(dropout)(x)
    # A head of zeros does not shake a trained encoder with random gradients,
    # and all fine-tunings of one encoder then have one start.
    head = layers.Dense(1, kernel_initializer="zeros")
    return keras.Model(encoder.inputs, head(x))


def both_ends(tokens, length):
    """A list of at most length tokens: of a longer one its two ends."""
    if len(tokens) <= length:
        return tokens
    last = length - length // 2
    return tokens[:length // 2] + tokens[len(tokens) - last:]


def encoded_reviews(part, vocabulary, pair_vocabulary):
    """The reviews of a part as a text_encoder wants them.

    Args:
        part: "train" or "test".
        vocabulary, pair_vocabulary: those of the checkpoint.

    Returns:
        List of two int32 arrays (n, MAX_LENGTH), ids of characters and of
        pairs, and the labels (n,). Of a longer text both ends are kept.
    """
    texts, labels = datasets.reviews(part)
    ids = vocabulary.encode_batch(
        [both_ends(characters(text), MAX_LENGTH) for text in texts],
        MAX_LENGTH)
    return [ids, pair_lookup(vocabulary, pair_vocabulary)(ids)], labels


def fine_tune(model, inputs, labels, seed, epochs=3, batch_size=64,
              learning_rate=1e-3, average=False, verbose=0):
    """Train a classifier whose encoder may have learnt before.

    The learning rate warms up for a tenth of the steps and then falls to
    zero.

    Args:
        model: what classifier() returned; it is trained in place.
        inputs: list of int arrays (n, length), padded with 0.
        labels: array (n,) of 0 and 1.
        seed: of the order of the texts.
        epochs, batch_size, learning_rate, verbose: as Keras has them.
        average: keep the mean of the parameters over the last fifty steps or
            so, which pays if there are hundreds.

    Raises:
        ValueError: there are no texts.
    """
    if not len(labels):
        raise ValueError("fine_tune needs at least one text")
    batches = ByLength(inputs, labels, batch_size, seed)
    steps = epochs * len(batches)
    rate = warmup_cosine(steps, steps // 10 + 1, peak=learning_rate)
    model.compile(
        keras.optimizers.Adam(rate, use_ema=average, ema_momentum=0.98),
        keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(batches, epochs=epochs, shuffle=False, verbose=verbose)


def outputs_of(model, inputs):
    """A model's output for each text, computed in batches of like length.

    Args:
        model: keras.Model with the inputs of a text_encoder and one row
            (batch, size) as output.
        inputs: list of int arrays (n, length), padded with 0.

    Returns:
        float32 array (n, size), in the order of the texts.
    """
    batches = ByLength(inputs, np.zeros(len(inputs[0])), batch_size=128)
    outputs = np.zeros((len(inputs[0]), model.output.shape[-1]), "float32")
    for rows, (batch, _) in zip(batches.rows, batches):
        outputs[rows] = keras.ops.convert_to_numpy(
            keras.ops.cast(model(batch, training=False), "float32"))
    return outputs


def frozen_head(count):
    """A classifier of vectors that stay as they are, for so many labels.

    The penalty of a logistic regression is 1 / C, beside a *sum* over the
    texts: with C = 3 / count it weighs the same for any number of labels.

    Returns:
        scikit-learn Pipeline from vectors (n, size) to labels.
    """
    return make_pipeline(StandardScaler(),
                         LogisticRegression(C=3 / count, max_iter=1000))
