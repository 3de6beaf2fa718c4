"""lib.generation against plain loops, on the backend that KERAS_BACKEND
names, with the decoders of chapters 06 and 07."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from lib.generation import beam_search, compiled, generate, greedy
from tests import reference
from tests.reference import COMPILED_POLICIES, numpy_of
from training.gpt_reviews import GPT, sampler
from training.translator import Translator

END = 2
LENGTH = 12
NOISE = np.random.default_rng(0).uniform(size=(LENGTH, 3)).astype("float32")
PROMPT = np.zeros((3, LENGTH), "int32")
PROMPT[:, 0] = 3, 4, 5
PROMPT[1, 1:4] = 7, 8, 9                      # a longer one
SOURCE = np.array([[3, 4, 5, 0], [6, 7, 0, 0], [8, 9, 3, 4]], "int32")


class Writer:
    """A model with what generate needs, and its logits of a whole text."""

    def __init__(self, name, **sizes):
        sizes = {"max_length": LENGTH, "embed_dim": 16, "num_layers": 2,
                 "num_heads": 2} | sizes
        if name == "gpt":
            self.model = GPT(12, **sizes)
            self.model(PROMPT[:, :2])
            self.new_cache = lambda n: self.model.empty_cache(3, n)
        else:
            self.model = Translator(12, 12, **sizes)
            self.model((SOURCE, PROMPT[:, :2]))
            self.new_cache = lambda n: self.model.start_cache(
                ops.convert_to_tensor(SOURCE), n)
        # Some texts of these two end early, and some do not.
        reference.randomise(self.model, seed=7 if name == "gpt" else 115)
        self.logits = ((lambda ids: reference.gpt_logits(self.model, ids))
                       if name == "gpt" else
                       (lambda ids: reference.translator_logits(
                           self.model, SOURCE[:len(ids)], ids)))
        self.programs = {}

    def write(self, prompt, choose=greedy, noise=NOISE):
        """Compiled once for each way to choose."""
        if choose not in self.programs:
            self.programs[choose] = compiled(
                lambda prompt, noise: generate(
                    self.model.step, self.new_cache, prompt, END, choose,
                    noise), self.model)
        return self.programs[choose](prompt, noise)

    def search(self, start, beam_size, length_penalty=0.0, length=LENGTH):
        return [np.array(part) for part in compiled(
            lambda start: beam_search(
                self.model.step, self.new_cache, start, length, END,
                beam_size, length_penalty), self.model)(start)]


class Tables:
    """Forty texts whose next token depends on the place and on the last two
    tokens, as a table says. They end early and late, many choices are close,
    and padding would often be the best.
    """
    texts, length, size = 40, 8, 6

    def __init__(self):
        rng = np.random.default_rng(0)
        self.table = rng.normal(scale=1.5, size=(
            self.texts, self.length, *[self.size] * 3)).astype("float32")
        self.table[..., 0] += 2
        self.start = rng.choice([1, 3, 4, 5], self.texts).astype("int32")

    def new_cache(self, length):
        """The number of the text, and the token before."""
        return (ops.arange(self.texts, dtype="int32"),
                ops.zeros(self.texts, "int32"))

    def step(self, ids, cache, position):
        text, before = cache
        row = (text * self.length + position) * self.size + before
        rows = ops.convert_to_tensor(self.table.reshape(-1, self.size))
        return ops.take(rows, row * self.size + ids, axis=0), (text, ids)

    def logits(self, ids, text=None):
        """Of whole texts (batch, length), or of beginnings of one text."""
        texts = np.arange(self.texts) if text is None else [text] * len(ids)
        before = np.pad(ids, [(0, 0), (1, 0)])[:, :-1]
        return np.array([self.table[i, np.arange(self.length), a, b]
                         for i, a, b in zip(texts, before, ids)])


@pytest.fixture(scope="module", params=["gpt", "translator"])
def writer(request):
    return Writer(request.param)


@pytest.fixture(scope="module")
def gpt():
    return Writer("gpt")


# ---- the cache

def test_with_the_cache_a_step_says_what_the_whole_text_says(writer):
    ids = np.random.default_rng(1).integers(3, 12, (3, LENGTH)).astype("int32")
    expected, cache = writer.logits(ids), writer.new_cache(LENGTH)
    for position in range(LENGTH):
        logits, cache = writer.model.step(
            ops.convert_to_tensor(ids[:, position]), cache,
            ops.convert_to_tensor(position))
        np.testing.assert_allclose(numpy_of(logits), expected[:, position],
                                   atol=1e-3)


def test_more_tokens_than_the_model_has_positions_are_refused(writer):
    prompt = np.pad(PROMPT, [(0, 0), (0, 2)])
    with pytest.raises(ValueError, match="13 tokens cannot be written: the "
                                         "model has 12 positions"):
        generate(writer.model.step, writer.new_cache, prompt, END)
    with pytest.raises(ValueError, match="has 12 positions"):
        beam_search(writer.model.step, writer.new_cache,
                    ops.convert_to_tensor(PROMPT[:, 0]), LENGTH + 2, END, 2)


def test_the_cache_has_room_for_all_tokens_that_are_read(writer):
    asked = []

    def new_cache(length):
        asked.append(length)
        return writer.new_cache(length)

    generate(writer.model.step, new_cache, PROMPT[:, :5], END)
    beam_search(writer.model.step, new_cache,
                ops.convert_to_tensor(PROMPT[:, 0]), 5, END, 2)
    assert asked == [4, 4]
    generate(writer.model.step, new_cache, PROMPT[:, :1], END)
    beam_search(writer.model.step, new_cache,
                ops.convert_to_tensor(PROMPT[:, 0]), 1, END, 2)
    assert asked == [4, 4, 1, 1]  # JAX has no use for a cache without room


# ---- writing

def test_greedy_text_is_that_of_a_plain_loop(writer):
    ids = writer.write(PROMPT)
    np.testing.assert_array_equal(ids, reference.written(
        writer.logits, PROMPT, END,
        lambda logits, step: logits.argmax(axis=-1)))
    assert ids.dtype == np.int32
    assert (ids[PROMPT != 0] == PROMPT[PROMPT != 0]).all()


SETTINGS = {"temperature": 2.0, "top_k": 6, "top_p": 0.8}
NUCLEUS = sampler(**SETTINGS)


def test_sampled_text_is_that_of_a_plain_loop(writer):
    ids = writer.write(PROMPT, NUCLEUS)
    np.testing.assert_array_equal(ids, reference.written(
        writer.logits, PROMPT, END, lambda logits, step: [
            reference.drawn(row, NOISE[step, i], **SETTINGS)
            for i, row in enumerate(logits)]))
    assert not np.array_equal(ids, writer.write(PROMPT))


@pytest.mark.parametrize("prompted", [1, 3])
@pytest.mark.parametrize("options", [None, {}, SETTINGS])
def test_forty_texts_are_those_of_a_plain_loop(prompted, options):
    tables = Tables()
    prompt = np.zeros((tables.texts, tables.length), "int32")
    prompt[:, :prompted] = tables.start[:, None]
    prompt[::2, 1:] = 0  # side by side with shorter ones
    noise = np.random.default_rng(1).uniform(
        size=(tables.length, tables.texts)).astype("float32")
    ids = numpy_of(generate(
        tables.step, tables.new_cache, prompt, END,
        greedy if options is None else sampler(**options),
        ops.convert_to_tensor(noise)))
    np.testing.assert_array_equal(ids, reference.written(
        tables.logits, prompt, END,
        lambda logits, step: logits.argmax(axis=-1) if options is None else [
            reference.drawn(row, noise[step, i], **options)
            for i, row in enumerate(logits)]))
    # The test says something: they end at every place, or not at all.
    assert len(set(np.count_nonzero(ids, axis=1))) >= 7 - prompted
    assert (ids[:, -1] != 0).any()


def counted(step, end_id):
    """A step whose every text ends after it, and the calls of it."""
    calls = []

    def ends(ids, cache, position):
        calls.append(int(position))
        logits, cache = step(ids, cache, position)
        best = ops.arange(logits.shape[-1]) == end_id
        return ops.where(best, 1e6, logits), cache
    return ends, calls


@pytest.mark.skipif(keras.backend.backend() == "jax",
                    reason="JAX calls it once, to compile the loop")
def test_no_step_is_made_when_all_texts_have_ended(gpt):
    step, calls = counted(gpt.model.step, END)
    generate(step, gpt.new_cache, PROMPT, END)
    assert calls == [0, 1, 2, 3]  # the longest prompt has four tokens
    calls.clear()
    beam_search(step, gpt.new_cache, ops.convert_to_tensor(PROMPT[:, 0]),
                LENGTH, END, 1)
    assert calls == [0]


def test_a_text_ends_once_and_stays_empty_after_it(writer):
    for choose in (greedy, NUCLEUS):
        ended = (writer.write(PROMPT, choose) == END).any(axis=1)
        assert ended.any() and not ended.all()
        for row in writer.write(PROMPT, choose):
            size = np.count_nonzero(row)
            assert (row[:size] != 0).all() and (row[size:] == 0).all()
            ends = np.flatnonzero(row == END)
            assert len(ends) <= 1 and (not len(ends) or ends[0] == size - 1)
            assert len(ends) or size == LENGTH


def test_a_text_that_begins_with_the_end_is_over(gpt):
    prompt = PROMPT.copy()
    prompt[0, 0] = END
    ids = gpt.write(prompt)
    assert ids[0].tolist() == [END] + [0] * (LENGTH - 1)
    ids, scores = gpt.search(prompt[:, 0], 2)
    assert ids[0, 0].tolist() == [END] + [0] * (LENGTH - 1)
    assert scores[0, 0] == 0


@pytest.mark.parametrize("length", [1, 2])
def test_the_shortest_texts(gpt, length):
    prompt = PROMPT[:, :length]
    ids = numpy_of(generate(gpt.model.step, gpt.new_cache, prompt, END))
    assert ids.shape == (3, length) and (ids[:, 0] == prompt[:, 0]).all()


@pytest.mark.parametrize("policy", COMPILED_POLICIES, indirect=True)
def test_texts_are_written_in_mixed_precision(policy):
    for name in ("gpt", "translator"):
        writer = Writer(name, num_layers=1)
        for ids in (writer.write(PROMPT),
                    numpy_of(generate(writer.model.step, writer.new_cache,
                                      PROMPT, END))):
            assert ids.shape == (3, LENGTH) and (ids[:, 1] != 0).all()


# ---- how a token is chosen

def draws(probabilities, noise, **options):
    logits = np.log(np.array(probabilities, "float64")).astype("float32")
    rows = np.repeat(logits[None], len(noise), axis=0)
    return numpy_of(sampler(**options)(ops.convert_to_tensor(rows),
                                       ops.convert_to_tensor(noise)))


FOUR = [0.3, 0.5, 0.05, 0.15]  # not in their order
EVEN = (np.arange(10_000, dtype="float32") + 0.5) / 10_000


@pytest.mark.parametrize("options, expected", [
    ({}, FOUR),
    ({"top_p": 1.0}, FOUR),
    ({"top_k": 1}, [0, 1, 0, 0]),
    ({"top_k": 2}, [0.375, 0.625, 0, 0]),
    ({"top_k": 9}, FOUR),
    ({"top_p": 0.6}, [0.375, 0.625, 0, 0]),
    ({"top_p": 0.01}, [0, 1, 0, 0]),
    ({"top_p": 0.9}, [0.3 / 0.95, 0.5 / 0.95, 0, 0.15 / 0.95]),
    ({"temperature": 0.5}, np.square(FOUR) / np.square(FOUR).sum()),
    ({"temperature": 2}, np.sqrt(FOUR) / np.sqrt(FOUR).sum()),
    ({"top_k": 3, "top_p": 0.6}, [0.375, 0.625, 0, 0]),
])
def test_tokens_come_as_often_as_their_probability(options, expected):
    shares = np.bincount(draws(FOUR, EVEN, **options).astype(int),
                         minlength=4) / len(EVEN)
    np.testing.assert_allclose(shares, expected, atol=2e-3)


@pytest.mark.parametrize("noise, token", [(0.0, 1), (0.4999, 1), (0.501, 0),
                                          (0.81, 3), (0.96, 2)])
def test_the_noise_lies_on_the_line_of_the_probabilities(noise, token):
    assert draws(FOUR, np.array([noise], "float32"))[0] == token


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("options, allowed", [
    ({"top_p": 0.6}, {0, 1}), ({"top_k": 2}, {0, 1}), ({}, {0, 1, 2, 3})])
def test_noise_at_the_very_end_of_the_line(noise, options, allowed):
    """Rounding makes a 1.0 of a number just below it."""
    for dtype in ("float32", "float64"):
        assert draws(FOUR, np.array([noise], dtype), **options)[0] in allowed


def test_among_equal_tokens_each_has_its_stretch_of_the_line():
    """Four of a quarter each: here every bound is exact."""
    even = [1, 1, 1, 1]
    starts = np.arange(4, dtype="float32") / 4
    assert len(set(draws(even, starts))) == 4
    assert len(set(draws(even, EVEN, top_p=0.5))) == 2  # reach it, no more
    assert len(set(draws(even, EVEN, top_p=0.51))) == 3


@pytest.mark.parametrize("shift", [-1000, 1000])
def test_logits_may_all_be_high_or_low(shift):
    logits = np.log(np.array([FOUR], "float32")) + shift
    for noise, token in ((0.25, 1), (0.7, 0), (0.9, 3)):
        ids = sampler()(ops.convert_to_tensor(logits),
                        ops.convert_to_tensor(np.array([noise], "float32")))
        assert numpy_of(ids).tolist() == [token]


@pytest.mark.parametrize("temperature", [0.01, 1.0, 1e9])
def test_no_temperature_makes_a_text_of_padding(gpt, temperature):
    noise = np.random.default_rng(2).uniform(size=(LENGTH, 3))
    ids = gpt.write(PROMPT, sampler(temperature), noise.astype("float32"))
    for row in ids:
        size = np.count_nonzero(row)
        assert (row[:size] != 0).all()
        assert size == LENGTH or row[size - 1] == END


@pytest.mark.parametrize("options, words", [
    ({"temperature": 0}, "greedy"),
    ({"temperature": -1}, "above 0, not -1"),
    ({"top_k": 0}, "1 or more, not 0"),
    ({"top_p": 0}, "above 0"),
    ({"top_p": 1.5}, "not 1.5"),
])
def test_impossible_settings_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        sampler(**options)


def test_settings_at_their_bounds_are_not_refused():
    sampler(temperature=1e-3, top_k=1, top_p=1)


# ---- beams

@pytest.mark.parametrize("beam_size, penalty", [(1, 0.0), (3, 0.0), (3, 1.0)])
def test_beams_are_those_of_a_plain_search(writer, beam_size, penalty):
    ids, scores = writer.search(PROMPT[:, 0], beam_size, penalty, length=7)
    assert ids.shape == (3, beam_size, 7) and ids.dtype == np.int32
    for text in range(3):
        def logits(row, text=text):
            rows = np.repeat(row, 3, axis=0)
            return writer.logits(rows)[[text]]

        beams = reference.best_beams(logits, PROMPT[text, 0], 7, END,
                                     beam_size, penalty)
        np.testing.assert_allclose(scores[text], [b[0] for b in beams],
                                   atol=1e-3)
        for row, (_, expected) in zip(ids[text], beams):
            assert row[:len(expected)].tolist() == expected
            assert not row[len(expected):].any()


@pytest.mark.parametrize("beam_size", [1, 2, 3])
@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
def test_the_beams_of_forty_texts_are_those_of_a_plain_search(beam_size,
                                                             penalty):
    """Texts that have ended compete with longer ones, so that each token must
    count, and count once."""
    tables = Tables()
    ids, scores = (numpy_of(part) for part in beam_search(
        tables.step, tables.new_cache, ops.convert_to_tensor(tables.start),
        tables.length, END, beam_size, penalty))
    for text in range(tables.texts):
        beams = reference.best_beams(
            lambda row, text=text: tables.logits(row, text),
            tables.start[text], tables.length, END, beam_size, penalty)
        np.testing.assert_allclose(scores[text], [b[0] for b in beams],
                                   atol=1e-4)
        for row, (_, expected) in zip(ids[text], beams):
            assert row[:len(expected)].tolist() == expected
            assert not row[len(expected):].any()
    assert len(set(np.count_nonzero(ids[:, 0], axis=1))) >= 5


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_beams_as_many_as_there_are_texts_find_the_best(penalty):
    """All texts of three tokens more, one by one."""
    tables = Tables()
    texts = {text[:text.index(END) + 1] if END in text else text
             for text in itertools.product(range(1, 6), repeat=3)}
    ids, scores = (numpy_of(part) for part in beam_search(
        tables.step, tables.new_cache, ops.convert_to_tensor(tables.start), 4,
        END, len(texts), penalty))
    for i in range(tables.texts):
        found = {}
        for text in texts:
            row = np.zeros((1, tables.length), "int32")
            row[0, :len(text) + 1] = tables.start[i], *text
            logits = tables.logits(row, i)[0, :len(text)].copy()
            logits[:, 0] = -np.inf
            logs = reference.log_softmax(logits)[range(len(text)), text].sum()
            found[tuple(row[0, :4])] = logs / ((5 + len(text)) / 6) ** penalty
        best = max(found, key=found.get)
        assert tuple(ids[i, 0]) == best
        np.testing.assert_allclose(scores[i], sorted(found.values())[::-1],
                                   atol=1e-4)


def test_plain_probabilities_are_compared_unless_asked_otherwise():
    tables = Tables()
    start = ops.convert_to_tensor(tables.start)
    found = [numpy_of(beam_search(tables.step, tables.new_cache, start, 8,
                                  END, 2, *penalty)[1])
             for penalty in ([], [0.0], [1.0])]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])


def test_one_beam_is_greedy(writer):
    prompt = np.where(np.arange(LENGTH), 0, PROMPT)
    ids, _ = writer.search(PROMPT[:, 0], 1)
    np.testing.assert_array_equal(ids[:, 0], writer.write(prompt))


def test_surplus_beams_are_filler_far_below():
    """Three ids can follow, so there are three texts of two tokens."""
    model = GPT(4, 4, 8, 1, 2)
    model(np.ones((1, 2), "int32"))
    ids, scores = (numpy_of(part) for part in beam_search(
        model.step, lambda n: model.empty_cache(1, n),
        ops.convert_to_tensor(np.array([3], "int32")), 2, END, 5))
    assert sorted(ids[0, :3, 1]) == [1, 2, 3]
    assert (scores[0, :3] > -50).all() and (scores[0, 3:] < -1e6).all()


# ---- compiling

def test_what_is_compiled_is_the_same_function(gpt):
    eager = numpy_of(generate(gpt.model.step, gpt.new_cache, PROMPT, END))
    np.testing.assert_array_equal(gpt.write(PROMPT), eager)


@pytest.mark.parametrize("options", [{}, {"xla": False}, {"xla": True}])
def test_xla_is_asked_for_on_tensorflow_only(options, monkeypatch):
    seen = []
    monkeypatch.setattr(keras.Model, "compile",
                        lambda self, jit_compile: seen.append(jit_compile))
    compiled(lambda x: x, None, **options)
    on_tensorflow = keras.backend.backend() == "tensorflow"
    assert seen == [True if options.get("xla") and on_tensorflow else "auto"]


def test_a_compiled_function_uses_the_weights_as_they_are_now(gpt):
    writer = Writer("gpt")
    before = writer.write(PROMPT)
    reference.randomise(writer.model, seed=9)
    assert not np.array_equal(writer.write(PROMPT), before)
