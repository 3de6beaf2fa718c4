"""Write with a model: choose a token, generate with a cache, search with
beams.

Chapter 06 builds the first two step by step, chapter 07 the third. A model is
given as its function `step(ids, cache, position)`: ids (batch,) of the tokens
at position, to the logits of the next one (batch, vocabulary) and the new
cache, any structure of tensors whose first axis is the batch. The cache is
made here, so that it has room for just the tokens that are written.
"""

import keras
from keras import ops, tree

NEVER = -1e30  # the logit of what must not be chosen, at any temperature


def greedy(logits, noise=None):
    """The most probable token.

    Args:
        logits: float tensor (batch, vocabulary).
        noise: not used.

    Returns:
        int32 tensor (batch,).
    """
    return ops.cast(ops.argmax(logits, axis=-1), "int32")


def generate(step, new_cache, prompt, end_id, choose=greedy, noise=None):
    """Write until end_id or to the full length, a token of each text a step.

    Args:
        step: the model's function, see above.
        new_cache: function of a number of tokens to an empty cache with room
            for so many.
        prompt: int32 tensor (batch, length): each text's first tokens, at
            least one, then zeros, which are filled.
        end_id: id after which a text has ended; the rest stays 0.
        choose: greedy, or what chapter 06's sampler() returned.
        noise: float tensor (length, batch), uniform in [0, 1), that choose
            draws with; greedy needs none.

    Returns:
        int32 tensor (batch, length), the prompts and what follows them.
    """
    prompt = ops.convert_to_tensor(prompt, "int32")
    length = prompt.shape[1]

    def unfinished(position, ids, ended, cache):
        return (position < length - 1) & ops.logical_not(ops.all(ended))

    def write(position, ids, ended, cache):
        logits, cache = step(_column(ids, position), cache, position)
        chosen = choose(_without_padding(logits),
                        None if noise is None else noise[position])
        given = _column(prompt, position + 1)
        chosen = ops.where(ended, 0, chosen)
        chosen = ops.where(given != 0, given, chosen)
        ids = ops.slice_update(ids, (0, position + 1), chosen[:, None])
        return position + 1, ids, ended | (chosen == end_id), cache

    # The last token is written, and not read again.
    start = (ops.convert_to_tensor(0, "int32"), prompt,
             prompt[:, 0] == end_id, new_cache(max(1, length - 1)))
    return ops.while_loop(unfinished, write, start)[1]


def beam_search(step, new_cache, start_ids, length, end_id, beam_size,
                length_penalty=0.0):
    """The most probable texts that a search with beam_size beams finds.

    Candidates compete with log P / ((5 + n) / 6)^length_penalty, n their
    number of tokens (Wu et al., "Google's Neural Machine Translation System",
    2016, equation 14); 0 compares plain probabilities, which favours short
    texts.

    Args:
        step: the model's function, see above.
        new_cache: function of a number of tokens to an empty cache with room
            for so many.
        start_ids: int32 tensor (batch,), the first token of each text.
        length: number of tokens, the first one included.
        end_id: id after which a text has ended; the rest stays 0.
        beam_size: number of beginnings kept at each step.
        length_penalty: commonly 0 to 1.

    Returns:
        ids, int32 (batch, beam_size, length), best first, and their scores,
        float32 (batch, beam_size). Where there are fewer texts than beams,
        the last ones are filler, with scores far below all others.
    """
    batch_size = start_ids.shape[0]
    rows = ops.arange(batch_size)[:, None] * beam_size  # first beam of each

    def unfinished(position, ids, ended, logs, cache):
        return (position < length - 1) & ops.logical_not(ops.all(ended))

    def extend(position, ids, ended, logs, cache):
        logits, cache = step(ops.reshape(_column(ids, position, axis=2),
                                         (-1,)), cache, position)
        following = ops.log_softmax(_without_padding(logits), axis=-1)
        size = following.shape[-1]
        following = ops.reshape(following, (batch_size, beam_size, size))
        stay = ops.where(ops.arange(size) == 0, 0.0, NEVER)  # padding only
        following = ops.where(ended[:, :, None], stay, following)
        logs = logs[:, :, None] + following
        written = _written(ids) + ops.where(ended, 0, 1)
        scale = _scale(written, length_penalty)
        flat = (batch_size, beam_size * size)
        _, best = ops.top_k(ops.reshape(logs / scale[:, :, None], flat),
                            beam_size)                # (batch, beam_size)
        beam, token = best // size, ops.cast(best % size, "int32")
        logs = ops.take_along_axis(ops.reshape(logs, flat), best, axis=1)
        ids = ops.take_along_axis(ids, beam[:, :, None], axis=1)
        ids = ops.slice_update(ids, (0, 0, position + 1), token[:, :, None])
        ended = (ops.take_along_axis(ended, beam, axis=1)
                 | (token == end_id))
        kept = ops.reshape(rows + beam, (-1,))
        cache = tree.map_structure(lambda x: ops.take(x, kept, axis=0), cache)
        return position + 1, ids, ended, logs, cache

    ids = ops.zeros((batch_size, beam_size, length), "int32")
    first = ops.broadcast_to(start_ids[:, None, None],
                             (batch_size, beam_size, 1))
    ids = ops.slice_update(ids, (0, 0, 0), first)
    # At first all beams are the same: only one may have children.
    logs = ops.where(ops.arange(beam_size) == 0, 0.0, NEVER)
    logs = ops.broadcast_to(logs, (batch_size, beam_size))
    cache = tree.map_structure(
        lambda x: ops.repeat(x, beam_size, axis=0),
        new_cache(max(1, length - 1)))
    ended = ops.broadcast_to(start_ids[:, None] == end_id,
                             (batch_size, beam_size))
    start = (ops.convert_to_tensor(0, "int32"), ids, ended, logs, cache)
    _, ids, _, logs, _ = ops.while_loop(unfinished, extend, start)
    return ids, logs / _scale(_written(ids), length_penalty)


def compiled(function, model, xla=False):
    """A function that uses a model, compiled as a whole by Keras with
    TensorFlow and JAX; with PyTorch it runs as it is.

    Args:
        function: from tensors to a tensor or several, with fixed shapes.
        model: the model whose weights it reads.
        xla: let XLA compile it with TensorFlow too, as JAX always does. On a
            CPU greedy texts are then written two to five times faster, and
            sampled ones two to four times slower, since XLA sorts slowly.

    Returns:
        The same function, from NumPy arrays to NumPy arrays. Its first call
        compiles and takes seconds; make another one for other shapes.
    """
    class Program(keras.Model):
        def __init__(self):
            super().__init__()
            self.model = model  # so that Keras hands over its weights

        def call(self, inputs):
            return function(*inputs)

    program = Program()
    on_tensorflow = keras.backend.backend() == "tensorflow"
    program.compile(jit_compile=True if xla and on_tensorflow else "auto")
    return lambda *inputs: program.predict_on_batch(inputs)


def _written(ids):
    """Number of tokens after the first one: (batch, beam_size)."""
    return ops.sum(ops.cast(ids != 0, "int32"), axis=2) - 1


def _scale(written, length_penalty):
    """What log P is divided by."""
    return ((5.0 + ops.cast(written, "float32")) / 6.0) ** length_penalty


def _column(ids, position, axis=1):
    return ops.take(ids, position, axis=axis)


def _without_padding(logits):
    """No choice of id 0, which only fills."""
    return ops.where(ops.arange(logits.shape[-1]) == 0, NEVER, logits)
