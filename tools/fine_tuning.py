"""Measure what pre-training is worth: the picture of chapter 08.

    python -m tools.fine_tuning

Fine-tunes on 100, 1,000 and all labels, with three seeds each, from three
starts, and TF-IDF beside them; writes data/checkpoints/fine_tuning.json, and
the first classifier trained on all labels as the checkpoint fine_tuned. Takes
about an hour on two cores. Runs that are in the file are not run again, so it
can be stopped (Ctrl-C) and resumed.
"""

import json
import sys
import time

import keras
import numpy as np
import sklearn

from lib import checkpoints, datasets
from lib.fine_tuning import (
    SETTINGS,
    encoded_reviews,
    fine_tune,
    logits_of,
    new_classifier,
    sample,
)
from lib.models import tfidf_classifier
from lib.recipes import (
    language_texts,
    language_vocabularies,
    masked_language_model,
)

SEEDS = (1, 2, 3)
PATH = checkpoints.FOLDER / "fine_tuning.json"


def main():
    results = read()
    try:
        for start in STARTS:
            for count in SETTINGS:
                for seed in SEEDS:
                    add(results, start, count, seed)
    except KeyboardInterrupt:
        sys.exit("\nStopped. The same command goes on from here.")


def read():
    if PATH.exists():
        return json.loads(PATH.read_text("utf-8"))
    return {"command": "python -m tools.fine_tuning",
            "keras": keras.__version__, "scikit-learn": sklearn.__version__,
            "backend": keras.backend.backend(), "seeds": list(SEEDS),
            "settings": {str(count): how for count, how in SETTINGS.items()},
            "runs": []}


def add(results, start, count, seed):
    """Run one point of the picture, unless the file has it."""
    run = {"start": start, "labels": count, "seed": seed}
    if any(run.items() <= known.items() for known in results["runs"]):
        return
    begin = time.perf_counter()
    run["test_accuracy"] = round(float(STARTS[start](count, seed)), 4)
    run["seconds"] = round(time.perf_counter() - begin, 1)
    results["runs"].append(run)
    PATH.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"{start}, {count or 'all'} labels, seed {seed}: test accuracy "
          f"{run['test_accuracy']:.4f}, {run['seconds']:.0f} s", flush=True)


class Data:
    """What all runs share, made when first needed."""

    def __init__(self):
        self.vocabularies = language_vocabularies(*language_texts())
        self.train = encoded_reviews("train", *self.vocabularies)
        self.test = encoded_reviews("test", *self.vocabularies)
        self.weights = {None: None}

    def start(self, name):
        """Weights of the encoder after each stage of its pre-training."""
        if name not in self.weights:
            model = masked_language_model().model
            self.weights["co-occurrence"] = model.encoder.get_weights()
            checkpoints.load(model, "masked_language_model")
            self.weights["pre-trained"] = model.encoder.get_weights()
        return self.weights[name]


DATA = []


def fine_tuned(name):
    """Function of the number of labels and the seed to the test accuracy."""
    def run(count, seed):
        if not DATA:
            DATA.append(Data())
        data, = DATA
        weights = data.start(name)
        keras.utils.set_random_seed(seed)
        model = new_classifier(*data.vocabularies, weights)
        fine_tune(model, *sample(*data.train, count, seed), seed,
                  **SETTINGS[count])
        inputs, labels = data.test
        accuracy = np.mean((logits_of(model, inputs) > 0) == labels)
        if (name, count, seed) == ("pre-trained", None, SEEDS[0]):
            checkpoints.save(model, "fine_tuned", {
                "command": "python -m tools.fine_tuning", "seed": seed,
                "settings": SETTINGS[count],
                "test_accuracy": round(float(accuracy), 4)})
        return accuracy
    return run


def tf_idf(count, seed):
    """The baseline of chapter 01, on as many labels."""
    texts, labels = datasets.reviews("train")
    (texts,), labels = sample([texts], labels, count, seed)
    model = tfidf_classifier().fit(texts, labels)
    return model.score(*datasets.reviews("test"))


STARTS = {"TF-IDF": tf_idf, "from scratch": fine_tuned(None),
          "co-occurrence": fine_tuned("co-occurrence"),
          "pre-trained": fine_tuned("pre-trained")}

if __name__ == "__main__":
    main()
