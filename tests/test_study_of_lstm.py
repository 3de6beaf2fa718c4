"""The study behind chapter 01: what is stored is complete, and resumable."""

import json

import numpy as np
import pytest

from lib.datasets import Reviews
from training import study_of_lstm

TEXTS = ["好书 好看", "坏书", "好", "坏 坏看 书", "好看", "坏"] * 4
LABELS = np.array([1, 0] * 12, "int32")
STORED = json.loads(study_of_lstm.PATH.read_text("utf-8"))


def test_every_variant_was_run_as_it_stands():
    for name, different in study_of_lstm.VARIANTS.items():
        runs = [run for run in STORED["runs"] if run["variant"] == name]
        assert all(run["settings"] == study_of_lstm.FULL | different
                   for run in runs)
        assert {run["rate"] for run in runs if run["seed"] == 1} == set(
            study_of_lstm.rates_of(STORED, name, 1))
        best, = study_of_lstm.rates_of(STORED, name, 2)
        assert [run["seed"] for run in runs if run["rate"] == best] == list(
            study_of_lstm.SEEDS)
    assert len(STORED["runs"]) == 4 * len(study_of_lstm.VARIANTS) + 2


def test_it_was_stopped_after_the_loss_had_turned():
    for run in STORED["runs"]:
        losses = run["validation_losses"]
        assert len(losses) == run["epochs"] <= study_of_lstm.EPOCHS
        assert run["validation_loss"] == min(losses)
        assert losses[run["epoch"] - 1] == min(losses)
        assert (run["epochs"] == min(run["epoch"] + 2, study_of_lstm.EPOCHS))


def test_zeros_move_to_the_left_and_nothing_else_moves():
    ids = np.array([[3, 4, 0, 0], [5, 6, 7, 8], [0, 0, 0, 0]])
    assert study_of_lstm.zeros_left(ids).tolist() == [
        [0, 0, 3, 4], [5, 6, 7, 8], [0, 0, 0, 0]]


@pytest.mark.parametrize("different", study_of_lstm.VARIANTS.values(),
                         ids=list(study_of_lstm.VARIANTS))
def test_padding_changes_an_answer_only_without_a_mask(different):
    settings = study_of_lstm.FULL | different
    model = study_of_lstm.variant(["abcdefgh"] * 2, settings)
    ids = np.array([[3, 4, 5], [2, 1, 0]])
    longer = np.pad(ids, [(0, 0), (0, 9)])
    same = np.allclose(model.predict([ids, ids], verbose=0),
                       model.predict([longer, longer], verbose=0), atol=1e-5)
    assert same == settings["mask"]


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(study_of_lstm.datasets, "reviews",
                        lambda part: Reviews(TEXTS, LABELS))
    for name, value in {"PATH": tmp_path / "a.json", "SEEDS": (1, 2),
                        "RATES": (1e-2, 1e-1), "EPOCHS": 2,
                        "VARIANTS": {"the classifier": {},
                                     "GRU": {"recurrent": "GRU"}}}.items():
        monkeypatch.setattr(study_of_lstm, name, value)
    study_of_lstm.data.cache_clear()
    try:
        study_of_lstm.main()
        first = json.loads(study_of_lstm.PATH.read_text())
        assert [(run["variant"], run["seed"]) for run in first["runs"]] == [
            (name, seed) for name in ("the classifier", "GRU")
            for seed in (1, 1, 2)]
        first["runs"].pop(1)
        first["runs"][0]["settings"]["length"] = 7  # of an older study
        study_of_lstm.PATH.write_text(json.dumps(first))
        study_of_lstm.main()
        again = json.loads(study_of_lstm.PATH.read_text())
        assert len(again["runs"]) == 6
        assert [run for run in again["runs"] if run in first["runs"][1:]
                ] == first["runs"][1:]
    finally:
        study_of_lstm.data.cache_clear()
