"""What tests/test_generation.py runs once for each backend.

    KERAS_BACKEND=jax python tests/generation_on_one_backend.py FOLDER

It checks the promises and writes what was generated to FOLDER/BACKEND.npz.
"""

import itertools
import pathlib
import sys

import keras
import numpy as np
from keras import ops

from lib.generation import beam_search, compiled, decode, greedy, sampler
from lib.models import GPT, Translator

END = 2
LENGTH = 12
RANDOM = np.random.default_rng(0)
NOISE = RANDOM.uniform(size=(LENGTH, 3)).astype("float32")
PROMPT = np.zeros((3, LENGTH), "int32")
PROMPT[:, 0] = 3, 4, 5
PROMPT[1, 1:4] = 7, 8, 9                      # a longer one
SOURCE = np.array([[3, 4, 5, 0], [6, 7, 0, 0], [8, 9, 3, 4]], "int32")


def with_random_weights(model, *example):
    """Large random weights, biases too: choices far from a draw."""
    model(*example)
    for weight in model.trainable_weights:
        weight.assign(RANDOM.normal(size=weight.shape, scale=0.4))
    return model


def numpy_of(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def check_cache(model, full, cache, ids):
    """Step by step, the logits are those of the whole text at once."""
    expected = full(ids)
    for position in range(ids.shape[1]):
        logits, cache = model.step(ops.convert_to_tensor(ids[:, position]),
                                   cache, ops.convert_to_tensor(position))
        np.testing.assert_allclose(numpy_of(logits), expected[:, position],
                                   atol=1e-4)


def check_causal(full, ids):
    """A token changes what comes after it, and nothing before."""
    other = ids.copy()
    other[:, 4] = ids[:, 4] % 9 + 3
    difference = np.abs(full(ids) - full(other))
    assert difference[:, :4].max() < 1e-5
    assert (difference[:, 4:].max(axis=-1) > 1e-3).all()


def check_source_mask(model, ids):
    """Padding on the right of a source changes nothing; a word does."""
    padded = np.pad(SOURCE, [(0, 0), (0, 3)])
    expected = numpy_of(model((SOURCE, ids)))
    np.testing.assert_allclose(numpy_of(model((padded, ids))), expected,
                               atol=1e-5)
    other = np.where(SOURCE == 3, 10, SOURCE)
    moved = np.abs(numpy_of(model((other, ids))) - expected).max(axis=(1, 2))
    assert (moved[[0, 2]] > 1e-3).all() and moved[1] < 1e-5


def without_cache(full, choose):
    """The same loop in plain Python, reading all of the text each time."""
    ids, ended = PROMPT.copy(), np.zeros(3, bool)
    for position in range(LENGTH - 1):
        logits = full(ids)[:, position]
        logits[:, 0] = -1e9
        chosen = numpy_of(choose(ops.convert_to_tensor(logits),
                                 ops.convert_to_tensor(NOISE[position])))
        given = PROMPT[:, position + 1]
        ids[:, position + 1] = np.where(given, given,
                                        np.where(ended, 0, chosen))
        ended |= ids[:, position + 1] == END
    return ids


def writer(model, new_cache, choose):
    return compiled(lambda prompt, noise: decode(
        model.step, new_cache(), prompt, END, choose, noise), model)


def check_decoding(model, full, new_cache):
    """With and without a cache, token for token, however it is chosen."""
    written = {}
    for name, choose in {"greedy": greedy,
                         "nucleus": sampler(2.0, top_p=0.8)}.items():
        ids = writer(model, new_cache, choose)(PROMPT, NOISE)
        np.testing.assert_array_equal(ids, without_cache(full, choose), name)
        check_ends(ids)
        written[name] = ids
    assert not np.array_equal(written["nucleus"], written["greedy"])
    return written


def check_ends(ids):
    """The prompt stands, then tokens, then an end, then nothing."""
    assert (ids[PROMPT != 0] == PROMPT[PROMPT != 0]).all()
    for row in ids:
        size = np.count_nonzero(row)
        assert (row[:size] != 0).all() and (row[size:] == 0).all()
        ends = np.flatnonzero(row == END)
        assert len(ends) <= 1 and (not len(ends) or ends[0] == size - 1)
        assert len(ends) or size == LENGTH


def check_beams(model, full, new_cache):
    start = PROMPT[:, 0]
    prompt = np.zeros_like(PROMPT)
    prompt[:, 0] = start
    one, _ = searched(model, new_cache, 1, 0.0)(start)
    expected = writer(model, new_cache, greedy)(prompt, NOISE)
    np.testing.assert_array_equal(one[:, 0], expected)
    ids, scores = searched(model, new_cache, 4, 0.7)(start)
    assert (np.diff(scores) <= 0).all()
    for beam in range(4):
        for text, logits in enumerate(full(ids[:, beam])):
            expected = log_probability(logits, ids[text, beam], 0.7)
            assert np.isclose(scores[text, beam], expected, atol=1e-3)
    return ids


def searched(model, new_cache, beam_size, penalty, length=LENGTH):
    return compiled(lambda start: beam_search(
        model.step, new_cache(), start, length, END, beam_size, penalty),
        model)


def log_probability(logits, ids, penalty):
    """Score of one text, from the model's logits (length, vocabulary)."""
    logits = logits.astype("float64")
    logits[:, 0] = -1e9
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    written = np.flatnonzero(ids[1:])
    return (logs[written, ids[1:][written]].sum()
            / ((5 + len(written)) / 6) ** penalty)


def check_exhaustive():
    """A beam as wide as the number of texts finds the best of them."""
    size, length = 5, 4                       # ids 1 to 4; 2 ends
    model = with_random_weights(GPT(size, length, 8, 1, 2),
                                np.ones((3, length), "int32"))
    texts = {tuple(cut(text)) for text in
             itertools.product(range(1, size), repeat=length - 1)}
    rows = np.array([text + (0,) * (length - 1 - len(text))
                     for text in texts])
    for penalty in (0.0, 1.0):
        ids, scores = searched(
            model, lambda: model.empty_cache(3, length), 64, penalty,
            length)(np.array([1, 3, 4], "int32"))
        for row, start in enumerate([1, 3, 4]):
            starts = np.full((len(rows), 1), start)
            candidates = np.hstack([starts, rows]).astype("int32")
            logits = numpy_of(model(candidates))
            expected = [log_probability(logits[i], text, penalty)
                        for i, text in enumerate(candidates)]
            best = np.argmax(expected)
            np.testing.assert_array_equal(ids[row, 0], candidates[best])
            assert np.isclose(scores[row, 0], expected[best], atol=1e-4)


def cut(text):
    return text[:text.index(END) + 1] if END in text else text


def check_sampler():
    """Shares of many draws are the probabilities, cut and renewed."""
    logits = np.log([[0.5, 0.3, 0.15, 0.05]]).astype("float32")
    draws = np.repeat(logits, 10_000, axis=0)
    noise = (np.arange(10_000, dtype="float32") + 0.5) / 10_000
    for options, expected in [
            ({}, [0.5, 0.3, 0.15, 0.05]),
            ({"top_p": 1.0}, [0.5, 0.3, 0.15, 0.05]),
            ({"top_k": 1}, [1, 0, 0, 0]),
            ({"top_k": 2}, [0.625, 0.375, 0, 0]),
            ({"top_k": 9}, [0.5, 0.3, 0.15, 0.05]),
            ({"top_p": 0.6}, [0.625, 0.375, 0, 0]),
            ({"top_p": 0.01}, [1, 0, 0, 0]),
            ({"temperature": 0.5}, np.square([0.5, 0.3, 0.15, 0.05])
             / np.square([0.5, 0.3, 0.15, 0.05]).sum())]:
        ids = numpy_of(sampler(**options)(ops.convert_to_tensor(draws),
                                          ops.convert_to_tensor(noise)))
        shares = np.bincount(ids, minlength=4) / len(ids)
        np.testing.assert_allclose(shares, expected, atol=2e-3)


def main(folder):
    keras.utils.set_random_seed(1)
    check_sampler()
    check_exhaustive()
    ids = RANDOM.integers(3, 12, size=(3, LENGTH)).astype("int32")
    gpt = with_random_weights(GPT(12, LENGTH, 16, 2, 2), ids)
    translator = with_random_weights(Translator(12, 12, LENGTH, 16, 2, 2),
                                     (SOURCE, ids))
    check_source_mask(translator, ids)
    written = {}
    for model, full, new_cache in (
            (gpt, compiled(gpt, gpt), lambda: gpt.empty_cache(3, LENGTH)),
            (translator,
             compiled(lambda ids: translator((SOURCE, ids)), translator),
             lambda: translator.start_cache(ops.convert_to_tensor(SOURCE),
                                            LENGTH))):
        check_cache(model, full, new_cache(), ids)
        check_causal(full, ids)
        for name, texts in check_decoding(model, full, new_cache).items():
            written[f"{model.name} {name}"] = texts
        written[f"{model.name} beams"] = check_beams(model, full, new_cache)
    np.savez(folder / f"{keras.backend.backend()}.npz", **written)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
