"""Seconds to a fixed loss: chapter 06's GPT for the reviews, trained on the
same batches with the same learning rates, here and in plain PyTorch, until
held-out reviews cost no more than TARGET bits per character.

PyTorch runs as it is, in 16 bits (bfloat16, for the products of matrices), and
with torch.compile. The programs have a process each and train in turn, a part
of PART steps each; what counts is the time of the steps, the first ones, which
compile, included. All but their random numbers is the same: they reach the
target within some steps of each other.
"""

import math

import numpy as np

from benchmarks.timing import Program, progress
from benchmarks.training import SETTINGS
from lib import checkpoints, datasets
from training.batches import LengthBuckets, warmup_cosine
from training.gpt_reviews import REVIEW_BUCKETS, REVIEW_TOKENS, review_ids

TARGET = 7.2   # bits per character; the checkpoint has below 6
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
    ways = {"ours": (keras, *arguments),
            "PyTorch": (pytorch, *arguments, {}),
            "PyTorch, bfloat16": (pytorch, *arguments, {"bfloat16": True}),
            "PyTorch, compiled": (pytorch, *arguments, {"compiled": True})}
    programs = {name: Program(name, *way) for name, way in ways.items()}
    try:
        rows = race(programs, bits_per_nat(checkpoint))
    finally:
        for program in programs.values():
            program.close()
    for name, (steps, seconds, bits) in rows.items():
        yield {"program": name, "steps": steps, "seconds": round(seconds, 1),
               "bits per character": round(bits, 3),
               "our speed/this": round(seconds / rows["ours"][1], 2)}


def race(programs, bits_of_a_nat):
    """Let programs train in turn until each has reached the target.

    Returns:
        Dict of names to steps, seconds and bits per character.
    """
    rows = {name: (0, 0.0, math.inf) for name in programs}
    for part in range(1, PARTS + 1):
        for name, program in programs.items():
            steps, seconds, bits = rows[name]
            if bits > TARGET:
                progress(f"{name}: part {part}, {bits:.2f} bits")
                more, nats = program()
                rows[name] = (steps + PART, seconds + more,
                              nats * bits_of_a_nat)
    progress("")
    late = [name for name, (*_, bits) in rows.items() if bits > TARGET]
    if late:
        raise RuntimeError(f"not at {TARGET} bits after {PARTS * PART} steps: "
                           + ", ".join(late))
    return rows


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
    schedule = warmup_cosine(checkpoint.metadata["steps"], 100, peak=1.5e-3,
                             last=0.01)
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
