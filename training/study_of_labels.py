"""Measure what pre-training is worth: the picture of chapter 08.

    make checkpoints ONLY=fine_tuned

Fine-tunes on 100, 1,000 and all labels, with three seeds each, pre-trained,
from co-occurrence vectors and from scratch; beside them a head on the frozen
encoder, and TF-IDF; writes data/checkpoints/fine_tuning.json. The mean of the
parameters of the three pre-trained classifiers with all labels (a "model
soup": Wortsman et al., 2022) becomes the checkpoint fine_tuned. Takes over
half an hour on two cores. Runs that are in the file are not run again, so it
can be stopped (Ctrl-C) and resumed.
"""

import functools
import json
import time

import keras
import numpy as np
import sklearn

from lib import checkpoints, datasets
from lib.baselines import tfidf_classifier
from training import saving
from training.batches import SEED
from training.fine_tuned import (
    SETTINGS,
    encoded_reviews,
    fine_tune,
    frozen_head,
    new_classifier,
    outputs_of,
    pre_trained,
    sample,
    settings,
)
from training.masked_language_model import (
    masked_language_model,
    pooled,
    text_encoder,
)

SEEDS = (1, 2, 3)
PATH = checkpoints.FOLDER / "fine_tuning.json"


def main(precision):
    """Run what is missing.

    Args:
        precision: the dtype policy to train with.
    """
    keras.config.set_dtype_policy(precision)
    results = read()
    for start in STARTS:
        for count in SETTINGS:
            for seed in SEEDS:
                add(results, start, count, seed)
    if "averaged" not in results:
        average(results)


def read():
    """What is in the file, without runs whose settings or whose pre-trained
    encoder have changed."""
    checksum = checkpoints.load("masked_language_model").metadata["sha256"]
    if not PATH.exists():
        backend = keras.backend.backend()
        return {"command": f"make checkpoints ONLY=fine_tuned "
                           f"BACKEND={backend}",
                "keras": keras.__version__,
                "scikit-learn": sklearn.__version__, "backend": backend,
                "precision": keras.config.dtype_policy().name,
                "encoder_sha256": checksum, "runs": []}
    results = json.loads(PATH.read_text("utf-8"))
    runs = [run for run in results["runs"]
            if run["settings"] == settings_of(run["start"], run["labels"])
            and (not run["start"].startswith("pre-trained")
                 or results["encoder_sha256"] == checksum)]
    if len(runs) < len(results["runs"]):
        results.pop("averaged", None)
    return results | {"encoder_sha256": checksum, "runs": runs}


def settings_of(start, count):
    """How a start is trained; None where nothing is fine-tuned."""
    if start in ("TF-IDF", "pre-trained, frozen"):
        return None
    return settings(count, pretrained=start == "pre-trained")


def add(results, start, count, seed):
    """Run one point of the picture, unless the file has it."""
    run = {"start": start, "labels": count, "seed": seed}
    if any(run.items() <= known.items() for known in results["runs"]):
        return
    begin = time.perf_counter()
    run["test_accuracy"] = round(float(STARTS[start](count, seed)), 4)
    run["seconds"] = round(time.perf_counter() - begin, 1)
    run["settings"] = settings_of(start, count)
    results["runs"].append(run)
    write(results)
    print(f"{start}, {count or 'all'} labels, seed {seed}: test accuracy "
          f"{run['test_accuracy']:.4f}, {run['seconds']:.0f} s", flush=True)


def write(results):
    PATH.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


@functools.cache
def data():
    """The encoded reviews of both parts."""
    vocabularies = encoder()[0].vocabularies
    return [encoded_reviews(part, vocabularies["characters"],
                            vocabularies["pairs"])
            for part in ("train", "test")]


@functools.cache
def encoder():
    """The checkpoint of the pre-training, and its encoder's parameters."""
    return pre_trained()


def config():
    """Arguments of a text_encoder that is fine-tuned."""
    return encoder()[0].config | {"dropout": 0.1, "input_dropout": 0.2}


@functools.cache
def counted_parameters():
    """The encoder with which the pre-training begins."""
    keras.utils.set_random_seed(SEED)
    return masked_language_model().model.encoder.get_weights()


def kept(seed):
    """Where the parameters of a pre-trained run on all labels wait."""
    return checkpoints.FOLDER / f"fine_tuned.{seed}.unfinished.npz"


def from_pre_trained(count, seed):
    """Test accuracy of the fine-tuned encoder."""
    model = fine_tuned("pre-trained", count, seed, encoder()[1])
    if count is None:
        np.savez(kept(seed), *model.get_weights())
    return test_accuracy(model)


def from_scratch(count, seed):
    """Test accuracy of the same model without pre-training."""
    return test_accuracy(fine_tuned("from scratch", count, seed, None))


def from_cooccurrence(count, seed):
    """Test accuracy with the vectors that the pre-training starts from."""
    return test_accuracy(fine_tuned("co-occurrence", count, seed,
                                    counted_parameters()))


@functools.cache
def vectors():
    """The pre-trained encoder's vectors of the texts of both parts."""
    frozen = text_encoder(**encoder()[0].config)
    frozen.set_weights(encoder()[1])
    model = keras.Model(frozen.inputs, pooled(frozen.output,
                                              frozen.inputs[0] != 0))
    return [(outputs_of(model, inputs), labels) for inputs, labels in data()]


def frozen(count, seed):
    """Test accuracy of a head on the encoder as it is."""
    (train, train_labels), test = vectors()
    (few,), labels = sample([train], train_labels, count, seed)
    return frozen_head(len(labels)).fit(few, labels).score(*test)


def fine_tuned(start, count, seed, parameters):
    keras.utils.set_random_seed(seed)
    model = new_classifier(config(), parameters)
    fine_tune(model, *sample(*data()[0], count, seed), seed,
              **settings_of(start, count))
    return model


def test_accuracy(model):
    inputs, labels = data()[1]
    return np.mean((outputs_of(model, inputs)[:, 0] > 0) == labels)


def average(results):
    """Save the mean of the pre-trained classifiers' parameters."""
    model = new_classifier(config())
    runs = []
    for seed in SEEDS:
        with np.load(kept(seed)) as arrays:
            runs.append([arrays[name] for name in arrays.files])
    model.set_weights([np.mean(arrays, axis=0) for arrays in zip(*runs)])
    accuracy = round(float(test_accuracy(model)), 4)
    results["averaged"] = {"seeds": list(SEEDS), "test_accuracy": accuracy}
    write(results)
    metadata = {"command": results["command"], "seeds": list(SEEDS),
                "settings": settings_of("pre-trained", None),
                "test_accuracy": accuracy}
    saving.save(model, "fine_tuned", config(), encoder()[0].vocabularies,
                [], metadata)
    for seed in SEEDS:
        kept(seed).unlink()
    print(f"their parameters averaged: test accuracy {accuracy:.4f}")


def tf_idf(count, seed):
    """The baseline of chapter 01, on as many labels."""
    texts, labels = datasets.reviews("train")
    (texts,), labels = sample([texts], labels, count, seed)
    model = tfidf_classifier().fit(texts, labels)
    return model.score(*datasets.reviews("test"))


STARTS = {"TF-IDF": tf_idf, "from scratch": from_scratch,
          "pre-trained, frozen": frozen, "pre-trained": from_pre_trained,
          "co-occurrence": from_cooccurrence}
