"""Checkpoints: what is stored, what is refused, and how they are trained."""

import itertools
import json

import keras
import numpy as np
import pytest

from lib import checkpoints
from lib.checkpoints import CheckpointError
from lib.fine_tuning import SETTINGS, new_classifier, settings
from lib.recipes import (
    RECIPES,
    Recipe,
    language_texts,
    language_vocabularies,
)
from tests.backends import run
from tools import checkpoints as tool
from tools import fine_tuning

STORED = sorted(path.stem for path in checkpoints.FOLDER.glob("*.npz")
                if "unfinished" not in path.name
                and path.stem != "fine_tuned")  # by tools/fine_tuning.py
FACTS = {"command", "seed", "data_sha256", "steps", "loss", "first_losses",
         "seconds", "backend", "precision", "keras", "machine", "weights",
         "sha256"}


def small_model(width=4):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(width),
                              keras.layers.Dropout(0.5),
                              keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def small_recipe():
    def batch(step):
        random = np.random.default_rng([1, step])
        return random.normal(size=(8, 3)), random.normal(size=(8, 1))

    return Recipe(small_model(), batch, steps=7, texts=["一", "二"],
                  vocabulary=None)


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.setitem(RECIPES, "small", small_recipe)


def arrays(path):
    with np.load(path) as stored:
        return [stored[name] for name in stored.files]


def test_what_was_saved_is_loaded(tmp_path):
    model, other = small_model(), small_model()
    checkpoints.save(model, "one", {"seed": 5}, tmp_path)
    facts = checkpoints.load(other, "one", tmp_path)
    assert facts["seed"] == 5 and facts["weights"] == model.count_params()
    for a, b in zip(model.weights, other.weights):
        np.testing.assert_array_equal(np.float16(a.numpy()), b.numpy())


@pytest.mark.parametrize("damage, words", [
    (lambda folder: (folder / "one.npz").unlink(), "one.npz is missing"),
    (lambda folder: (folder / "one.json").unlink(), "one.json is missing"),
    (lambda folder: (folder / "one.json").write_text("{"), "json is damaged"),
    (lambda folder: (folder / "one.npz").write_bytes(
        (folder / "one.npz").read_bytes()[:-1] + b"?"), "SHA-256 differs"),
])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage, words):
    checkpoints.save(small_model(), "one", {}, tmp_path)
    damage(tmp_path)
    model = small_model()
    before = [w.numpy() for w in model.weights]
    with pytest.raises(CheckpointError, match=words) as error:
        checkpoints.load(model, "one", tmp_path)
    assert "make checkpoints ONLY=one" in str(error.value)
    for weight, old in zip(model.weights, before):
        np.testing.assert_array_equal(weight.numpy(), old)


def test_a_table_of_vectors_is_stored_in_a_byte_a_number(tmp_path):
    def model():
        return keras.Sequential([keras.Input((3,), dtype="int32"),
                                 keras.layers.Embedding(2000, 16)])

    table, other = model(), model()
    random = np.random.default_rng(0)
    values = random.normal(size=(2000, 16)) * random.uniform(size=(2000, 1))
    values[0] = 0
    table.set_weights([values])
    checkpoints.save(table, "table", {}, tmp_path)
    checkpoints.load(other, "table", tmp_path)
    assert (tmp_path / "table.npz").stat().st_size < 2000 * (16 + 4) + 1000
    error = np.abs(other.get_weights()[0] - values)
    assert (error <= np.abs(values).max(axis=1, keepdims=True) / 250).all()


def test_another_model_is_refused(tmp_path):
    checkpoints.save(small_model(), "one", {}, tmp_path)
    with pytest.raises(CheckpointError, match="other shapes"):
        checkpoints.load(small_model(width=5), "one", tmp_path)


def test_a_large_model_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((900,)),
                              keras.layers.Dense(4500)])
    with pytest.raises(CheckpointError, match="8,109,000 bytes.*8,000,000"):
        checkpoints.save(model, "large", {}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_stopped_training_goes_on_as_if_nothing_had_happened(
        tmp_path, recipe, capsys):
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    expected = tool.train("small", straight)
    for stop in (3, 5):
        with pytest.raises(KeyboardInterrupt):
            tool.train("small", resumed, last_step=stop)
    facts = tool.train("small", resumed)
    assert facts["loss"] == expected["loss"]
    for a, b in zip(arrays(straight / "small.npz"),
                    arrays(resumed / "small.npz")):
        np.testing.assert_array_equal(a, b)
    assert [path.name for path in sorted(resumed.iterdir())] == [
        "small.json", "small.npz"]
    assert "step 1 of 7, loss" in capsys.readouterr().out


def test_every_recipe_has_its_checkpoint():
    assert sorted(RECIPES) == STORED


@pytest.mark.parametrize("name", STORED)
def test_the_side_file_tells_how_it_came_about(name):
    path = checkpoints.FOLDER / f"{name}.npz"
    facts = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert set(facts) == FACTS
    assert path.stat().st_size <= checkpoints.MAX_BYTES
    assert len(facts["first_losses"]) == tool.FIRST_STEPS
    assert facts["loss"] < min(facts["first_losses"])


@pytest.mark.parametrize("name", STORED)
def test_the_recipe_trains_the_checkpoint(name, tmp_path):
    """Same data, same shapes, and the same losses of the first steps."""
    side_file = checkpoints.FOLDER / f"{name}.json"
    facts = json.loads(side_file.read_text("utf-8"))
    run(facts["backend"], "first_steps_on_one_backend.py", tmp_path, name)
    with np.load(tmp_path / f"{name}.unfinished.npz") as unfinished:
        log = json.loads(str(unfinished["log"]))
    assert log["data_sha256"] == facts["data_sha256"]
    assert log["steps"] == facts["steps"]
    # Another number of threads changes the last digits: by 0.001, in the
    # vectors that the masked language model starts from.
    np.testing.assert_allclose(log["losses"], facts["first_losses"],
                               rtol=2e-3)


def test_every_run_of_the_picture_of_chapter_08_is_there_once():
    stored = fine_tuning.read()
    assert stored == json.loads(fine_tuning.PATH.read_text("utf-8"))
    runs = [(run["start"], run["labels"], run["seed"])
            for run in stored["runs"]]
    assert sorted(runs, key=str) == sorted(itertools.product(
        fine_tuning.STARTS, SETTINGS, fine_tuning.SEEDS), key=str)
    assert all(0.5 < run["test_accuracy"] < 1 for run in stored["runs"])


def test_the_classifier_of_chapter_08_is_the_one_of_the_picture():
    model = new_classifier(*language_vocabularies(*language_texts()))
    facts = checkpoints.load(model, "fine_tuned")
    averaged = fine_tuning.read()["averaged"]
    assert facts["test_accuracy"] == averaged["test_accuracy"]
    assert facts["settings"] == settings(None)
