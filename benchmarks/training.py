"""One training step of chapter 06's GPT: beside the same model in plain
PyTorch, with fused attention, and KerasHub's GPT-2 of the same size.

All take the same batch of reviews, AdamW and gradients of norm 1 at most.
KerasHub's blocks drop attention weights too, which the others do not; so the
steps are timed without dropout as well. The share of the peak is that of the
products of matrices a step needs, of what this machine reaches with one large
product in the same run.
"""

import itertools

import keras
import keras_hub
import numpy as np
import torch
from keras import ops

from benchmarks.peers import TorchGPT
from benchmarks.timing import in_turn
from lib.models import GPT
from lib.recipes import REVIEW_LENGTH, gpt_reviews

WIDTH, LAYERS, HEADS = 192, 3, 6
RATE, DECAY, BETAS, NORM = 1.5e-3, 0.1, (0.9, 0.99), 1.0
PEAK_SIZE = 2048
PEAKS = ("Keras' matrix product", "PyTorch's matrix product")


def measure():
    """Yield a row for each model."""
    recipe = gpt_reviews()
    inputs, targets = next(
        batch for batch in map(recipe.batch, itertools.count())
        if batch[0].shape[1] == REVIEW_LENGTH)
    for dropout in (0.2, 0.0):
        sizes = {"vocabulary_size": len(recipe.vocabulary),
                 "max_length": REVIEW_LENGTH, "width": WIDTH,
                 "num_layers": LAYERS, "num_heads": HEADS, "dropout": dropout}
        seconds = in_turn({
            "ours": our_step(sizes, inputs, targets),
            "PyTorch": pytorch_step(sizes, inputs, targets),
            "KerasHub": kerashub_step(sizes, inputs, targets),
            **products()})
        peak = 2 * PEAK_SIZE**3 / min(seconds[name] for name in PEAKS)
        work = operations(len(recipe.vocabulary), *inputs.shape)
        for name in ("ours", "PyTorch", "KerasHub"):
            yield {"dropout": str(dropout), "model": name,
                   "tokens/s": round(inputs.size / seconds[name]),
                   "share of peak": round(work / seconds[name] / peak, 3),
                   "peak, GFLOP/s": round(peak / 1e9),
                   "ours/this": round(seconds[name] / seconds["ours"], 2)}


def our_step(sizes, inputs, targets):
    model = GPT(**sizes)
    model(inputs)
    return keras_step(model, inputs, targets)


def kerashub_step(sizes, inputs, targets):
    model = kerashub_gpt(sizes)
    real = np.ones_like(inputs)
    return keras_step(model, {"token_ids": inputs, "padding_mask": real},
                      targets)


def kerashub_gpt(sizes):
    """GPT2CausalLM of the sizes of lib.models.GPT."""
    return keras_hub.models.GPT2CausalLM(keras_hub.models.GPT2Backbone(
        sizes["vocabulary_size"], sizes["num_layers"], sizes["num_heads"],
        sizes["width"], 4 * sizes["width"], dropout=sizes["dropout"],
        max_sequence_length=sizes["max_length"]))


def keras_step(model, inputs, targets):
    model.compile(
        optimizer=keras.optimizers.AdamW(
            RATE, weight_decay=DECAY, beta_1=BETAS[0], beta_2=BETAS[1],
            global_clipnorm=NORM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True,
                                                        ignore_class=0))
    return lambda: model.train_on_batch(inputs, targets)


def pytorch_step(sizes, inputs, targets):
    model = TorchGPT(**sizes)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, BETAS,
                                  weight_decay=DECAY, fused=True)
    ids, following = (torch.from_numpy(x).long() for x in (inputs, targets))

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            model(ids).flatten(0, 1), following.flatten(), ignore_index=0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), NORM)
        optimizer.step()
        return loss.item()
    return step


def products():
    """One large product of matrices, float32, in Keras and in PyTorch."""
    matrix = np.random.default_rng(1).random((PEAK_SIZE, PEAK_SIZE), "float32")
    in_keras, in_torch = ops.convert_to_tensor(matrix), torch.tensor(matrix)
    return dict(zip(PEAKS, [
        lambda: ops.convert_to_numpy(in_keras @ in_keras),
        lambda: in_torch @ in_torch]))


def operations(vocabulary_size, batch_size, length):
    """Floating-point operations of a step's products of matrices: forward, and
    twice as many backward. Attention counts in full, masked or not."""
    weights = LAYERS * 12 * WIDTH**2 + vocabulary_size * WIDTH
    attention = LAYERS * 2 * length * WIDTH
    return 3 * 2 * (weights + attention) * batch_size * length
