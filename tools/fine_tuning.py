"""Measure what pre-training is worth: the picture of chapter 08.

    python -m tools.checkpoints fine_tuned

Fine-tunes on 100, 1,000 and all labels, with three seeds each, pre-trained,
from co-occurrence vectors and from scratch; beside them a head on the frozen
encoder, and TF-IDF; writes data/checkpoints/fine_tuning.json. The mean of the
weights of the three pre-trained classifiers with all labels (a "model soup":
Wortsman et al., 2022) becomes the checkpoint fine_tuned. Takes over half an
hour on two cores. Runs that are in the file are not run again, so it can be
stopped (Ctrl-C) and resumed.
"""

import functools
import json
import time

import keras
import numpy as np
import sklearn

from lib import checkpoints, datasets
from lib.fine_tuning import (
    SETTINGS,
    encoded_reviews,
    fine_tune,
    frozen_head,
    new_classifier,
    outputs_of,
    sample,
    settings,
)
from lib.models import pooled, tfidf_classifier
from lib.recipes import (
    SEED,
    language_encoder,
    language_texts,
    language_vocabularies,
    masked_language_model,
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
    encoder = json.loads((checkpoints.FOLDER / "masked_language_model.json")
                         .read_text("utf-8"))["sha256"]
    if not PATH.exists():
        backend = keras.backend.backend()
        return {"command": f"make checkpoints ONLY=fine_tuned "
                           f"BACKEND={backend}",
                "keras": keras.__version__,
                "scikit-learn": sklearn.__version__, "backend": backend,
                "precision": keras.config.dtype_policy().name,
                "encoder_sha256": encoder, "runs": []}
    results = json.loads(PATH.read_text("utf-8"))
    runs = [run for run in results["runs"]
            if run["settings"] == settings_of(run["start"], run["labels"])
            and (not run["start"].startswith("pre-trained")
                 or results["encoder_sha256"] == encoder)]
    if len(runs) < len(results["runs"]):
        results.pop("averaged", None)
    return results | {"encoder_sha256": encoder, "runs": runs}


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
    """Vocabularies, and the encoded reviews of both parts."""
    vocabularies = language_vocabularies(*language_texts())
    return vocabularies, *(encoded_reviews(part, *vocabularies)
                           for part in ("train", "test"))


@functools.cache
def pre_trained_weights():
    model = masked_language_model(from_cooccurrence=False).model
    checkpoints.load(model, "masked_language_model")
    return model.encoder.get_weights()


@functools.cache
def counted_weights():
    """The encoder with which the pre-training begins."""
    keras.utils.set_random_seed(SEED)
    return masked_language_model().model.encoder.get_weights()


def kept(seed):
    """Where the weights of a pre-trained run on all labels wait."""
    return checkpoints.FOLDER / f"fine_tuned.{seed}.unfinished.npz"


def pre_trained(count, seed):
    """Test accuracy of the fine-tuned encoder."""
    model = fine_tuned("pre-trained", count, seed, pre_trained_weights())
    if count is None:
        np.savez(kept(seed), *model.get_weights())
    return test_accuracy(model)


def from_scratch(count, seed):
    """Test accuracy of the same model without pre-training."""
    return test_accuracy(fine_tuned("from scratch", count, seed, None))


def from_cooccurrence(count, seed):
    """Test accuracy of the encoder that has counted, but not read."""
    return test_accuracy(fine_tuned("co-occurrence", count, seed,
                                    counted_weights()))


@functools.cache
def vectors():
    """The pre-trained encoder's vectors of the texts of both parts."""
    encoder = language_encoder(*data()[0])
    encoder.set_weights(pre_trained_weights())
    model = keras.Model(encoder.inputs, pooled(encoder.output,
                                               encoder.inputs[0] != 0))
    return [(outputs_of(model, inputs), labels)
            for inputs, labels in data()[1:]]


def frozen(count, seed):
    """Test accuracy of a head on the encoder as it is."""
    (train, train_labels), test = vectors()
    (few,), labels = sample([train], train_labels, count, seed)
    return frozen_head(len(labels)).fit(few, labels).score(*test)


def fine_tuned(start, count, seed, weights):
    vocabularies, train, _ = data()
    keras.utils.set_random_seed(seed)
    model = new_classifier(*vocabularies, weights)
    fine_tune(model, *sample(*train, count, seed), seed,
              **settings_of(start, count))
    return model


def test_accuracy(model):
    inputs, labels = data()[2]
    return np.mean((outputs_of(model, inputs)[:, 0] > 0) == labels)


def average(results):
    """Save the mean of the pre-trained classifiers' weights."""
    model = new_classifier(*data()[0])
    runs = []
    for seed in SEEDS:
        with np.load(kept(seed)) as arrays:
            runs.append([arrays[name] for name in arrays.files])
    model.set_weights([np.mean(weights, axis=0) for weights in zip(*runs)])
    accuracy = round(float(test_accuracy(model)), 4)
    results["averaged"] = {"seeds": list(SEEDS), "test_accuracy": accuracy}
    write(results)
    checkpoints.save(model, "fine_tuned", {
        "command": results["command"], "seeds": list(SEEDS),
        "settings": settings_of("pre-trained", None),
        "test_accuracy": accuracy})
    for seed in SEEDS:
        kept(seed).unlink()
    print(f"their weights averaged: test accuracy {accuracy:.4f}")


def tf_idf(count, seed):
    """The baseline of chapter 01, on as many labels."""
    texts, labels = datasets.reviews("train")
    (texts,), labels = sample([texts], labels, count, seed)
    model = tfidf_classifier().fit(texts, labels)
    return model.score(*datasets.reviews("test"))


STARTS = {"TF-IDF": tf_idf, "from scratch": from_scratch,
          "pre-trained, frozen": frozen, "pre-trained": pre_trained,
          "co-occurrence": from_cooccurrence}
