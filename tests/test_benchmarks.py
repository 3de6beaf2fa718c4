"""The benchmarks: is the peer the same model, and are the tables right?"""

import numpy as np
import pytest
from keras import ops

from benchmarks import __main__ as runner
from benchmarks import word2vec
from benchmarks.timing import in_turn
from lib.generation import decode, greedy
from lib.models import GPT

SIZES = {"vocabulary_size": 50, "max_length": 12, "width": 24,
         "num_layers": 2, "num_heads": 3}


@pytest.fixture(scope="module")
def pair():
    """Our GPT, its weights large enough to matter, and PyTorch's with them."""
    pytest.importorskip("torch", reason="a peer: make bench installs it")
    from benchmarks.peers import TorchGPT

    ours, theirs = GPT(**SIZES), TorchGPT(**SIZES)
    ours(np.ones((1, 2), "int32"))
    random = np.random.default_rng(1)
    ours.set_weights([random.normal(0, 0.3, weight.shape)
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
    ids = decode(ours.step, ours.empty_cache(3, 12),
                 ops.convert_to_tensor(prompt), -1, greedy)
    expected = theirs.generate(torch.from_numpy(prompt).long()).numpy()
    np.testing.assert_array_equal(ops.convert_to_numpy(ids), expected)


def test_what_is_timed_is_chapter_06s_model():
    pytest.importorskip("torch", reason="a peer: make bench installs it")
    from benchmarks.peers import chapter_06

    recipe, sizes = chapter_06()
    model = GPT(**sizes)
    model(np.ones((1, 2), "int32"))
    assert ([w.shape for w in model.weights]
            == [w.shape for w in recipe.model.weights])


def test_functions_take_turns_each_with_an_untimed_call():
    calls = []
    counts = in_turn({name: lambda name=name: calls.append(name)
                      for name in "ab"}, repeats=3, summary=len)
    assert calls == list("aabb" * 3)
    assert counts == {"a": 3, "b": 3}


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
    for speed in (3000, 1000, 1250):
        results = runner.with_run(results, "training", rows(speed), {"a": "b"})
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
