"""Writing greedily with chapter 06's GPT, untrained: beside the same model in
plain PyTorch, with a cache and eager, and KerasHub's `generate`.

Each program has a process of its own, and they work in turn. Ours and
KerasHub's are compiled by XLA. KerasHub's time includes its first pass over
the whole window, which fills its cache. Without a cache our model reads the
whole window at every step; a step then takes as long as every other, so that a
few of them are enough to time. That the peer writes the same text is tested in
tests/test_benchmarks.py.
"""

import statistics

import numpy as np

from benchmarks.timing import ratio, side_by_side, speed
from lib import checkpoints

TOKENS = 256            # after one token of the prompt
LENGTHS = [64, 256, 1024]
REPEATS = {1: 15, 32: 5}  # for so many texts; one takes parts of a second
STEPS_WITHOUT = 8
KERAS = "benchmarks.keras_programs"


def measure():
    """Yield rows of three tables: the peers, the position, the length."""
    sizes = checkpoints.load("gpt_reviews").config | {
        "max_length": 1 + TOKENS, "dropout": 0.0}
    for batch_size in REPEATS:
        yield from beside_peers(sizes, first_tokens(batch_size, 1 + TOKENS))
    for batch_size in REPEATS:
        yield position(sizes, first_tokens(batch_size, 1 + TOKENS))
    for length in LENGTHS:
        yield growth(sizes | {"max_length": length}, first_tokens(1, length))


def first_tokens(batch_size, length):
    """Prompts of one token, int32 (batch_size, length)."""
    prompt = np.zeros((batch_size, length), "int32")
    prompt[:, 0] = np.arange(1, batch_size + 1)
    return prompt


def beside_peers(sizes, prompt):
    """Tokens a second of all texts together."""
    seconds = side_by_side({
        "ours, cache": (f"{KERAS}:with_cache", sizes, prompt),
        "ours, no cache": (f"{KERAS}:without_cache", sizes, prompt,
                           STEPS_WITHOUT),
        "PyTorch, eager, cache": ("benchmarks.pytorch_programs:writing",
                                  sizes, prompt),
        "KerasHub": (f"{KERAS}:kerashub_writing", sizes, prompt),
    }, REPEATS[len(prompt)])
    seconds["ours, no cache"] = [taken * TOKENS / STEPS_WITHOUT
                                 for taken in seconds["ours, no cache"]]
    for way, taken in seconds.items():
        tokens = speed(len(prompt) * TOKENS, taken)
        yield {"texts": str(len(prompt)), "way": way,
               **{f"tokens/s, {key}": n for key, n in tokens.items()},
               "our cache's speed/this": ratio(taken, seconds["ours, cache"])}


def position(sizes, prompt):
    """A token in the last quarter of the text beside one in the first."""
    quarter = TOKENS // 4
    seconds = side_by_side({
        name: (f"{KERAS}:steps", sizes, prompt, first, quarter)
        for name, first in (("first", 0), ("last", TOKENS - quarter))},
        REPEATS[len(prompt)])
    first, last = (1000 * statistics.median(taken) / quarter
                   for taken in seconds.values())
    return {"texts": str(len(prompt)),
            "first quarter, ms a step": round(first, 3),
            "last quarter, ms a step": round(last, 3),
            "last/first": ratio(seconds["last"], seconds["first"])}


def growth(sizes, prompt):
    """One text, with the cache and without."""
    seconds = side_by_side({
        "cache": (f"{KERAS}:with_cache", sizes, prompt),
        "without": (f"{KERAS}:without_cache", sizes, prompt, STEPS_WITHOUT)},
        REPEATS[1])
    tokens = prompt.shape[1] - 1
    fast, slow = (amount / statistics.median(seconds[name])
                  for name, amount in (("cache", tokens),
                                       ("without", STEPS_WITHOUT)))
    return {"length": str(prompt.shape[1]), "cache, tokens/s": round(fast),
            "no cache, tokens/s": round(slow),
            "cache/no cache": round(fast / slow, 1)}
