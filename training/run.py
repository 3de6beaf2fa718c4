"""Train a model of training/ step by step, so that it can be stopped and
resumed, and write its checkpoint."""

import hashlib
import json
import os
import platform
import time

import keras
import numpy as np

from lib import checkpoints
from training import saving
from training.batches import SEED
from training.gpt_reviews import gpt_reviews
from training.masked_language_model import masked_language_model
from training.translator import translator

TRAININGS = {function.__name__: function for function in (
    gpt_reviews, translator, masked_language_model)}
SECONDS_BETWEEN_SAVES = 60
FIRST_STEPS = 3   # their losses are noted, for a test that trains them again
LAST_STEPS = 100  # their mean loss is noted as the loss


def train(name, folder=checkpoints.FOLDER, last_step=None):
    """Train a model to the end, or on from where it was stopped.

    Args:
        name: of TRAININGS.
        folder: where the checkpoint and what is kept of an unfinished
            training are written, a pathlib.Path.
        last_step: stop before this step, as Ctrl-C would.

    Returns:
        The metadata of the checkpoint, a dict.

    Raises:
        KeyboardInterrupt: it was stopped before the end; nothing is lost.
    """
    training = start(name)
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{name}.unfinished.npz"
    log = restore(training, kept) if kept.exists() else {
        "steps": training.steps, "data_sha256": data_checksum(training),
        "losses": [], "seconds": 0.0}
    try:
        run(training, name, log, kept, last_step)
    except KeyboardInterrupt:
        keep(training, kept, log)
        raise
    metadata = describe(name, log) | {"held_out": training.held_out,
                                      "optimizer": optimizer_of(training)}
    saving.save(training.model, name, training.config,
                training.vocabularies, training.merges, metadata, folder)
    kept.unlink(missing_ok=True)
    return metadata


def start(name):
    """A training.batches.Training before its first step."""
    keras.utils.set_random_seed(SEED)
    keras.config.set_dtype_policy(precision())
    training = TRAININGS[name]()
    training.model.optimizer.build(training.model.trainable_variables)
    return training


def first_losses(training):
    """Losses of the first steps, a list of float: that they are those in the
    metadata proves that a checkpoint is what it says."""
    return [one_step(training, step) for step in range(FIRST_STEPS)]


def note_first_losses(name, folder=checkpoints.FOLDER):
    """Add the first losses on this backend to a checkpoint's side file.

    Returns:
        List of float.
    """
    path = folder / f"{name}.json"
    about = json.loads(path.read_text("utf-8"))
    losses = first_losses(start(name))
    about["metadata"]["first_losses"][keras.backend.backend()] = losses
    path.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return losses


def one_step(training, step):
    """Train one step; return its loss, a float."""
    training.model.reset_metrics()  # or it would be the mean of all steps
    loss = training.model.train_on_batch(*training.batch(step))
    return round(float(np.asarray(loss).mean()), 5)


def on_torch():
    return keras.backend.backend() == "torch"


def precision():
    """On PyTorch the matrix products are in bfloat16, which saves it a
    quarter of the time on a processor that has it. TensorFlow's would save a
    seventh there, and are left in float32."""
    return "mixed_bfloat16" if on_torch() else "float32"


def run(training, name, log, kept, last_step):
    """Train to the last step, and report and keep what was done."""
    begin, saved, shown = time.perf_counter(), time.time(), 0.0
    before = log["seconds"]
    first = len(log["losses"])
    for step in range(first, training.steps):
        if step == last_step:
            raise KeyboardInterrupt
        log["losses"].append(one_step(training, step))
        log["seconds"] = before + time.perf_counter() - begin
        if time.time() - shown > 10:
            shown = time.time()
            rate = (time.perf_counter() - begin) / (step + 1 - first)
            print(f"{name}: step {step + 1} of {training.steps}, loss "
                  f"{np.mean(log['losses'][-LAST_STEPS:]):.4f}, about "
                  f"{rate * (training.steps - step - 1) / 60:.0f} min to go",
                  flush=True)
        if time.time() - saved > SECONDS_BETWEEN_SAVES:
            saved = time.time()
            keep(training, kept, log)


def variables(training):
    """All that training changes, but for the metrics."""
    model = training.model
    metrics = {id(v) for metric in model.metrics for v in metric.variables}
    return [v for v in [*model.variables, *model.optimizer.variables]
            if id(v) not in metrics]


def keep(training, path, log):
    """Write everything that a resumed training needs, or nothing."""
    unfinished = path.with_suffix(".tmp.npz")
    arrays = {str(i): keras.ops.convert_to_numpy(variable)
              for i, variable in enumerate(variables(training))}
    if on_torch():  # its dropout draws from PyTorch's own generator
        import torch
        arrays["random"] = torch.get_rng_state().numpy()
    np.savez(unfinished, log=json.dumps(log), **arrays)
    os.replace(unfinished, path)


def restore(training, path):
    """Go on from what keep() wrote; returns its log."""
    with np.load(path) as arrays:
        for i, variable in enumerate(variables(training)):
            variable.assign(arrays[str(i)])
        # It is missing where the training was begun on another backend.
        if on_torch() and "random" in arrays:
            import torch
            torch.set_rng_state(torch.from_numpy(arrays["random"]))
        return json.loads(str(arrays["log"]))


def describe(name, log):
    """How the checkpoint came about: its metadata, a dict."""
    backend = keras.backend.backend()
    return {
        "command": f"make checkpoints ONLY={name} BACKEND={backend}",
        "seed": SEED,
        "data_sha256": log["data_sha256"],
        "steps": log["steps"],
        "loss": round(float(np.mean(log["losses"][-LAST_STEPS:])), 4),
        "first_losses": {backend: log["losses"][:FIRST_STEPS]},
        "seconds": round(log["seconds"]),
        "backend": backend,
        "precision": precision(),
        "keras": keras.__version__,
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} "
                   "core(s)" if hasattr(os, "sched_getaffinity")
                   else platform.machine(),
    }


def optimizer_of(training):
    """The settings of the optimizer, a dict."""
    optimizer = training.model.optimizer
    rate = optimizer.get_config()["learning_rate"]
    if isinstance(rate, dict):  # a schedule
        rate = {key: value for key, value in rate["config"].items()
                if key != "name"}
    return {"learning_rate": rate, "weight_decay": optimizer.weight_decay,
            "beta_1": optimizer.beta_1, "beta_2": optimizer.beta_2,
            "global_clipnorm": optimizer.global_clipnorm}


def data_checksum(training):
    texts = "\n".join(training.texts)
    return hashlib.sha256(texts.encode("utf-8")).hexdigest()
