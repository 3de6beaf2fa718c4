"""Tokens a second of chapter 06's GPT, with and without its cache.

Greedy, one text, one prompt token, the loop compiled both times. Without the
cache the model reads the whole window at every step; a step then takes as long
as every other, so that a few of them are enough to time.
"""

import statistics
import time

import keras
import numpy as np
from keras import ops

from lib.generation import compiled, decode, greedy
from lib.models import GPT

VOCABULARY_SIZE = 3000
LENGTHS = [64, 256, 1024]
REPEATS = 5
STEPS_WITHOUT = 8
NO_END = -1  # an id that never comes: every text gets its full length


def measure():
    """Yield a row for each length."""
    keras.utils.set_random_seed(1)
    model = GPT(VOCABULARY_SIZE, max(LENGTHS), width=192, num_layers=3,
                num_heads=6)
    model(np.ones((1, 2), "int32"))
    for length in LENGTHS:
        prompt = np.zeros((1, length), "int32")
        prompt[:, 0] = 1
        with_cache = compiled(lambda prompt: decode(
            model.step, model.empty_cache(*prompt.shape), prompt, NO_END,
            greedy), model)
        without = compiled(lambda prompt: without_cache(model, prompt), model)
        cached, plain = in_turn(prompt, with_cache, without)
        fast, slow = (length - 1) / cached, STEPS_WITHOUT / plain
        yield {"length": length, "cache, tokens/s": round(fast),
               "without, tokens/s": round(slow),
               "ratio": round(fast / slow, 1)}


def without_cache(model, prompt):
    """STEPS_WITHOUT steps of the loop that reads the whole window."""
    def write(position, ids):
        logits = ops.take(model(ids), position, axis=1)
        chosen = greedy(logits)[:, None]
        return position + 1, ops.slice_update(ids, (0, position + 1), chosen)

    return ops.while_loop(lambda position, ids: position < STEPS_WITHOUT,
                          write, (ops.convert_to_tensor(0), prompt))[1]


def in_turn(prompt, *functions):
    """Median seconds of each, called in turn, after a call that compiles."""
    seconds = [[] for _ in functions]
    for function in functions:
        function(prompt)
    for _ in range(REPEATS):
        for function, taken in zip(functions, seconds):
            start = time.perf_counter()
            function(prompt)
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in seconds]
