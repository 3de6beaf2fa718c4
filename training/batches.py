"""What the trainings share: batches of texts of like length, and an optimizer
whose learning rate rises and falls."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from lib.text import PADDING_ID

SEED = 1


class Training(NamedTuple):
    """One model and its training.

    A batch follows from its number alone, so that a training can be stopped
    and resumed.

    model: a keras.Model, compiled and built.
    batch: function of the step, an int from 0, to (inputs, targets), as
        `train_on_batch` takes them.
    steps: number of steps of the whole training.
    texts: list of str, all that it learns from.
    config: dict of the arguments that the model is built with.
    vocabularies: dict of name → lib.text.Vocabulary.
    merges: list of pairs of str, where byte-pair encoding cut the texts.
    held_out: number of the first training texts that it does not learn from.
    """

    model: keras.Model
    batch: Callable
    steps: int
    texts: list
    config: dict
    vocabularies: dict
    merges: list
    held_out: int


class LengthBuckets:
    """Which texts share a batch: those of like length, so that little of it is
    padding.

    A length comes as often as its texts have tokens, so that texts of every
    length count alike.
    """

    def __init__(self, sizes, lengths, weights=None):
        """
        Args:
            sizes: int array (n,), the number of tokens of each text.
            lengths: ascending list of int, the lengths of batches; the last
                is for all texts that are longer than the one before.
            weights: float array (n,), how much a text counts, if not all
                count alike. A batch may then hold a text twice.
        """
        bucket = np.searchsorted(lengths[:-1], sizes)
        self.lengths = lengths
        self.weights = weights
        counted = np.ones(len(sizes)) if weights is None else weights
        self.rows = [np.flatnonzero((bucket == i) & (counted > 0))
                     for i in range(len(lengths))]
        tokens = np.array([counted[r].sum() for r in self.rows]) * lengths
        self.shares = tokens / tokens.sum()

    def draw(self, rng, tokens):
        """One batch.

        Args:
            rng: numpy.random.Generator.
            tokens: int, how many it is to have, padding counted.

        Returns:
            Its length, an int, and the numbers of its texts, an int array
            (tokens // length,). A text comes twice only if there are fewer
            texts than that, or if they have weights.
        """
        chosen = rng.choice(len(self.rows), p=self.shares)
        rows, length = self.rows[chosen], self.lengths[chosen]
        count = tokens // length
        if self.weights is None:
            return length, rng.choice(rows, count, replace=count > len(rows))
        share = self.weights[rows] / self.weights[rows].sum()
        return length, rng.choice(rows, count, p=share)


class ByLength(keras.utils.PyDataset):
    """Epochs of batches of texts of like length, cut so that little of them
    is padding."""

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
        sizes = (inputs[0] != PADDING_ID).sum(axis=1)
        self.lengths = np.maximum(-(-sizes // 16) * 16, 16)
        self.rng = None if seed is None else np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self):
        order = np.arange(len(self.labels))
        if self.rng:
            self.rng.shuffle(order)
        order = order[np.argsort(self.lengths[order], kind="stable")]
        self.rows = [order[i:i + self.size]
                     for i in range(0, len(order), self.size)]
        if self.rng:
            self.rng.shuffle(self.rows)
        # Keras takes the shapes of the first two batches for those of all:
        # these two must differ in length, if any do.
        longest = np.array([self.lengths[rows].max() for rows in self.rows])
        other = np.flatnonzero(longest != longest[:1])
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


def warmup_cosine(steps, warmup_steps, peak, first=0.0, last=0.0):
    """A learning rate that warms up along a line, then falls along a cosine.

    Args:
        steps: number of steps in all, an int.
        warmup_steps: number of steps of the warm-up.
        peak: the highest learning rate.
        first: the learning rate of the first step.
        last: that of the last step, as a share of peak.

    Returns:
        keras.optimizers.schedules.CosineDecay.
    """
    return keras.optimizers.schedules.CosineDecay(
        first, max(1, steps - warmup_steps), alpha=last, warmup_target=peak,
        warmup_steps=warmup_steps)


def adamw(rate, weight_decay, beta_2):
    """keras.optimizers.AdamW, gradients cut to a global norm of 1."""
    return keras.optimizers.AdamW(rate, weight_decay=weight_decay,
                                  beta_2=beta_2, global_clipnorm=1.0)
