"""Fine-tuning on the reviews: the same in chapter 08 and in the tool that
fills its picture (tools/fine_tuning.py)."""

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lib import datasets
from lib.models import XLA, classifier
from lib.recipes import REVIEW_LENGTH, language_encoder
from lib.text import both_ends, characters, pair_lookup

SETTINGS = {  # number of labels (None: all) → how to train with them
    100: {"epochs": 20, "batch_size": 10, "learning_rate": 1e-3},
    1000: {"epochs": 4, "batch_size": 32, "learning_rate": 1e-3},
    None: {"epochs": 4, "batch_size": 64, "learning_rate": 1e-3,
           "average": True},
}
PRETRAINED = {100: {"epochs": 10}, None: {"learning_rate": 5e-4}}


def settings(count, pretrained=True):
    """How to train with so many labels (None: all).

    An encoder that has read already wants to be changed less: fewer epochs,
    or a lower learning rate.

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


def new_classifier(vocabulary, pair_vocabulary, weights=None):
    """A classifier to be fine-tuned.

    Args:
        vocabulary, pair_vocabulary: what language_vocabularies returned.
        weights: of the encoder, a list of arrays; without them, from scratch.
    """
    encoder = language_encoder(vocabulary, pair_vocabulary, dropout=0.1,
                               input_dropout=0.2)
    if weights is not None:
        encoder.set_weights(weights)
    return classifier(encoder, dropout=0.3)


def encoded_reviews(part, vocabulary, pair_vocabulary):
    """The reviews of a part as a text_encoder wants them.

    Args:
        part: "train" or "test".
        vocabulary, pair_vocabulary: what language_vocabularies returned.

    Returns:
        List of two int32 arrays (n, REVIEW_LENGTH), ids of characters and of
        pairs, and the labels (n,). Of a longer text both ends are kept.
    """
    texts, labels = datasets.reviews(part)
    ids = vocabulary.encode_batch(
        [both_ends(characters(text), REVIEW_LENGTH) for text in texts],
        REVIEW_LENGTH)
    return [ids, pair_lookup(vocabulary, pair_vocabulary)(ids)], labels


class ByLength(keras.utils.PyDataset):
    """Batches of texts of like length, cut so that little of them is
    padding."""

    def __init__(self, inputs, labels, batch_size, seed=None):
        """
        Args:
            inputs: list of int arrays (n, length), padded with 0.
            labels: array (n,).
            batch_size: number of texts.
            seed: draws which texts of like length meet and in which order the
                batches come, anew for each epoch; without it, by length,
                but for the second.
        """
        super().__init__()
        self.inputs, self.labels, self.size = inputs, labels, batch_size
        # In steps of 16, so that JAX need not compile for every length.
        self.lengths = -(-(inputs[0] != 0).sum(axis=1) // 16) * 16
        self.random = None if seed is None else np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self):
        order = np.arange(len(self.labels))
        if self.random:
            self.random.shuffle(order)
        order = order[np.argsort(self.lengths[order], kind="stable")]
        self.rows = [order[i:i + self.size]
                     for i in range(0, len(order), self.size)]
        if self.random:
            self.random.shuffle(self.rows)
        # Keras takes the shapes of the first two batches for those of all:
        # these two must differ in length, if any do.
        longest = np.array([self.lengths[rows].max() for rows in self.rows])
        other = np.flatnonzero(longest != longest[0])
        if len(other):
            i = other[0]
            self.rows[1], self.rows[i] = self.rows[i], self.rows[1]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        rows = self.rows[i]
        longest = self.lengths[rows].max()
        return (tuple(array[rows, :longest] for array in self.inputs),
                self.labels[rows, None])


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
        average: keep the mean of the weights over the last fifty steps or so,
            which pays if there are hundreds.
    """
    batches = ByLength(inputs, labels, batch_size, seed)
    steps = epochs * len(batches)
    warmup = steps // 10 + 1
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup)
    model.compile(
        keras.optimizers.Adam(rate, use_ema=average, ema_momentum=0.98),
        keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=XLA)
    model.fit(batches, epochs=epochs, shuffle=False, verbose=verbose)


def outputs_of(model, inputs):
    """What a model says of each text, computed in batches of like length.

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
        scikit-learn Pipeline from vectors (n, width) to labels.
    """
    return make_pipeline(StandardScaler(),
                         LogisticRegression(C=3 / count, max_iter=1000))
