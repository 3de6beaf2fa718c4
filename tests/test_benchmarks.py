"""The benchmarks: is the peer the same model, and are the tables right?"""

import keras
import numpy as np
import pytest
from keras import ops

from benchmarks import __main__ as runner
from benchmarks import learning, timing, word2vec
from benchmarks.timing import (
    Program,
    in_turn,
    ratio,
    side_by_side,
    speed,
    timed,
)
from lib import checkpoints
from lib.generation import generate
from training.gpt_reviews import GPT, gpt_reviews

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the benchmarks run on TensorFlow")

SIZES = {"vocabulary_size": 50, "max_length": 12, "embed_dim": 24,
         "num_layers": 2, "num_heads": 3}


@pytest.fixture(scope="module")
def pair():
    """Our GPT, its weights large enough to matter, and PyTorch's with them."""
    pytest.importorskip("torch", reason="a peer: make bench installs it")
    from benchmarks.pytorch_programs import TorchGPT

    ours, theirs = GPT(**SIZES), TorchGPT(**SIZES)
    ours(np.ones((1, 2), "int32"))
    rng = np.random.default_rng(1)
    ours.set_weights([rng.normal(0, 0.3, weight.shape)
                      for weight in ours.weights])
    theirs.take_weights(ours)
    return ours, theirs.eval()


def test_the_peer_is_the_same_model(pair):
    import torch

    ours, theirs = pair
    ids = np.random.default_rng(2).integers(1, 50, (4, 12))
    assert sum(p.numel() for p in theirs.parameters()) == ours.count_params()
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(ids)).numpy()
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours(ops.convert_to_tensor(ids))), expected,
        atol=1e-5)


def test_the_peer_writes_the_same_with_its_cache(pair):
    import torch

    ours, theirs = pair
    prompt = np.zeros((3, 12), "int32")
    prompt[:, 0], prompt[0, 1] = (5, 6, 7), 8
    ids = generate(ours.step, lambda n: ours.empty_cache(3, n), prompt, -1)
    expected = theirs.generate(torch.from_numpy(prompt).long()).numpy()
    np.testing.assert_array_equal(ops.convert_to_numpy(ids), expected)


@pytest.mark.slow
def test_the_peer_learns_the_same(pair):
    """Without dropout, from the same weights: the same losses."""
    from benchmarks.keras_programs import compile_model
    from benchmarks.pytorch_programs import Learner
    from benchmarks.training import SETTINGS

    ids = np.random.default_rng(3).integers(1, 50, (8, 12)).astype("int32")
    ids[:4, 8:] = 0
    batch = ids[:, :-1], ids[:, 1:]
    ours = GPT(**SIZES)
    ours(ids[:, :-1])
    learner = Learner(SIZES, SETTINGS)
    learner.model.take_weights(ours)
    compile_model(ours, SETTINGS)
    for _ in range(4):
        assert learner.learn(*batch) == pytest.approx(
            float(np.asarray(ours.train_on_batch(*batch))), rel=1e-3)


# ---- what is timed

def test_the_settings_are_those_of_the_training():
    from benchmarks.training import SETTINGS

    optimizer = gpt_reviews().model.optimizer
    assert SETTINGS["betas"] == (optimizer.beta_1, optimizer.beta_2)
    assert SETTINGS["weight_decay"] == optimizer.weight_decay
    assert SETTINGS["clipnorm"] == optimizer.global_clipnorm


@pytest.mark.slow
def test_the_race_is_run_on_the_batches_of_the_training():
    checkpoint = checkpoints.load("gpt_reviews")
    sizes, _, parts, rates, (ids, following) = learning.data(checkpoint)
    training = gpt_reviews()
    assert sizes == training.config
    for step in (0, 1, learning.PART):
        part, i = divmod(step, learning.PART)
        for a, b in zip(parts[part][i], training.batch(step)):
            np.testing.assert_array_equal(a, b)
        assert rates[step] == pytest.approx(
            float(training.model.optimizer._learning_rate(step)))
    np.testing.assert_array_equal(ids[:, 1:], following[:, :-1])
    assert len(ids) == learning.VALIDATION <= training.held_out
    assert 1 < learning.bits_per_nat(checkpoint) * np.log(2) < 1.1


@pytest.fixture
def no_rest(monkeypatch):
    for module in (learning, timing):
        monkeypatch.setattr(module, "REST_SECONDS", 0)


def test_the_race_ends_when_all_have_reached_the_target(no_rest):
    nats = {"a": [9, 7.0], "b": [9, 8, 7.1]}
    programs = {name: iter([(2.0, n) for n in values]).__next__
                for name, values in nats.items()}
    assert learning.race(programs, 1.0) == (
        {"a": [2.0] * 2, "b": [2.0] * 3}, {"a": 7.0, "b": 7.1})
    with pytest.raises(RuntimeError, match="not at .* bits after 400 .*: a"):
        learning.race({"a": lambda: (1.0, 9.0)}, 1.0)


def test_programs_take_turns_each_with_an_untimed_call(no_rest):
    calls = []
    seconds = in_turn({name: timed(lambda name=name: calls.append(name))
                       for name in "ab"}, repeats=3)
    assert calls == list("aabb" * 3)
    assert [len(taken) for taken in seconds.values()] == [3, 3]


def test_the_median_and_the_spread_are_told():
    assert speed(100, [1.0, 2.0, 4.0]) == {"median": 50, "slowest": 25,
                                           "fastest": 100}
    assert ratio([2.0, 3.0, 8.0], [1.0, 2.0, 1.0]) == 2.0


# ---- a process each

def sleeper(seconds):
    def call():
        if seconds < 0:
            raise ValueError("a negative time")
        return seconds
    return call


def leaver():
    return lambda: __import__("os")._exit(3)


HERE = "tests.test_benchmarks"


@pytest.mark.slow
def test_programs_run_in_processes_of_their_own():
    assert side_by_side({"a": (f"{HERE}:sleeper", 1.5),
                         "b": (f"{HERE}:sleeper", 2.5)}, 2) == {
        "a": [1.5, 1.5], "b": [2.5, 2.5]}


@pytest.mark.slow
@pytest.mark.parametrize("maker, words", [
    ((f"{HERE}:sleeper", -1), "it failed\n(.|\n)*a negative time"),
    ((f"{HERE}:nobody",), "it failed\n(.|\n)*nobody"),
    ((f"{HERE}:leaver",), "it ended, with exit status 3"),
])
def test_a_program_that_fails_says_why(maker, words):
    with pytest.raises(RuntimeError, match=words):
        Program("it", *maker)()


@pytest.mark.slow
def test_every_program_of_a_benchmark_can_be_made():
    pytest.importorskip("torch", reason="a peer: make bench installs it")
    from benchmarks.training import SETTINGS

    ids = np.ones((2, 12), "int32")
    prompt = np.where(np.arange(12), 0, ids)
    learn = SIZES, SETTINGS, [[(ids, ids)]], [1e-3] * 3, (ids, ids)
    seconds = side_by_side({
        "step": ("benchmarks.keras_programs:our_step", SIZES, SETTINGS,
                 (ids, ids)),
        "torch step": ("benchmarks.pytorch_programs:step", SIZES, SETTINGS,
                       (ids, ids)),
        "cache": ("benchmarks.keras_programs:with_cache", SIZES, prompt),
        "window": ("benchmarks.keras_programs:without_cache", SIZES, prompt,
                   3),
        "part": ("benchmarks.keras_programs:steps", SIZES, prompt, 2, 3),
        "torch": ("benchmarks.pytorch_programs:writing", SIZES, prompt),
        "product": ("benchmarks.keras_programs:product", 8),
        "torch product": ("benchmarks.pytorch_programs:product", 8)}, 1)
    assert all(taken[0] > 0 for taken in seconds.values())
    for more in ({}, {"bfloat16": True}):
        taken, nats = Program(
            "it", "benchmarks.pytorch_programs:learning", *learn, more)()
        assert taken > 0 and 3 < nats < 5
    for more in ({}, {"policy": "mixed_bfloat16"}):
        taken, nats = Program("it", "benchmarks.keras_programs:learning",
                              *learn, more)()
        assert taken > 0 and 3 < nats < 5


def test_the_chapter_has_the_cells_that_are_timed():
    cells = word2vec.sources()
    assert (word2vec.find(cells, word2vec.FIRST)
            < word2vec.find(cells, word2vec.LAST))
    with pytest.raises(ValueError, match="0 cells of chapter 03"):
        word2vec.find(cells, "no such text")


def rows(speed):
    return [{"model": "ours", "tokens/s": speed},
            {"model": "peer", "tokens/s": 1000}]


def test_rows_with_other_columns_make_another_table():
    mixed = [*rows(1), {"length": "64", "ms": 3}]
    text = runner.tables(runner.with_run({}, "training", mixed, {}))
    assert "| model" in text and "| length" in text


def test_two_runs_are_kept_and_compared():
    results = {}
    for tokens in (3000, 1000, 1250):
        results = runner.with_run(results, "training", rows(tokens),
                                  {"a": "b"})
    assert [run["rows"] for run in results["training"]] == [rows(1250),
                                                           rows(1000)]
    text = runner.tables(results)
    assert "1,250 (1,000)" in text
    assert "tokens/s at most 25%" in text


def test_another_machine_is_not_compared():
    results = runner.with_run({}, "training", rows(1), {"processor": "old"})
    results = runner.with_run(results, "training", rows(2),
                              {"processor": "new"})
    assert [run["rows"] for run in results["training"]] == [rows(2)]


def test_other_rows_are_not_compared():
    results = runner.with_run({}, "training", rows(1), {})
    results = runner.with_run(results, "training", rows(2)[:1], {})
    assert len(results["training"]) == 1


def test_the_tables_show_the_stored_results():
    assert runner.TABLES.read_text("utf-8") == runner.tables(runner.stored())
    assert set(runner.stored()) == set(runner.SUBJECTS)
