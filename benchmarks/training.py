"""One training step of chapter 06's GPT for the reviews, beside the same model
in plain PyTorch, with fused attention, and KerasHub's GPT-2 of the same size.

All take the same batch, loss, AdamW and clipped gradients, and the settings
that a reader gets who asks for no others: on a CPU, Keras compiles a step as a
TensorFlow graph, without XLA, and PyTorch runs it as it is. KerasHub's blocks
drop attention weights too, which the others do not; so the step is timed
without dropout as well.

The share of the peak is that of the matrix products a step needs, attention in
full, of the fastest large product of this machine in the same run. PyTorch
leaves out most of what the causal mask hides: its true share is some 3 % less.
"""

import itertools

import numpy as np
import torch
from keras import ops

from benchmarks.peers import TorchGPT, chapter_06, kerashub_gpt
from benchmarks.timing import in_turn
from lib.models import GPT

PEAK_SIZE = 2048


def measure():
    """Yield a row for each model."""
    recipe, sizes = chapter_06()
    batch = next(batch for batch in map(recipe.batch, itertools.count())
                 if batch[0].shape[1] == sizes["max_length"])
    peak = 2 * PEAK_SIZE**3 / min(in_turn(products(), summary=min).values())
    work = operations(*batch[0].shape, **sizes)
    for dropout in (sizes["dropout"], 0.0):
        chosen = sizes | {"dropout": dropout}
        seconds = in_turn({
            "ours": our_step(recipe.model, batch, chosen),
            "PyTorch": pytorch_step(recipe.model, batch, chosen),
            "KerasHub": kerashub_step(recipe.model, batch, chosen)})
        for name, taken in seconds.items():
            yield {"dropout": str(dropout), "model": name,
                   "tokens/s, padding counted": round(batch[0].size / taken),
                   "share of peak": round(work / taken / peak, 3),
                   "peak, GFLOP/s": round(peak / 1e9),
                   "our speed/this": round(taken / seconds["ours"], 2)}


def our_step(trained, batch, sizes):
    model = GPT(**sizes)
    model(batch[0])
    return keras_step(model, trained, *batch)


def kerashub_step(trained, batch, sizes):
    inputs, targets = batch
    return keras_step(kerashub_gpt(**sizes), trained,
                      {"token_ids": inputs,
                       "padding_mask": np.ones_like(inputs)}, targets)


def keras_step(model, trained, inputs, targets):
    """A step with the optimizer and the loss of a model that is trained."""
    optimizer = trained.optimizer
    model.compile(optimizer=type(optimizer).from_config(
        optimizer.get_config()), loss=trained.loss, weighted_metrics=None)
    return lambda: model.train_on_batch(inputs, targets)


def pytorch_step(trained, batch, sizes):
    model, keras_optimizer = TorchGPT(**sizes), trained.optimizer
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, fused=True,
        betas=(keras_optimizer.beta_1, keras_optimizer.beta_2),
        weight_decay=keras_optimizer.weight_decay)
    ids, following = (torch.from_numpy(x).long() for x in batch)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            model(ids).flatten(0, 1), following.flatten(), ignore_index=0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(),
                                       keras_optimizer.global_clipnorm)
        optimizer.step()
        return loss.item()
    return step


def products():
    """One large product of matrices, float32, in Keras and in PyTorch."""
    matrix = np.random.default_rng(1).random((PEAK_SIZE, PEAK_SIZE), "float32")
    in_keras, in_torch = ops.convert_to_tensor(matrix), torch.tensor(matrix)
    return {"Keras' product": lambda: ops.convert_to_numpy(
                in_keras @ in_keras),
            "PyTorch's product": lambda: in_torch @ in_torch}


def operations(batch_size, length, vocabulary_size, width, num_layers,
               **other):
    """Floating-point operations of a step's products of matrices: forward, and
    twice as many backward."""
    weights = num_layers * 12 * width**2 + vocabulary_size * width
    attention = num_layers * 2 * length * width
    return 3 * 2 * (weights + attention) * batch_size * length
