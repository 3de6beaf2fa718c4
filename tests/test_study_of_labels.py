"""The study of labels, whole, on a handful of texts and a tiny encoder."""

import json

import keras
import numpy as np
import pytest

from lib import checkpoints
from lib.datasets import Reviews
from lib.text import Vocabulary, characters, pairs
from training import fine_tuned, saving, study_of_labels
from training.masked_language_model import text_encoder

TEXTS = ["好书", "不好", "好看", "不看", "好好", "不不", "好", "不"] * 3
LABELS = np.array([1, 0] * 12)
VOCABULARIES = {
    "characters": Vocabulary.from_texts(TEXTS, characters,
                                        reserved_tokens=["<mask>"]),
    "pairs": Vocabulary.from_texts(TEXTS, pairs)}
CONFIG = {"vocabulary_size": len(VOCABULARIES["characters"]),
          "pair_count": len(VOCABULARIES["pairs"]), "max_length": 128,
          "embed_dim": 8, "num_layers": 1, "num_heads": 2,
          "intermediate_dim": 8, "dropout": 0.0, "input_dropout": 0.0}
SETTINGS = {6: {"epochs": 8, "batch_size": 3, "learning_rate": 0.02},
            None: {"epochs": 12, "batch_size": 8, "learning_rate": 0.02,
                   "average": True}}
SEEDS = (1, 2)


@pytest.fixture
def study(monkeypatch, tmp_path):
    """The module, in a world of its own."""
    caches = study_of_labels.data, study_of_labels.vectors
    for cached in caches:
        cached.cache_clear()
    keras.utils.set_random_seed(1)
    encoder = text_encoder(**CONFIG)
    parameters = [weight + 0.1 for weight in encoder.get_weights()]
    checkpoint = checkpoints.Checkpoint(
        "masked_language_model", CONFIG, VOCABULARIES, [], {"sha256": "abc"},
        [])
    save = saving.save
    monkeypatch.setattr(saving, "save",
                        lambda *args: save(*args, folder=tmp_path))
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    monkeypatch.setattr(checkpoints, "load", lambda name: checkpoint)
    monkeypatch.setattr(fine_tuned.datasets, "reviews", lambda part: Reviews(
        TEXTS, LABELS) if part == "train" else Reviews(TEXTS[:7], LABELS[:7]))
    monkeypatch.setattr(fine_tuned, "SETTINGS", SETTINGS)
    for name, value in {
            "SETTINGS": SETTINGS, "SEEDS": SEEDS,
            "PATH": tmp_path / "fine_tuning.json",
            "encoder": lambda: (checkpoint, parameters),
            "counted_parameters": lambda: [2 * w for w in parameters]}.items():
        monkeypatch.setattr(study_of_labels, name, value)
    yield study_of_labels
    for cached in caches:
        cached.cache_clear()


def accuracies(study):
    stored = json.loads(study.PATH.read_text("utf-8"))
    return {(run["start"], run["labels"], run["seed"]): run["test_accuracy"]
            for run in stored["runs"]}


@pytest.fixture
def trained(study, monkeypatch):
    """The calls of fine_tune, in place of it: with seed 1 the classifier then
    says no to every text, with seed 2 yes."""
    calls = []

    def fine_tune(model, inputs, labels, seed, **settings):
        encoder = next(layer for layer in model.layers
                       if isinstance(layer, keras.Model))
        calls.append((len(labels), seed, settings, encoder.get_weights()[0]))
        model.layers[-1].set_weights([
            np.zeros((16, 1)), np.array([seed - 1.5])])

    monkeypatch.setattr(study, "fine_tune", fine_tune)
    return calls


def test_every_point_of_the_study_is_run_once(study, trained, tmp_path,
                                              capsys):
    study.main("float32")
    stored = json.loads(study.PATH.read_text("utf-8"))
    found = accuracies(study)
    assert set(found) == {(start, count, seed) for start in study.STARTS
                          for count in SETTINGS for seed in SEEDS}
    # The test labels are 1, 0, 1, 0, 1, 0, 1; seed 1 says no, seed 2 yes.
    for start in ("pre-trained", "from scratch", "co-occurrence"):
        assert found[start, 6, 1] == round(3 / 7, 4)
        assert found[start, None, 2] == round(4 / 7, 4)
    # The first character says it all.
    for start in ("TF-IDF", "pre-trained, frozen"):
        assert found[start, None, 1] > 0.8
    for run in stored["runs"]:
        expected = SETTINGS[run["labels"]]
        if run["start"] in ("TF-IDF", "pre-trained, frozen"):
            expected = None
        elif run["start"] == "pre-trained" and run["labels"] is None:
            expected = expected | {"learning_rate": 5e-4}
        assert run["settings"] == expected
        assert 0 <= run["seconds"] < 60
    assert stored["encoder_sha256"] == "abc"
    assert stored["precision"] == "float32"
    assert "pre-trained, 6 labels, seed 2: test accuracy" in (
        capsys.readouterr().out)
    # Its mean has the bias 0, and says no.
    averaged = {"seeds": [1, 2], "test_accuracy": round(3 / 7, 4)}
    assert stored["averaged"] == averaged
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "fine_tuned.json", "fine_tuned.npz", "fine_tuning.json"]
    about = json.loads((tmp_path / "fine_tuned.json").read_text("utf-8"))
    assert about["config"] == CONFIG | {"dropout": 0.1, "input_dropout": 0.2}
    assert averaged.items() <= about["metadata"].items()
    assert about["metadata"]["settings"] == SETTINGS[None] | {
        "learning_rate": 5e-4}


def test_each_start_has_its_encoder_and_its_settings(study, trained):
    _, parameters = study.encoder()
    for start, table in (("pre-trained", parameters[0]),
                         ("co-occurrence", 2 * parameters[0]),
                         ("from scratch", None)):
        trained.clear()
        study.STARTS[start](6, 2)
        (count, seed, settings, found), = trained
        assert (count, seed) == (6, 2)
        assert settings == SETTINGS[6]
        assert table is None or np.allclose(found, table)
    first = found
    keras.utils.set_random_seed(5)
    study.from_scratch(6, 2)  # the same seed draws the same parameters
    np.testing.assert_array_equal(trained[-1][3], first)


@pytest.mark.slow
def test_the_study_learns(study):
    for seed in SEEDS:
        assert study.from_scratch(None, seed) > 0.8


def test_what_is_in_the_file_is_not_run_again(study, monkeypatch):
    done = []
    starts = {name: lambda count, seed, name=name: done.append(
        (name, count, seed)) or 0.5 for name in ("TF-IDF", "pre-trained")}
    monkeypatch.setattr(study, "STARTS", starts)
    monkeypatch.setattr(study, "average", lambda results: done.append("mean"))
    study.main("float32")
    assert len(done) == 9 and done[-1] == "mean"
    stored = json.loads(study.PATH.read_text("utf-8"))
    del stored["runs"][5]
    missing = done[5]
    study.write(stored | {"averaged": {}})
    done.clear()
    study.main("float32")
    assert done == [missing]


def test_the_mean_of_the_parameters_is_the_soup(study):
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        model = study.new_classifier(study.config())
        model.set_weights([w + seed for w in model.get_weights()])
        np.savez(study.kept(seed), *model.get_weights())
    expected = []
    for seed in SEEDS:
        with np.load(study.kept(seed)) as arrays:
            expected.append([arrays[name] for name in arrays.files])
    results = {"command": "make", "runs": []}
    study.average(results)
    with np.load(checkpoints.FOLDER / "fine_tuned.npz") as stored:
        for i, (a, b) in enumerate(zip(*expected)):
            np.testing.assert_allclose(stored[str(i)], (a + b) / 2, rtol=2e-3,
                                       atol=1e-3)
    assert not list(checkpoints.FOLDER.glob("*unfinished*"))


def test_seeds_take_other_labels(study, monkeypatch):
    seen = []
    monkeypatch.setattr(study, "fine_tune", lambda model, inputs, labels,
                        seed, **settings: seen.append(
                            (inputs[0][:, 0].tolist(), seed)))
    for seed in SEEDS:
        study.from_scratch(6, seed)
    ids = study.data()[0][0][0][:, 0].tolist()
    assert seen == [(ids[:6], 1), (ids[6:12], 2)]
