"""Writing greedily with chapter 06's GPT, untrained: beside the same model in
plain PyTorch, with a cache and eager, and KerasHub's `generate`.

Ours and KerasHub's are compiled by XLA. KerasHub's time includes its first
pass over the whole window, which fills its cache. Without a cache our model
reads the whole window at every step; a step then takes as long as every other,
so that a few of them are enough to time.
"""

import keras
import numpy as np
import torch
from keras import ops

from benchmarks.peers import TorchGPT, chapter_06, kerashub_gpt
from benchmarks.timing import in_turn
from lib.generation import compiled, decode, greedy
from lib.models import GPT

TOKENS = 256            # after one token of the prompt
LENGTHS = [64, 256, 1024]
REPEATS = {1: 20, 32: 5}  # for so many texts; one takes parts of a second
STEPS_WITHOUT = 8
NO_END = -1  # an id that never comes: every text gets its full length


def measure():
    """Yield rows of three tables: the peers, the position, the length."""
    _, sizes = chapter_06()
    sizes |= {"max_length": 1 + TOKENS, "dropout": 0.0}
    model = our_model(sizes)
    for batch_size in REPEATS:
        yield from beside_peers(model, first_tokens(batch_size, 1 + TOKENS),
                                sizes)
    for batch_size in REPEATS:
        yield position(model, first_tokens(batch_size, 1 + TOKENS))
    for length in LENGTHS:
        yield growth(our_model(sizes | {"max_length": length}),
                     first_tokens(1, length))


def our_model(sizes):
    keras.utils.set_random_seed(1)
    model = GPT(**sizes)
    model(np.ones((1, 2), "int32"))
    return model


def first_tokens(batch_size, length):
    """Prompts of one token, int32 (batch_size, length)."""
    prompt = np.zeros((batch_size, length), "int32")
    prompt[:, 0] = np.arange(1, batch_size + 1)
    return prompt


def beside_peers(model, prompt, sizes):
    """Tokens a second of all texts together.

    Raises:
        AssertionError: PyTorch's model writes something else.
    """
    in_torch, kerashub = TorchGPT(**sizes).eval(), kerashub_gpt(**sizes)
    in_torch.take_weights(model)
    kerashub.compile(sampler="greedy", jit_compile=True)
    torch_prompt = torch.from_numpy(prompt).long()
    inputs = {"token_ids": prompt, "padding_mask": prompt != 0}
    ways = {"ours, cache": with_cache(model, prompt),
            "ours, no cache": without_cache(model, prompt),
            "PyTorch, eager, cache": lambda: in_torch.generate(torch_prompt),
            "KerasHub": lambda: kerashub.generate(inputs, stop_token_ids=None)}
    check_same_text(ways["ours, cache"](), in_torch,
                    in_torch.generate(torch_prompt))
    seconds = in_turn(ways, REPEATS[len(prompt)])
    seconds["ours, no cache"] *= TOKENS / STEPS_WITHOUT
    for way, taken in seconds.items():
        yield {"texts": str(len(prompt)), "way": way,
               "tokens/s": round(len(prompt) * TOKENS / taken),
               "our cache's speed/this": round(
                   taken / seconds["ours, cache"], 2)}


def check_same_text(ours, in_torch, theirs):
    """Where two texts part, the two best logits must have been level."""
    with torch.inference_mode():
        logits = in_torch(theirs)[:, :-1, 1:]
    best = logits.topk(2).values.numpy()
    level = best[..., 0] - best[..., 1] < 1e-4
    undecided = np.logical_or.accumulate(level, axis=1)
    assert (undecided | (ours == theirs.numpy())[:, 1:]).all()
    assert undecided.mean() < 0.5


def position(model, prompt):
    """A token in the last quarter of the text beside one in the first."""
    quarter = TOKENS // 4
    part = steps(model, prompt, quarter)
    seconds = in_turn({"first": lambda: part(0),
                       "last": lambda: part(TOKENS - quarter)},
                      REPEATS[len(prompt)])
    first, last = (1000 * seconds[name] / quarter for name in seconds)
    return {"texts": str(len(prompt)),
            "first quarter, ms a step": round(first, 3),
            "last quarter, ms a step": round(last, 3),
            "last/first": round(last / first, 2)}


def growth(model, prompt):
    """One text, with the cache and without."""
    seconds = in_turn({"cache": with_cache(model, prompt),
                       "without": without_cache(model, prompt)}, REPEATS[1])
    tokens = prompt.shape[1] - 1
    fast = tokens / seconds["cache"]
    slow = STEPS_WITHOUT / seconds["without"]
    return {"length": str(prompt.shape[1]), "cache, tokens/s": round(fast),
            "no cache, tokens/s": round(slow),
            "cache/no cache": round(fast / slow, 1)}


def with_cache(model, prompt):
    program = compiled(lambda prompt: decode(
        model.step, model.empty_cache(*prompt.shape), prompt, NO_END, greedy),
        model, xla=True)
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

    program = compiled(loop, model, xla=True)
    # Keras wants as many starts as texts.
    return lambda start: program(np.full(len(prompt), start, "int32"), prompt)


def without_cache(model, prompt):
    """STEPS_WITHOUT steps of the loop that reads the whole window."""
    def loop(prompt):
        def write(position, ids):
            x = model.positions(model.tokens(ids))
            for block in model.blocks:
                x = block(x)
            logits = model.scores(ops.take(x, position, axis=1))
            chosen = greedy(logits)[:, None]
            ids = ops.slice_update(ids, (0, position + 1), chosen)
            return position + 1, ids

        return ops.while_loop(lambda position, ids: position < STEPS_WITHOUT,
                              write, (ops.convert_to_tensor(0), prompt))[1]

    program = compiled(loop, model, xla=True)
    return lambda: program(prompt)
