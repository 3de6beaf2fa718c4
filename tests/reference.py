"""The Transformer once more, in NumPy, written from the papers: what lib and
training compute is compared with it."""

import keras
import numpy as np
from keras import ops
from scipy.special import erf

POLICIES = ["mixed_bfloat16", "mixed_float16"]
# JAX has no compiled product of matrices in float16 on a processor.
COMPILED_POLICIES = POLICIES[:1 if keras.backend.backend() == "jax" else 2]
IDS = np.array([[5, 3, 8, 1, 0, 0], [2, 2, 7, 9, 4, 6], [1, 0, 0, 0, 0, 0]])


def numpy_of(tensor):
    """A tensor of any precision as a NumPy array that may be written to."""
    return np.array(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def close(tensor, expected, atol=2e-5):
    np.testing.assert_allclose(numpy_of(tensor), expected, atol=atol)


def randomise(model, seed=0, scale=0.4):
    """Give all weights of a built model large random values, biases and
    normalisations too, so that no mistake hides behind a 0 or a 1."""
    rng = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape, scale=scale))
    return model


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def gelu(x):
    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


def relu(x):
    return np.maximum(x, 0)


def dense(layer, x):
    kernel, bias = layer.get_weights()
    return x @ kernel + bias


def norm(layer, x):
    gamma, beta = layer.get_weights()
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred ** 2).mean(axis=-1, keepdims=True)
    return gamma * centred / np.sqrt(variance + 1e-3) + beta


def attention(query, key, value, mask=None):
    """One query after the other: (queries, d), (keys, d), (keys, v), mask
    (queries, keys)."""
    rows = []
    for i, q in enumerate(query):
        scores = np.array([q @ k for k in key]) / np.sqrt(len(q))
        if mask is not None:
            scores = np.where(mask[i], scores, -1e9)
        rows.append(softmax(scores) @ value)
    return np.array(rows)


def heads(query, key, value, num_heads, mask=None):
    """Attention in heads for a batch: (batch, queries, embed_dim) and so on,
    mask (batch, queries, keys)."""
    size = query.shape[-1] // num_heads
    outputs = []
    for i in range(len(query)):
        parts = [attention(query[i][:, h:h + size], key[i][:, h:h + size],
                           value[i][:, h:h + size],
                           None if mask is None else mask[i])
                 for h in range(0, num_heads * size, size)]
        outputs.append(np.concatenate(parts, axis=-1))
    return np.array(outputs)


def keras_attention(layer, x, mask):
    """keras.layers.MultiHeadAttention of x to itself."""
    qk, qb, kk, kb, vk, vb, ok, ob = layer.get_weights()
    num_heads = qk.shape[1]
    width = qk.shape[1] * qk.shape[2]
    query, key, value = (
        x @ kernel.reshape(-1, width) + bias.reshape(-1)
        for kernel, bias in ((qk, qb), (kk, kb), (vk, vb)))
    y = heads(query, key, value, num_heads, mask)
    return y @ ok.reshape(width, -1) + ob


def encoder_blocks(model, x, mask, norm_first=True, last_norm=False):
    """All blocks of a functional model, made by lib.layers.encoder_block, and
    with last_norm the normalisation after them."""
    def of(name):
        return [layer for layer in model.layers
                if type(layer).__name__ == name]

    norms, denses = iter(of("LayerNormalization")), iter(of("Dense"))
    for layer in of("MultiHeadAttention"):
        def attend(x, layer=layer):
            return keras_attention(layer, x, mask)

        def feed_forward(x):
            first, second = next(denses), next(denses)
            return dense(second, relu(dense(first, x)))

        for part in (attend, feed_forward):
            if norm_first:
                x = x + part(norm(next(norms), x))
            else:
                x = norm(next(norms), x + part(x))
    left = [*norms, *denses]
    assert len(left) == last_norm, left
    return norm(left[0], x) if last_norm else x


def decoder_block(block, x, memory=None, source_mask=None):
    """lib.layers.DecoderBlock, or with memory training's
    CrossDecoderBlock."""
    num_heads = block.attention.num_heads
    length, width = x.shape[1:]
    causal = np.array([[[row >= column for column in range(length)]
                        for row in range(length)]] * len(x))
    y = dense(block.attention.qkv_proj, norm(block.norms[0], x))
    query, key, value = (y[..., i * width:(i + 1) * width] for i in range(3))
    x = x + dense(block.attention.out_proj,
                  heads(query, key, value, num_heads, causal))
    if memory is not None:
        cross = block.cross_attention
        query = dense(cross.query_proj, norm(block.cross_norm, x))
        mask = np.repeat(source_mask[:, None], length, axis=1)
        x = x + dense(cross.out_proj, heads(
            query, dense(cross.key_proj, memory),
            dense(cross.value_proj, memory), num_heads, mask))
    first, second = block.feed_forward.layers
    return x + dense(second, gelu(dense(first, norm(block.norms[1], x))))


def embedded(tokens, positions, ids):
    return (tokens.get_weights()[0][ids]
            + positions.get_weights()[0][:ids.shape[1]])


def gpt_logits(model, ids):
    """(batch, length) to (batch, length, vocabulary)."""
    x = embedded(model.tokens, model.positions, ids)
    for block in model.blocks:
        x = decoder_block(block, x)
    return norm(model.norm, x) @ model.tokens.get_weights()[0].T


def encoder_output(model, ids, *more):
    """Embeddings, positions and blocks of a functional encoder; `more` are
    the ids of its other inputs."""
    tables = [layer.get_weights()[0] for layer in model.layers
              if type(layer).__name__ == "Embedding"]
    places, = (layer.get_weights()[0] for layer in model.layers
               if type(layer).__name__ == "LearnedPositions")
    x = sum(table[i] for table, i in zip(tables, (ids, *more)))
    mask = np.repeat((ids != 0)[:, None], ids.shape[1], axis=1)
    return encoder_blocks(model, x + places[:ids.shape[1]], mask,
                          last_norm=True)


def translator_logits(model, source, target):
    """(batch, length of the target, vocabulary)."""
    memory = encoder_output(model.encoder, source)
    x = embedded(model.tokens, model.positions, target)
    for block in model.blocks:
        x = decoder_block(block, x, memory, source != 0)
    return dense(model.logits, norm(model.norm, x))


def pooled(x, real):
    """Mean and maximum of each text's real positions."""
    rows = []
    for vectors, keep in zip(x, real):
        vectors = vectors[keep] if keep.any() else np.zeros_like(vectors[:1])
        rows.append(np.concatenate([vectors.mean(axis=0),
                                    vectors.max(axis=0)]))
    return np.array(rows)


def masked_language_model_logits(model, ids, pair_ids, positions):
    """Logits of the characters at the positions, and of the pairs."""
    x = encoder_output(model.encoder, ids, pair_ids)
    outputs = []
    masked = np.array([row[places] for row, places in zip(x, positions)])
    for head, table, y in zip(model.heads, ("characters", "pairs"),
                              (masked, pooled(x, ids != 0))):
        first, last = head.layers
        y = norm(last, gelu(dense(first, y)))
        outputs.append(y @ model.encoder.get_layer(table).get_weights()[0].T)
    return outputs


def written(logits_of, prompt, end_id, choose):
    """What lib.generation.generate writes, reading the whole text for each
    token. choose takes the logits of one step (batch, vocabulary) and the
    number of the step."""
    ids = prompt.copy()
    ended = ids[:, 0] == end_id
    for step in range(ids.shape[1] - 1):
        logits = logits_of(ids)[:, step].copy()
        logits[:, 0] = -np.inf
        chosen = choose(logits, step)
        for row in range(len(ids)):
            if prompt[row, step + 1]:
                ids[row, step + 1] = prompt[row, step + 1]
            elif not ended[row]:
                ids[row, step + 1] = chosen[row]
            ended[row] |= ids[row, step + 1] == end_id
    return ids


def drawn(logits, noise, temperature=1.0, top_k=None, top_p=None):
    """The token that inverse transform sampling draws from one row."""
    p = softmax(logits / temperature)
    order = np.argsort(-p, kind="stable")[:top_k]
    p = p[order] / p[order].sum()
    if top_p is not None:
        before = np.cumsum(p) - p
        p = np.where(before < top_p, p, 0)
    return order[np.searchsorted(np.cumsum(p / p.sum()), noise, "right")]


def best_beams(logits_of, start, length, end_id, beam_size, length_penalty):
    """The beams of one text, best first: list of (score, ids)."""
    def score(beam):
        logs, ids = beam
        return logs / ((5 + len(ids) - 1) / 6) ** length_penalty

    beams = [(0.0, [start])]
    for step in range(length - 1):
        candidates = []
        for logs, ids in beams:
            if ids[-1] == end_id:
                candidates.append((logs, ids))
                continue
            row = np.zeros((1, length), "int32")
            row[0, :len(ids)] = ids
            logits = logits_of(row)[0, step].astype("float64")
            logits[0] = -np.inf
            following = log_softmax(logits)
            candidates += [(logs + following[token], [*ids, token])
                           for token in range(1, len(following))]
        beams = sorted(candidates, key=score, reverse=True)[:beam_size]
    return [(score(beam), beam[1]) for beam in beams]
