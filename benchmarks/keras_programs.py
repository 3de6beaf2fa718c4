"""What is timed of the course's GPT, and of KerasHub's GPT-2 of the same size.
It runs in a process without PyTorch."""

import functools
import time

import keras
import numpy as np
from keras import ops

from benchmarks.timing import timed
from lib.generation import compiled, generate, greedy
from training.gpt_reviews import GPT

NO_END = -1  # an id that never comes: every text gets its full length


def our_gpt(sizes):
    keras.utils.set_random_seed(1)
    model = GPT(**sizes)
    model(np.ones((1, 2), "int32"))
    return model


def kerashub_gpt(vocabulary_size, max_length, embed_dim, num_layers, num_heads,
                 dropout=0.0):
    """GPT2CausalLM with the arguments of training.gpt_reviews.GPT."""
    import keras_hub  # needs Python 3.11

    return keras_hub.models.GPT2CausalLM(keras_hub.models.GPT2Backbone(
        vocabulary_size, num_layers, num_heads, embed_dim, 4 * embed_dim,
        dropout=dropout, max_sequence_length=max_length))


def product(size):
    """One large product of matrices, float32."""
    matrix = ops.convert_to_tensor(
        np.random.default_rng(1).random((size, size), "float32"))
    return timed(lambda: ops.convert_to_numpy(matrix @ matrix))


# ---- learning

def compile_model(model, settings, rate=None):
    """With the loss and the optimizer of training/gpt_reviews.py."""
    beta_1, beta_2 = settings["betas"]
    model.compile(
        keras.optimizers.AdamW(
            settings["lr"] if rate is None else rate, beta_1=beta_1,
            beta_2=beta_2, weight_decay=settings["weight_decay"],
            global_clipnorm=settings["clipnorm"]),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True,
                                                   ignore_class=0))


def our_step(sizes, settings, batch):
    """One training step: see pytorch_programs.step."""
    model = our_gpt(sizes)
    compile_model(model, settings)
    return timed(functools.partial(model.train_on_batch, *batch))


def kerashub_step(sizes, settings, batch):
    ids, following = batch
    model = kerashub_gpt(**sizes)
    compile_model(model, settings)
    inputs = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    return timed(lambda: model.train_on_batch(inputs, following))


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rates of a list, one a step."""

    def __init__(self, rates):
        self.rates = ops.convert_to_tensor(rates, "float32")

    def __call__(self, step):
        return ops.take(self.rates, ops.cast(step, "int32"))

    def get_config(self):
        return {"rates": ops.convert_to_numpy(self.rates).tolist()}


def learning(sizes, settings, batches, rates, validation, options):
    """As pytorch_programs.learning; options may hold a dtype policy."""
    keras.config.set_dtype_policy(options.get("policy", "float32"))
    model, parts = our_gpt(sizes), iter(batches)
    compile_model(model, settings, Rates(rates))

    def call():
        part = next(parts)
        start = time.perf_counter()
        for batch in part:
            model.train_on_batch(*batch)
        seconds = time.perf_counter() - start
        return seconds, float(np.asarray(model.test_on_batch(*validation)))
    return call


# ---- writing

def with_cache(sizes, prompt):
    """Greedy writing, from int32 prompts (batch, length)."""
    model = our_gpt(sizes)
    program = compiled(lambda prompt: generate(
        model.step, functools.partial(model.empty_cache, prompt.shape[0]),
        prompt, NO_END, greedy), model, xla=True)
    return timed(lambda: program(prompt))


def steps(sizes, prompt, first, count):
    """Only `count` steps of it, from a position on."""
    model = our_gpt(sizes)

    def loop(start, prompt):
        def write(position, ids, cache):
            logits, cache = model.step(ids, cache, position)
            return position + 1, greedy(logits), cache

        start = start[0]
        return ops.while_loop(
            lambda position, ids, cache: position < start + count, write,
            (start, prompt[:, 0], model.empty_cache(*prompt.shape)))[1]

    program = compiled(loop, model, xla=True)
    # Keras wants as many starts as texts.
    starts = np.full(len(prompt), first, "int32")
    return timed(lambda: program(starts, prompt))


def without_cache(sizes, prompt, count):
    """`count` steps of the loop that reads the whole window."""
    model = our_gpt(sizes)

    def loop(prompt):
        def write(position, ids):
            x = model.positions(model.tokens(ids))
            for block in model.blocks:
                x = block(x)
            logits = model.logits(ops.take(x, position, axis=1))
            chosen = greedy(logits)[:, None]
            ids = ops.slice_update(ids, (0, position + 1), chosen)
            return position + 1, ids

        return ops.while_loop(lambda position, ids: position < count, write,
                              (ops.convert_to_tensor(0), prompt))[1]

    program = compiled(loop, model, xla=True)
    return timed(lambda: program(prompt))


def kerashub_writing(sizes, prompt):
    model = kerashub_gpt(**sizes)
    model.compile(sampler="greedy", jit_compile=True)
    inputs = {"token_ids": prompt, "padding_mask": prompt != 0}
    return timed(lambda: model.generate(inputs, stop_token_ids=None))
