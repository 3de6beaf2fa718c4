"""Train the checkpoints of data/checkpoints/ from nothing.

    python -m tools.checkpoints              # all of them
    python -m tools.checkpoints gpt_reviews  # one

The checkpoint fine_tuned is made from another one: see tools/fine_tuning.py.

Stop it whenever you like (Ctrl-C): what was trained is kept every minute, and
the same command goes on from there.
"""

import argparse
import hashlib
import json
import os
import platform
import sys
import time

import keras
import numpy as np

from lib import checkpoints
from lib.recipes import RECIPES, SEED
from tools import fine_tuning

SECONDS_BETWEEN_SAVES = 60
FIRST_STEPS = 3   # their losses are noted, for a test that trains them again
LAST_STEPS = 100  # their mean loss is noted as the loss


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [*RECIPES, "fine_tuned"]
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"of {', '.join(known)}; all if none is given")
    names = parser.parse_args().names
    unknown = set(names) - set(known)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; "
                     f"there is {', '.join(known)}")
    for name in names or known:
        try:
            if name == "fine_tuned":
                fine_tuning.main(precision())
            else:
                report(name, train(name))
        except KeyboardInterrupt:
            sys.exit(f"\nStopped. The same command goes on with {name}.")


def report(name, facts):
    print(f"{name}: {facts['steps']} steps, loss {facts['loss']:.4f}, "
          f"{facts['seconds'] / 60:.1f} min")


def train(name, folder=checkpoints.FOLDER, last_step=None):
    """Train a recipe to the end, or on from where it was stopped.

    Args:
        name: of the recipe.
        folder: where the checkpoint and what is kept of an unfinished
            training are written, a pathlib.Path.
        last_step: stop before this step, as Ctrl-C would.

    Returns:
        The facts of the checkpoint's side file, a dict.

    Raises:
        KeyboardInterrupt: it was stopped before the end; nothing is lost.
    """
    use_seed_and_precision()
    recipe = RECIPES[name]()
    recipe.model.optimizer.build(recipe.model.trainable_variables)
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{name}.unfinished.npz"
    log = restore(recipe, kept) if kept.exists() else {
        "steps": recipe.steps, "data_sha256": data_checksum(recipe),
        "losses": [], "seconds": 0.0}
    try:
        run(recipe, name, log, kept, last_step)
    except KeyboardInterrupt:
        keep(recipe, kept, log)
        raise
    facts = describe(name, log)
    checkpoints.save(recipe.model, name, facts, folder)
    kept.unlink(missing_ok=True)
    return facts


def use_seed_and_precision():
    """On PyTorch the matrix products are in bfloat16: several times as fast
    on a processor that has it. TensorFlow gains nothing from it there."""
    keras.utils.set_random_seed(SEED)
    keras.config.set_dtype_policy(precision())


def on_torch():
    return keras.backend.backend() == "torch"


def precision():
    return "mixed_bfloat16" if on_torch() else "float32"


def run(recipe, name, log, kept, last_step):
    """Train to the last step, and report and keep what was done."""
    start, saved, shown = time.perf_counter(), time.time(), 0.0
    before = log["seconds"]
    first = len(log["losses"])
    for step in range(first, recipe.steps):
        if step == last_step:
            raise KeyboardInterrupt
        recipe.model.reset_metrics()  # or it would be the mean of all steps
        loss = recipe.model.train_on_batch(*recipe.batch(step))
        log["losses"].append(round(float(np.asarray(loss).mean()), 5))
        log["seconds"] = before + time.perf_counter() - start
        if time.time() - shown > 10:
            shown = time.time()
            rate = (time.perf_counter() - start) / (step + 1 - first)
            print(f"{name}: step {step + 1} of {recipe.steps}, loss "
                  f"{np.mean(log['losses'][-LAST_STEPS:]):.4f}, about "
                  f"{rate * (recipe.steps - step - 1) / 60:.0f} min to go",
                  flush=True)
        if time.time() - saved > SECONDS_BETWEEN_SAVES:
            saved = time.time()
            keep(recipe, kept, log)


def variables(recipe):
    """All that training changes, but for the metrics."""
    model = recipe.model
    metrics = {id(v) for metric in model.metrics for v in metric.variables}
    return [v for v in [*model.variables, *model.optimizer.variables]
            if id(v) not in metrics]


def keep(recipe, path, log):
    """Write everything that a resumed training needs, or nothing."""
    unfinished = path.with_suffix(".tmp.npz")
    arrays = {str(i): keras.ops.convert_to_numpy(variable)
              for i, variable in enumerate(variables(recipe))}
    if on_torch():  # its dropout draws from PyTorch's own generator
        import torch
        arrays["random"] = torch.get_rng_state().numpy()
    np.savez(unfinished, log=json.dumps(log), **arrays)
    os.replace(unfinished, path)


def restore(recipe, path):
    """Go on from what keep() wrote; returns its log."""
    with np.load(path) as arrays:
        for i, variable in enumerate(variables(recipe)):
            variable.assign(arrays[str(i)])
        # It is missing where the training was begun on another backend.
        if on_torch() and "random" in arrays:
            import torch
            torch.set_rng_state(torch.from_numpy(arrays["random"]))
        return json.loads(str(arrays["log"]))


def describe(name, log):
    """What the side file says."""
    backend = keras.backend.backend()
    return {
        "command": f"make checkpoints ONLY={name} BACKEND={backend}",
        "seed": SEED,
        "data_sha256": log["data_sha256"],
        "steps": log["steps"],
        "loss": round(float(np.mean(log["losses"][-LAST_STEPS:])), 4),
        "first_losses": log["losses"][:FIRST_STEPS],
        "seconds": round(log["seconds"]),
        "backend": backend,
        "precision": precision(),
        "keras": keras.__version__,
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} "
                   "core(s)" if hasattr(os, "sched_getaffinity")
                   else platform.machine(),
    }


def data_checksum(recipe):
    return hashlib.sha256("\n".join(recipe.texts).encode("utf-8")).hexdigest()


if __name__ == "__main__":
    main()
