"""One training step of chapter 06's GPT for the reviews, beside the same model
in plain PyTorch, with fused attention, and KerasHub's GPT-2 of the same size.

Each program has a process of its own, and they work in turn. All take the same
batch, loss, AdamW and clipped gradients, and the settings that a reader gets
who asks for no others: on a CPU, Keras compiles a step as a TensorFlow graph,
without XLA, and PyTorch runs it as it is, in float32. KerasHub's blocks drop
attention weights too, which the others do not; so the step is timed without
dropout as well.

The share of the peak is that of the matrix products a step needs, attention in
full, of the fastest large product of this machine in the same run. PyTorch
leaves out most of what the causal mask hides: its true share is some 3 % less.
"""

import numpy as np

from benchmarks.timing import ratio, side_by_side, speed
from lib import checkpoints

PEAK_SIZE = 2048
BATCH, LENGTH = 32, 128  # the longest batch of the checkpoint's training
SETTINGS = {"lr": 1e-3, "betas": (0.9, 0.99), "weight_decay": 0.1,
            "clipnorm": 1.0}


def measure():
    """Yield a row for each model."""
    sizes = checkpoints.load("gpt_reviews").config
    ids = np.random.default_rng(1).integers(
        1, sizes["vocabulary_size"], (BATCH, LENGTH + 1)).astype("int32")
    batch = ids[:, :-1], ids[:, 1:]
    products = side_by_side({
        name: (f"benchmarks.{name}_programs:product", PEAK_SIZE)
        for name in ("keras", "pytorch")})
    peak = 2 * PEAK_SIZE**3 / min(map(min, products.values()))
    work = operations(BATCH, LENGTH, **sizes)
    for dropout in (sizes["dropout"], 0.0):
        arguments = sizes | {"dropout": dropout}, SETTINGS, batch
        seconds = side_by_side({
            "ours": ("benchmarks.keras_programs:our_step", *arguments),
            "PyTorch": ("benchmarks.pytorch_programs:step", *arguments),
            "KerasHub": ("benchmarks.keras_programs:kerashub_step",
                         *arguments)})
        for name, taken in seconds.items():
            tokens = speed(BATCH * LENGTH, taken)
            yield {"dropout": str(dropout), "model": name,
                   **{f"tokens/s, {key}": n for key, n in tokens.items()},
                   "share of peak": round(
                       work * tokens["median"] / (BATCH * LENGTH) / peak, 3),
                   "peak, GFLOP/s": round(peak / 1e9),
                   "our speed/this": ratio(taken, seconds["ours"])}


def operations(batch_size, length, vocabulary_size, embed_dim, num_layers,
               **other):
    """Floating-point operations of a step's products of matrices: forward, and
    twice as many backward."""
    parameters = num_layers * 12 * embed_dim**2 + vocabulary_size * embed_dim
    attention = num_layers * 2 * length * embed_dim
    return 3 * 2 * (parameters + attention) * batch_size * length
