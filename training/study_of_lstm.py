"""Measure what each part of chapter 01's classifier is worth.

    make checkpoints ONLY=lstm_parts

Trains the classifier, and variants of it that differ in one thing, with three
seeds each, until the validation loss turns twice; each with the learning rate
that serves it best, chosen on the validation part with the first seed. Writes
data/checkpoints/lstm_parts.json. Takes about half an hour on two cores. Runs
that are in the file are not run again, so it can be stopped (Ctrl-C) and
resumed.
"""

import functools
import json
import time

import keras
import numpy as np
from keras import layers, ops

from lib import checkpoints, datasets
from lib.text import Vocabulary, characters, pairs

PATH = checkpoints.FOLDER / "lstm_parts.json"
SEEDS = (1, 2, 3)
RATES = (2e-3, 6e-3)
MORE_RATES = {"no averaging": (1e-3, 5e-4)}  # a smaller one may do the same
BATCH, EPOCHS, WIDTH, UNITS = 256, 8, 64, 64
FULL = {"recurrent": "LSTM", "pooling": "max", "dropout": 0.5,
        "averaging": True, "length": 128, "padding": "right", "mask": True}
VARIANTS = {  # what differs from FULL, mostly one thing
    "the classifier": {},
    "last state": {"pooling": "last"},
    "mean of the states": {"pooling": "mean"},
    "no dropout": {"dropout": 0.0},
    "no averaging": {"averaging": False},
    "simple RNN": {"recurrent": "SimpleRNN"},
    "GRU": {"recurrent": "GRU"},
    "both directions": {"recurrent": "Bidirectional"},
    "no recurrent layer": {"recurrent": None},
    "no recurrent layer, mean": {"recurrent": None, "pooling": "mean"},
    "simple RNN, last state": {"recurrent": "SimpleRNN", "pooling": "last"},
    "last state, no mask": {"pooling": "last", "mask": False},
    "last state, no mask, zeros left": {
        "pooling": "last", "mask": False, "padding": "left"},
    "first 32 characters": {"length": 32},
    "first 64 characters": {"length": 64},
    "first 256 characters": {"length": 256},
}


def main():
    """Run what is missing."""
    results = read()
    for name, different in VARIANTS.items():
        settings = FULL | different
        for seed in SEEDS:
            for rate in rates_of(results, name, seed):
                add(results, name, settings, rate, seed)


def rates_of(results, name, seed):
    """All learning rates for the first seed, then the best of them."""
    if seed == SEEDS[0]:
        return RATES + MORE_RATES.get(name, ())
    tried = [run for run in results["runs"] if run["variant"] == name
             and run["seed"] == SEEDS[0]]
    return [min(tried, key=lambda run: run["validation_loss"])["rate"]]


def read():
    """What is in the file, without runs whose settings have changed."""
    if not PATH.exists():
        return {"command": "make checkpoints ONLY=lstm_parts",
                "keras": keras.__version__,
                "backend": keras.backend.backend(), "batch": BATCH,
                "epochs at most": EPOCHS, "runs": []}
    results = json.loads(PATH.read_text("utf-8"))
    results["runs"] = [run for run in results["runs"]
                       if run["settings"] == FULL | VARIANTS.get(
                           run["variant"], {"unknown": True})]
    return results


def add(results, name, settings, rate, seed):
    """Run one variant, unless the file has it."""
    run = {"variant": name, "rate": rate, "seed": seed}
    if any(run.items() <= known.items() for known in results["runs"]):
        return
    begin = time.perf_counter()
    run |= measure(settings, rate, seed)
    run["seconds"] = round(time.perf_counter() - begin, 1)
    run["settings"] = settings
    results["runs"].append(run)
    PATH.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"{name}, rate {rate}, seed {seed}: validation loss "
          f"{run['validation_loss']:.4f}, accuracy "
          f"{run['validation_accuracy']:.4f}, test {run['test_accuracy']:.4f};"
          f" epoch {run['epoch']} of {run['epochs']}, {run['seconds']:.0f} s",
          flush=True)


@functools.cache
def data(length, padding):
    """Inputs and labels to fit, to validate and to test, and vocabularies."""
    train, test = datasets.reviews("train"), datasets.reviews("test")
    held_out = len(train.texts) // 10
    texts = train.texts[held_out:], train.texts[:held_out], test.texts
    labels = train.labels[held_out:], train.labels[:held_out], test.labels
    vocabularies = [Vocabulary.from_texts(texts[0], split, min_count=2)
                    for split in (characters, pairs)]
    parts = [[vocabulary.encode_batch(part, length)
              for vocabulary in vocabularies] for part in texts]
    if padding == "left":
        parts = [[zeros_left(ids) for ids in part] for part in parts]
    return list(zip(parts, labels)), vocabularies


def zeros_left(ids):
    """Ids (batch, length) with the zeros of each row moved to its left."""
    order = np.argsort(ids != 0, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1)


def variant(vocabularies, settings):
    """The model of chapter 01, or a variant of it."""
    inputs = [keras.Input(shape=(None,), dtype="int32") for _ in vocabularies]
    vectors = [layers.Embedding(len(vocabulary), WIDTH, mask_zero=True)(ids)
               for vocabulary, ids in zip(vocabularies, inputs)]
    x = layers.Add()(vectors) if settings["mask"] else vectors[0] + vectors[1]
    mask = ops.not_equal(inputs[0], 0)                   # (batch, length)
    x = layers.SpatialDropout1D(settings["dropout"])(x)
    pooling = settings["pooling"]
    x = recurrent(settings["recurrent"], pooling != "last")(x)
    if pooling == "max":
        x = layers.GlobalMaxPooling1D()(ops.where(mask[..., None], x, -1e9))
    elif pooling == "mean":
        x = layers.GlobalAveragePooling1D()(x, mask=mask)
    x = layers.Dropout(settings["dropout"])(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def recurrent(kind, sequences):
    """A layer (batch, length, width) → its states, or the last one."""
    if kind is None:
        return layers.Dense(UNITS, activation="tanh")
    if kind == "Bidirectional":  # as many units in all
        return layers.Bidirectional(layers.LSTM(
            UNITS // 2, return_sequences=sequences))
    return getattr(layers, kind)(UNITS, return_sequences=sequences)


def measure(settings, rate, seed):
    """Train until the validation loss has turned twice; judge at its lowest.

    Returns:
        Dict of what is measured at the epoch that is kept.
    """
    (fit, held_out, test), vocabularies = data(settings["length"],
                                               settings["padding"])
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = variant(vocabularies, settings)
    averaging = {"use_ema": True, "ema_momentum": 0.96}
    model.compile(keras.optimizers.Adam(
        rate, **(averaging if settings["averaging"] else {})),
        "binary_crossentropy", metrics=["accuracy"])
    callbacks = [keras.callbacks.EarlyStopping(
        "val_loss", patience=2, restore_best_weights=True)]
    if settings["averaging"]:
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    history = model.fit(*fit, batch_size=BATCH, epochs=EPOCHS, verbose=0,
                        validation_data=held_out, callbacks=callbacks).history
    losses = history["val_loss"]
    kept = int(np.argmin(losses))
    answers = model.predict(test[0], batch_size=BATCH, verbose=0)[:, 0] > 0.5
    return {"epoch": kept + 1, "epochs": len(losses),
            "validation_loss": round(losses[kept], 4),
            "validation_accuracy": round(history["val_accuracy"][kept], 4),
            "test_accuracy": round(float(np.mean(answers == test[1])), 4),
            "parameters": model.count_params(),
            "validation_losses": [round(loss, 4) for loss in losses],
            "training_losses": [round(loss, 4) for loss in history["loss"]]}
