"""Times of things that are measured side by side."""

import importlib
import multiprocessing
import statistics
import sys
import time
import traceback

REPEATS = 7
REST_SECONDS = 0.3  # idle threads of the one before have gone to sleep by then


def timed(function):
    """A function that calls another twice and returns the seconds of the
    second time: what the first compiles, allocates and reads is in place."""
    def call():
        function()
        start = time.perf_counter()
        function()
        return time.perf_counter() - start
    return call


class Program:
    """A program in a process of its own, which works when it is asked to.

    Two programs in one process disturb each other, even in turn: the threads
    of one wait for work by spinning, and its memory stays.
    """

    def __init__(self, name, maker, *arguments):
        """
        Args:
            name: for messages.
            maker: "module:function" of a function that prepares everything
                and returns a function without arguments.
            arguments: of the maker; they are pickled.

        Raises:
            RuntimeError: the maker failed.
        """
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.pipe, other = context.Pipe()
        self.process = context.Process(
            target=serve, args=(other, maker, arguments), daemon=True)
        self.process.start()
        other.close()
        self._answer()

    def __call__(self):
        """What the function returns, called once more.

        Raises:
            RuntimeError: it failed, or its process ended.
        """
        self.pipe.send("go")
        return self._answer()

    def close(self):
        self.pipe.close()
        self.process.terminate()
        self.process.join()

    def _answer(self):
        try:
            failed, answer = self.pipe.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(f"{self.name} ended, with exit status "
                               f"{self.process.exitcode}") from None
        if failed:
            raise RuntimeError(f"{self.name} failed\n{answer}")
        return answer


def serve(pipe, maker, arguments):
    """What runs in the process of a Program."""
    module, _, function = maker.partition(":")
    try:
        call = getattr(importlib.import_module(module), function)(*arguments)
        pipe.send((False, None))
        while pipe.recv():
            pipe.send((False, call()))
    except EOFError:  # nobody asks any more
        pass
    except Exception:
        pipe.send((True, traceback.format_exc()))


def in_turn(programs, repeats=REPEATS):
    """Call programs one after the other, round after round, so that what slows
    the machine for a while slows all of them.

    Args:
        programs: dict of names to functions without arguments, such as
            Program, that return seconds.
        repeats: number of rounds.

    Returns:
        Dict of names to the list of seconds, one a round.
    """
    seconds = {name: [] for name in programs}
    for turn in range(1, repeats + 1):
        for name, program in programs.items():
            progress(f"round {turn} of {repeats}: {name}")
            time.sleep(REST_SECONDS)
            seconds[name].append(program())
    progress("")
    return seconds


def side_by_side(makers, repeats=REPEATS):
    """Time programs in turn, each in a process of its own.

    Args:
        makers: dict of names to tuples, the arguments of Program after the
            name; the program returns seconds.

    Returns:
        As in_turn.
    """
    programs = {}
    try:
        for name, (maker, *arguments) in makers.items():
            progress(f"preparing {name}")
            programs[name] = Program(name, maker, *arguments)
        return in_turn(programs, repeats)
    finally:
        for program in programs.values():
            program.close()


def speed(amount, seconds):
    """Columns of a row: amount a second, the median of the rounds, and the
    slowest and the fastest of them."""
    return {"median": round(amount / statistics.median(seconds)),
            "slowest": round(amount / max(seconds)),
            "fastest": round(amount / min(seconds))}


def ratio(others, ours):
    """How many times as fast we are: the median of the rounds' ratios."""
    return round(statistics.median(
        other / own for other, own in zip(others, ours)), 2)


def progress(text):
    """Write over the last line of a terminal; a log keeps the results only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
