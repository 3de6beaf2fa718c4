"""Seconds to a fixed loss: chapter 06's GPT for the reviews, trained on the
same batches with the same learning rates, here and in plain PyTorch, until
held-out reviews cost no more than TARGET bits per character.

Both run as they are, and with their best settings: matrix products in 16 bits
(bfloat16), which processors with instructions for it multiply several times as
fast, and in PyTorch torch.compile. XLA is left out: its random numbers for
dropout cost what it gains. The programs have a process each and train in turn,
a part of PART steps each; what counts is the time of the steps, the first
ones, which compile, included. A longer training pays for them only once: hence
also the milliseconds of a step in the parts after the first. All but their
random numbers is the same: they reach the target within some steps of each
other.
"""

import math
import statistics
import time

import numpy as np

from benchmarks.timing import REST_SECONDS, Program, progress
from benchmarks.training import SETTINGS
from lib import checkpoints, datasets
from training.batches import LengthBuckets, warmup_cosine
from training.gpt_reviews import REVIEW_BUCKETS, REVIEW_TOKENS, review_ids

TARGET = 7.5   # bits per character; the checkpoint has below 5.6
PART, PARTS = 20, 20
VALIDATION = 256  # held-out reviews


def measure():
    """Yield a row for each program.

    Raises:
        RuntimeError: one has not reached the target in time.
    """
    checkpoint = checkpoints.load("gpt_reviews")
    arguments = data(checkpoint)
    keras, pytorch = (f"benchmarks.{name}_programs:learning"
                      for name in ("keras", "pytorch"))
    ways = {
        "ours": (keras, {}),
        "ours, bfloat16": (keras, {"policy": "mixed_bfloat16"}),
        "PyTorch": (pytorch, {}),
        "PyTorch, bfloat16": (pytorch, {"bfloat16": True}),
        "PyTorch, bfloat16, compiled": (pytorch, {"bfloat16": True,
                                                  "compiled": True})}
    programs = {}
    try:
        for name, (maker, options) in ways.items():
            progress(f"preparing {name}")
            programs[name] = Program(name, maker, *arguments, options)
        parts, bits = race(programs, bits_per_nat(checkpoint))
    finally:
        for program in programs.values():
            program.close()
    for name, seconds in parts.items():
        yield {"program": name, "steps": PART * len(seconds),
               "seconds": round(sum(seconds), 1),
               "bits per character": round(bits[name], 3),
               "later, ms a step": round(
                   1000 * statistics.median(seconds[1:]) / PART),
               "our speed/this": round(sum(seconds) / sum(parts["ours"]), 2)}


def race(programs, bits_of_a_nat):
    """Let programs train in turn until each has reached the target.

    Returns:
        Dict of names to the list of seconds of each part, and dict of names to
        bits per character.
    """
    seconds = {name: [] for name in programs}
    bits = dict.fromkeys(programs, math.inf)
    for part in range(1, PARTS + 1):
        for name in [name for name in programs if bits[name] > TARGET]:
            progress(f"{name}: part {part}, {bits[name]:.2f} bits")
            time.sleep(REST_SECONDS)
            taken, nats = programs[name]()
            seconds[name].append(taken)
            bits[name] = nats * bits_of_a_nat
    progress("")
    late = [name for name in programs if bits[name] > TARGET]
    if late:
        raise RuntimeError(f"not at {TARGET} bits after {PARTS * PART} steps: "
                           + ", ".join(late))
    return seconds, bits


def data(checkpoint):
    """Sizes, settings, parts of batches, learning rates and a validation
    batch: the arguments of both programs' learning()."""
    ids = encoded(checkpoint)[checkpoint.metadata["held_out"]:]
    buckets = LengthBuckets((ids != 0).sum(axis=1) - 1, REVIEW_BUCKETS)

    def batch(step):
        rng = np.random.default_rng([1, step])
        length, rows = buckets.draw(rng, REVIEW_TOKENS)
        return ids[rows, :length], ids[rows, 1:length + 1]

    steps = PARTS * PART
    rate = checkpoint.metadata["optimizer"]["learning_rate"]
    schedule = warmup_cosine(checkpoint.metadata["steps"],
                             rate["warmup_steps"], rate["warmup_target"],
                             last=rate["alpha"])
    rates = [float(schedule(step)) for step in range(steps + 1)]
    parts = [[batch(part * PART + i) for i in range(PART)]
             for part in range(PARTS)]
    return checkpoint.config, SETTINGS, parts, rates, held_out(checkpoint)


def encoded(checkpoint):
    return review_ids(datasets.reviews("train"),
                      checkpoint.vocabularies["characters"])


def held_out(checkpoint):
    ids = encoded(checkpoint)[:VALIDATION]
    return ids[:, :-1], ids[:, 1:]


def bits_per_nat(checkpoint):
    """Bits per character that one nat per token is, on the held-out reviews:
    their ends are tokens, and no characters."""
    targets = held_out(checkpoint)[1]
    end = checkpoint.vocabularies["characters"].ids["<end>"]
    tokens = np.sum(targets != 0)
    return tokens / (tokens - np.sum(targets == end)) / math.log(2)
