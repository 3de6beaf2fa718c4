"""Writing greedily with chapter 06's GPT: with its cache and without, beside
the same model in plain PyTorch with a cache, and KerasHub's `generate`.

Without the cache the model reads the whole window at every step; a step then
takes as long as every other, so that a few of them are enough to time.
"""

import keras
import numpy as np
import torch
from keras import ops

from benchmarks.peers import TorchGPT
from benchmarks.timing import in_turn
from benchmarks.training import HEADS, LAYERS, WIDTH, kerashub_gpt
from lib.generation import compiled, decode, greedy
from lib.models import GPT

VOCABULARY_SIZE = 3151  # that of the reviews
TOKENS = 256            # after one token of the prompt
LENGTHS = [64, 256, 1024]
STEPS_WITHOUT = 8
NO_END = -1  # an id that never comes: every text gets its full length


def measure():
    """Yield a row for each way and number of texts, then for each length."""
    model = our_model(1 + TOKENS)
    for batch_size in (1, 32):
        yield from beside_peers(model, first_tokens(batch_size, 1 + TOKENS))
        yield position(model, first_tokens(batch_size, 1 + TOKENS))
    for length in LENGTHS:
        yield growth(our_model(length), first_tokens(1, length))


def our_model(length):
    keras.utils.set_random_seed(1)
    model = GPT(VOCABULARY_SIZE, length, WIDTH, LAYERS, HEADS)
    model(np.ones((1, 2), "int32"))
    return model


def first_tokens(batch_size, length):
    """Prompts of one token, int32 (batch_size, length)."""
    prompt = np.zeros((batch_size, length), "int32")
    prompt[:, 0] = np.arange(1, batch_size + 1)
    return prompt


def beside_peers(model, prompt):
    """Tokens a second of all texts together.

    Raises:
        AssertionError: PyTorch, with the same weights, writes another text.
    """
    sizes = {"vocabulary_size": VOCABULARY_SIZE, "max_length": 1 + TOKENS,
             "width": WIDTH, "num_layers": LAYERS, "num_heads": HEADS,
             "dropout": 0.0}
    cached, without = with_cache(model, prompt), without_cache(model, prompt)
    in_torch = TorchGPT(**sizes)
    in_torch.take_weights(model)
    torch_prompt = torch.from_numpy(prompt).long()
    kerashub = kerashub_gpt(sizes)
    kerashub.compile(sampler="greedy")
    inputs = {"token_ids": prompt, "padding_mask": prompt != 0}
    np.testing.assert_array_equal(cached(), in_torch.generate(torch_prompt))
    seconds = in_turn({
        "cache": cached,
        "no cache": without,
        "PyTorch, cache": lambda: in_torch.generate(torch_prompt),
        "KerasHub": lambda: kerashub.generate(inputs, stop_token_ids=None)})
    seconds["no cache"] *= TOKENS / STEPS_WITHOUT
    for way, taken in seconds.items():
        yield {"texts": str(len(prompt)), "tokens": str(TOKENS), "way": way,
               "tokens/s": round(len(prompt) * TOKENS / taken),
               "cache/way": round(taken / seconds["cache"], 2)}


def position(model, prompt):
    """How much longer a token takes in the last quarter than in the first."""
    quarter = TOKENS // 4
    part = steps(model, prompt, quarter)
    seconds = in_turn({"first quarter": lambda: part(0),
                       "last quarter": lambda: part(TOKENS - quarter)})
    first, last = seconds["first quarter"], seconds["last quarter"]
    return {"texts": str(len(prompt)), "tokens": str(TOKENS),
            "way": "last/first quarter",
            "tokens/s": round(len(prompt) * quarter / last),
            "cache/way": round(last / first, 2)}


def growth(model, prompt):
    """One text of each length, with the cache and without."""
    seconds = in_turn({"cache": with_cache(model, prompt),
                       "without": without_cache(model, prompt)})
    tokens = prompt.shape[1] - 1
    fast = tokens / seconds["cache"]
    slow = STEPS_WITHOUT / seconds["without"]
    return {"texts": "1", "tokens": str(tokens), "way": "no cache",
            "tokens/s": round(slow), "cache/way": round(fast / slow, 2)}


def with_cache(model, prompt):
    program = compiled(lambda prompt: decode(
        model.step, model.empty_cache(*prompt.shape), prompt, NO_END, greedy),
        model)
    return lambda: program(prompt)


def steps(model, prompt, count):
    """A function of the first position that takes count steps from there."""
    def loop(start, prompt):
        def write(position, ids, cache):
            logits, cache = model.step(ids, cache, position)
            return position + 1, greedy(logits), cache

        start = start[0]
        return ops.while_loop(
            lambda position, ids, cache: position < start + count, write,
            (start, prompt[:, 0], model.empty_cache(*prompt.shape)))[1]

    program = compiled(loop, model)
    # Keras wants as many starts as texts.
    return lambda start: program(np.full(len(prompt), start, "int32"), prompt)


def without_cache(model, prompt):
    """STEPS_WITHOUT steps of the loop that reads the whole window."""
    def loop(prompt):
        def write(position, ids):
            logits = ops.take(model(ids), position, axis=1)
            chosen = greedy(logits)[:, None]
            ids = ops.slice_update(ids, (0, position + 1), chosen)
            return position + 1, ids

        return ops.while_loop(lambda position, ids: position < STEPS_WITHOUT,
                              write, (ops.convert_to_tensor(0), prompt))[1]

    program = compiled(loop, model)
    return lambda: program(prompt)
