"""How checkpoints are trained: the data of each, stopping and resuming, and
that the stored ones came about as they say."""

import functools
import itertools
import json
import sys

import keras
import numpy as np
import pytest

from lib import checkpoints
from lib.datasets import Reviews, Translations
from lib.text import UNKNOWN_ID, Vocabulary
from training import __main__ as command
from training import gpt_reviews as gpt_module
from training import run, study_of_labels
from training import translator as translator_module
from training.batches import Training
from training.fine_tuned import SETTINGS, settings
from training.gpt_reviews import REVIEW_LENGTH, review_ids
from training.subwords import Subwords
from training.translator import TRANSLATION_LENGTH, translation_ids

# Another processor's BLAS moves the vectors that one training starts from, and
# with them its losses: by 0.0023 with OPENBLAS_CORETYPE=Haswell or without.
LOSS_TOLERANCE = 3e-3
# Another number of threads changes the vectors that the masked language model
# starts from, and its losses by up to so much.


@pytest.fixture(autouse=True)
def precision_afterwards():
    yield
    keras.config.set_dtype_policy("float32")


# ---- reviews for the GPT

REVIEWS = Reviews(["很好", "Ａ b", "", "书" * 200], np.array([1, 0, 1, 0]))
TOKENS = ["<end>", "<negative>", "<positive>"]


def test_a_review_is_its_rating_its_characters_and_its_end():
    vocabulary = Vocabulary(list("很好ab书"), reserved_tokens=TOKENS)
    ids = review_ids(REVIEWS, vocabulary)
    assert ids.shape == (4, REVIEW_LENGTH + 1) and ids.dtype == np.int32
    words = [[vocabulary.tokens[i] for i in row if i] for row in ids]
    assert words[:3] == [["<positive>", "很", "好", "<end>"],
                         ["<negative>", "a", "b", "<end>"],
                         ["<positive>", "<end>"]]
    assert words[3] == ["<negative>"] + ["书"] * REVIEW_LENGTH


def many_reviews(part):
    """Reviews of known characters: number i is i % 7 + 1 of one letter."""
    assert part == "train"
    letters = [chr(ord("a") + i % 5) * (i % 7 + 1) for i in range(200)]
    return Reviews(letters, np.arange(200) % 2)


def test_the_gpt_is_to_say_the_next_token(monkeypatch):
    monkeypatch.setattr(gpt_module.datasets, "reviews", many_reviews)
    training = gpt_module.gpt_reviews()
    vocabulary = training.vocabularies["characters"]
    assert vocabulary.reserved_tokens == TOKENS
    assert training.held_out == 20
    assert training.texts == many_reviews("train").texts[20:]
    assert training.config == dict(training.model.sizes)
    for step in range(3):
        inputs, targets = training.batch(step)
        assert inputs.shape == targets.shape == (4096 // inputs.shape[1],
                                                 inputs.shape[1])
        np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
        for row, following in zip(inputs, targets):
            words = [vocabulary.tokens[i] for i in row if i]
            assert words[0] in TOKENS[1:]
            letters = [w for w in words[1:] if w != "<end>"]
            assert set(letters) <= set("abcde") and len(set(letters)) == 1
            assert following[len(letters)] == vocabulary.ids["<end>"]
            assert not following[len(letters) + 1:].any()
    for a, b in zip(training.batch(2), training.batch(2)):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(training.batch(0)[0], training.batch(1)[0])


# ---- pairs for the translator

PAIRS = Translations(["我 看", "书"], ["I read.", "a book"],
                     np.array([True, False]))


def test_every_pair_is_translated_both_ways():
    vocabulary = Vocabulary(
        [*"我看书", " i", " read", ".", " a", " book"],
        reserved_tokens=["<end>", "<en>", "<zh>"])
    subwords = Subwords([(" ", "i"), (" ", "a"), (" ", "b"), ("o", "o"),
                         (" b", "oo"), (" boo", "k"), (" ", "r"), ("e", "a"),
                         (" r", "ea"), (" rea", "d")])
    sources, targets = translation_ids(PAIRS, vocabulary, subwords)
    assert sources.shape == (4, TRANSLATION_LENGTH)
    assert targets.shape == (4, TRANSLATION_LENGTH + 1)
    words = [[[vocabulary.tokens[i] for i in row if i] for row in ids]
             for ids in (sources, targets)]
    assert words[0] == [["我", "看"], ["书"], [" i", " read", "."],
                        [" a", " book"]]
    assert words[1] == [["<en>", " i", " read", ".", "<end>"],
                        ["<en>", " a", " book", "<end>"],
                        ["<zh>", "我", "看", "<end>"], ["<zh>", "书", "<end>"]]


def many_translations(part):
    assert part == "train"
    chinese = ["一二三四五六七"[i % 7] * (i % 5 + 1) for i in range(240)]
    english = [" ".join(["abcdefg"[i % 7]] * (i % 5 + 1)) for i in range(240)]
    return Translations(chinese, english, np.ones(240, bool))


def test_the_translator_is_to_say_the_next_token(monkeypatch):
    monkeypatch.setattr(translator_module.datasets, "translations",
                        many_translations)
    training = translator_module.translator()
    vocabulary = training.vocabularies["tokens"]
    assert training.held_out == 20 and training.merges
    assert training.texts == (many_translations("train").chinese[20:]
                              + many_translations("train").english[20:])
    hidden = []
    for step in range(4):
        (sources, targets), following = training.batch(step)
        assert len(sources) == 1680 // sources.shape[1]
        assert sources.shape == targets.shape == following.shape
        np.testing.assert_array_equal(targets[:, 1:], following[:, :-1])
        for source, target, last in zip(sources, targets, following):
            languages = [vocabulary.tokens[i] for i in target if i]
            real = source[source > 0]
            hidden.append(np.mean(real == UNKNOWN_ID))
            known = [vocabulary.tokens[i] for i in real if i != UNKNOWN_ID]
            chinese = languages[0] == "<en>"  # to English, so from Chinese
            assert all((w.strip() in "一二三四五六七") == chinese
                       for w in known)
            assert vocabulary.tokens[last[last > 0][-1]] == "<end>"
    assert 0.05 < np.mean(hidden) < 0.15


# ---- stop and resume

def small_training():
    def batch(step):
        rng = np.random.default_rng([1, step])
        return rng.normal(size=(8, 3)), rng.normal(size=(8, 1))

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4),
                              keras.layers.Dropout(0.5),
                              keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return Training(model, batch, 7, ["一", "二"], {"units": 4},
                    {"characters": Vocabulary(["一"])}, [("a", "b")], 5)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(run.TRAININGS, "small", small_training)


def arrays(path):
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def test_a_stopped_training_goes_on_as_if_nothing_had_happened(
        tmp_path, small, capsys):
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    expected = run.train("small", straight)
    for stop in (3, 5):
        with pytest.raises(KeyboardInterrupt):
            run.train("small", resumed, last_step=stop)
        assert not (resumed / "small.npz").exists()
        with np.load(resumed / "small.unfinished.npz") as kept:
            assert len(json.loads(str(kept["log"]))["losses"]) == stop
    metadata = run.train("small", resumed)
    assert metadata["loss"] == expected["loss"]
    first, second = (arrays(folder / "small.npz")
                     for folder in (straight, resumed))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert [path.name for path in sorted(resumed.iterdir())] == [
        "small.json", "small.npz"]
    assert "small: step 1 of 7, loss" in capsys.readouterr().out


def test_a_training_becomes_a_complete_checkpoint(tmp_path, small):
    metadata = run.train("small", tmp_path)
    checkpoint = checkpoints.load("small", tmp_path)
    assert metadata.items() <= checkpoint.metadata.items()
    assert checkpoint.config == {"units": 4}
    assert checkpoint.merges == [("a", "b")]
    assert checkpoint.vocabularies["characters"].tokens[2:] == ["一"]
    assert checkpoint.metadata["held_out"] == 5
    backend = keras.backend.backend()
    losses = checkpoint.metadata["first_losses"]
    assert list(losses) == [backend] and len(losses[backend]) == 3
    assert checkpoint.metadata["steps"] == 7
    assert checkpoint.metadata["backend"] == backend
    assert checkpoint.metadata["command"] == (
        f"make checkpoints ONLY=small BACKEND={backend}")


def test_the_loss_is_that_of_the_last_steps(monkeypatch, tmp_path, small):
    monkeypatch.setattr(run, "LAST_STEPS", 2)
    losses = iter(range(7))
    monkeypatch.setattr(run, "one_step", lambda training, step: next(losses))
    assert run.train("small", tmp_path)["loss"] == 5.5


def test_a_step_has_a_loss_of_its_own():
    training = small_training()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    for step in range(3):
        inputs, targets = training.batch(step)
        expected = np.mean((inputs @ model.get_weights()[0] - targets) ** 2)
        assert run.one_step(training._replace(model=model), step
                            ) == pytest.approx(expected, abs=1e-4)


def test_the_first_losses_on_this_backend_are_noted_beside_the_others(
        tmp_path, small):
    run.train("small", tmp_path)
    path = tmp_path / "small.json"
    about = json.loads(path.read_text("utf-8"))
    stored = about["metadata"]["first_losses"].copy()
    about["metadata"]["first_losses"] = {"other": [1, 2, 3]}
    path.write_text(json.dumps(about))
    noted = run.note_first_losses("small", tmp_path)
    losses = checkpoints.load("small", tmp_path).metadata["first_losses"]
    assert losses == {"other": [1, 2, 3]} | stored
    assert noted == stored[keras.backend.backend()]


# ---- the command

@pytest.fixture
def called(monkeypatch):
    """What the command does, in place of doing it."""
    calls = []
    monkeypatch.setattr(command, "train", lambda name: calls.append(name) or {
        "steps": 7, "loss": 1.0, "seconds": 120})
    monkeypatch.setattr(command, "note_first_losses", lambda name: [
        calls.append(f"first steps of {name}")])
    monkeypatch.setattr(command.study_of_labels, "main", lambda precision: (
        calls.append(f"fine_tuned in {precision}")))
    return calls


ALL = ["gpt_reviews", "translator", "masked_language_model"]
STUDY = f"fine_tuned in {run.precision()}"


@pytest.mark.parametrize("arguments, expected", [
    ([], [*ALL, STUDY]),
    (["translator"], ["translator"]),
    (["fine_tuned"], [STUDY]),
    (["--first-steps"], [f"first steps of {name}" for name in ALL]),
    (["--first-steps", "translator"], ["first steps of translator"]),
])
def test_the_command_trains_what_it_is_told(arguments, expected, called,
                                            monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    command.main()
    assert called == expected
    if arguments == ["translator"]:
        assert capsys.readouterr().out == (
            "translator: 7 steps, loss 1.0000, 2.0 min\n")


@pytest.mark.parametrize("arguments, words", [
    (["gpt"], "there is no gpt; there is gpt_reviews, translator, "),
    (["--first-steps", "fine_tuned"], "fine_tuned, lstm_parts have no first"),
])
def test_the_command_refuses_what_it_does_not_know(arguments, words, called,
                                                   monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    with pytest.raises(SystemExit):
        command.main()
    assert words in capsys.readouterr().err and not called


def test_ctrl_c_says_that_nothing_is_lost(called, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "train", interrupted)
    monkeypatch.setattr(sys, "argv", ["training", "translator"])
    with pytest.raises(SystemExit, match="goes on with translator"):
        command.main()


# ---- the stored checkpoints

@pytest.fixture(scope="module", params=[
    "gpt_reviews", "translator",
    pytest.param("masked_language_model", marks=pytest.mark.slow)])
def pair(request):
    """A stored checkpoint and its training, before the first step."""
    return checkpoints.load(request.param), run.start(request.param)


def test_the_training_is_the_one_of_the_checkpoint(pair):
    """Same texts, sizes, vocabularies and settings."""
    checkpoint, training = pair
    metadata = checkpoint.metadata
    assert run.data_checksum(training) == metadata["data_sha256"]
    assert training.steps == metadata["steps"]
    assert training.held_out == metadata["held_out"]
    assert run.optimizer_of(training) == metadata["optimizer"]
    assert training.config == checkpoint.config
    assert training.merges == checkpoint.merges
    for key, vocabulary in training.vocabularies.items():
        assert (vocabulary.get_config()
                == checkpoint.vocabularies[key].get_config())


@pytest.mark.slow
def test_the_training_makes_the_checkpoint(pair):
    """The same losses of the first steps, on batches of several lengths."""
    checkpoint, training = pair
    metadata = checkpoint.metadata
    np.testing.assert_allclose(
        run.first_losses(training),
        metadata["first_losses"][keras.backend.backend()],
        rtol=LOSS_TOLERANCE)


@functools.cache
def stored_study():
    return json.loads(study_of_labels.PATH.read_text("utf-8"))


def test_every_run_of_the_study_of_labels_is_there_once():
    stored = stored_study()
    assert study_of_labels.read() == stored  # none is out of date
    runs = [(one["start"], one["labels"], one["seed"])
            for one in stored["runs"]]
    assert sorted(runs, key=str) == sorted(itertools.product(
        study_of_labels.STARTS, SETTINGS, study_of_labels.SEEDS), key=str)
    assert all(0.5 < one["test_accuracy"] < 1 for one in stored["runs"])


def test_a_run_with_other_settings_is_out_of_date(monkeypatch):
    monkeypatch.setitem(SETTINGS, 100, SETTINGS[100] | {"epochs": 1})
    read = study_of_labels.read()
    assert "averaged" not in read
    assert len(read["runs"]) < len(stored_study()["runs"])
    assert not any(one["labels"] == 100 and one["start"] == "from scratch"
                   for one in read["runs"])


def test_runs_of_another_encoder_are_out_of_date(monkeypatch):
    checkpoint = checkpoints.load("masked_language_model")
    other = checkpoint._replace(metadata={"sha256": "another"})
    monkeypatch.setattr(study_of_labels.checkpoints, "load",
                        lambda name: other)
    starts = {one["start"] for one in study_of_labels.read()["runs"]}
    assert starts == {"TF-IDF", "from scratch", "co-occurrence"}


def test_the_soup_is_the_one_of_the_study():
    metadata = checkpoints.load("fine_tuned").metadata
    averaged = stored_study()["averaged"]
    assert metadata["test_accuracy"] == averaged["test_accuracy"]
    assert metadata["seeds"] == averaged["seeds"]
    assert metadata["settings"] == settings(None)
