"""Times of things that are measured side by side."""

import statistics
import sys
import time

REPEATS = 5
REST_SECONDS = 0.3


def in_turn(functions, repeats=REPEATS, summary=statistics.median):
    """Time functions one after the other, round after round, so that what
    slows the machine for a while slows all of them.

    At its turn each rests, runs once untimed and is then timed: the threads
    of the one before have gone to sleep, and what it compiles, allocates and
    reads is in place. PyTorch still swings beside TensorFlow: see the README.

    Args:
        functions: dict of names to functions without arguments.
        repeats: number of rounds.
        summary: function of a list of seconds.

    Returns:
        Dict of names to the summary of the seconds of a call.
    """
    seconds = {name: [] for name in functions}
    for turn in range(1, repeats + 1):
        for name, function in functions.items():
            progress(f"round {turn} of {repeats}: {name}")
            time.sleep(REST_SECONDS)
            function()
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    progress("")
    return {name: summary(taken) for name, taken in seconds.items()}


def progress(text):
    """Write over the last line of a terminal; a log keeps the results only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
