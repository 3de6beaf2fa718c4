"""The course's GPT as its readers might write it in plain PyTorch, weight for
weight the same, and what is timed with it. It runs in a process without
TensorFlow."""

import contextlib
import math
import time

import torch
from torch import nn
from torch.nn import functional

from benchmarks.timing import timed

EPSILON = 1e-3  # that of Keras' LayerNormalization


class Block(nn.Module):
    """lib.layers.DecoderBlock, with PyTorch's fused attention."""

    def __init__(self, embed_dim, num_heads, dropout):
        super().__init__()
        self.num_heads = num_heads
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dim, EPSILON)
                                   for _ in range(2))
        self.qkv_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim), nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim))
        self.dropout = nn.Dropout(dropout)

    def heads(self, x):
        """Query, key, value, each (batch, num_heads, length, key_dim)."""
        parts = self.qkv_proj(x).unflatten(-1, (3, self.num_heads, -1))
        return parts.permute(2, 0, 3, 1, 4)

    def rest(self, x, heads):
        """What follows the attention."""
        y = self.out_proj(heads.transpose(1, 2).flatten(2))
        x = x + self.dropout(y)
        return x + self.dropout(self.feed_forward(self.norms[1](x)))

    def forward(self, x):
        query, key, value = self.heads(self.norms[0](x))
        return self.rest(x, functional.scaled_dot_product_attention(
            query, key, value, is_causal=True))

    def step(self, x, cache, position):
        """One token of each text; its key and value go into the cache."""
        query, *new = self.heads(self.norms[0](x))
        for kept, part in zip(cache, new):
            kept[:, :, position] = part[:, :, 0]
        keys, values = (kept[:, :, :position + 1] for kept in cache)
        return self.rest(x, functional.scaled_dot_product_attention(
            query, keys, values))


class TorchGPT(nn.Module):
    """training.gpt_reviews.GPT."""

    def __init__(self, vocabulary_size, max_length, embed_dim, num_layers,
                 num_heads, dropout=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary_size, embed_dim)
        self.positions = nn.Embedding(max_length, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(embed_dim, num_heads, dropout)
                                    for _ in range(num_layers))
        self.norm = nn.LayerNorm(embed_dim, EPSILON)

    def logits(self, x):
        return functional.linear(self.norm(x), self.tokens.weight)

    def forward(self, ids):
        """Ids (batch, length) to logits (batch, length, vocabulary_size)."""
        x = self.dropout(self.tokens(ids)
                         + self.positions.weight[:ids.shape[1]])
        for block in self.blocks:
            x = block(x)
        return self.logits(x)

    @torch.inference_mode()
    def generate(self, prompt):
        """Greedily fill what is 0 after the prompt; never the token 0.

        Args:
            prompt: int64 tensor (batch, length), at least one token each.
        """
        ids = prompt.clone()
        batch_size, length = ids.shape
        block = self.blocks[0]
        shape = (2, batch_size, block.num_heads, length,
                 block.out_proj.in_features // block.num_heads)
        caches = [torch.zeros(shape) for _ in self.blocks]
        for position in range(length - 1):
            x = (self.tokens(ids[:, position:position + 1])
                 + self.positions.weight[position])
            for block, cache in zip(self.blocks, caches):
                x = block.step(x, cache, position)
            chosen = 1 + self.logits(x[:, 0])[:, 1:].argmax(-1)
            given = ids[:, position + 1]
            ids[:, position + 1] = torch.where(given != 0, given, chosen)
        return ids

    def take_weights(self, model):
        """Copy the weights of a training.gpt_reviews.GPT of the same sizes."""
        pairs = [(self.norm, model.norm)]
        for ours, theirs in zip(self.blocks, model.blocks):
            first, _, second = ours.feed_forward
            pairs += [*zip(ours.norms, theirs.norms),
                      (ours.qkv_proj, theirs.attention.qkv_proj),
                      (ours.out_proj, theirs.attention.out_proj),
                      *zip((first, second), theirs.feed_forward.layers)]
        for ours, theirs in pairs:  # a matrix lies the other way in PyTorch
            for parameter, weight in zip(ours.parameters(),
                                         theirs.get_weights()):
                parameter.data.copy_(torch.tensor(weight.T))
        for ours, theirs in ((self.tokens, model.tokens),
                             (self.positions, model.positions)):
            ours.weight.data.copy_(torch.tensor(*theirs.get_weights()))


def product(size):
    """One large product of matrices, float32."""
    matrix = torch.rand(size, size)
    return timed(lambda: matrix @ matrix)


def step(sizes, settings, batch):
    """One training step.

    Args:
        sizes: dict of the arguments of TorchGPT.
        settings: dict of lr, betas, weight_decay and clipnorm.
        batch: two int arrays (batch, length), ids and those that follow.
    """
    learner = Learner(sizes, settings)
    return timed(lambda: learner.learn(*batch))


def writing(sizes, prompt):
    """Greedy writing with a cache, from int32 prompts (batch, length)."""
    model, ids = TorchGPT(**sizes).eval(), torch.from_numpy(prompt).long()
    return timed(lambda: model.generate(ids))


class Learner:
    """A TorchGPT, its optimizer and its loss."""

    def __init__(self, sizes, settings, bfloat16=False, compiled=False):
        """
        Args:
            sizes, settings: as in step().
            bfloat16: compute the products of matrices in 16 bits.
            compiled: let torch.compile make one program of a step.
        """
        torch.manual_seed(1)
        self.model, self.clipnorm = TorchGPT(**sizes), settings["clipnorm"]
        self.model.apply(draw_as_keras)
        nn.init.normal_(self.model.positions.weight, std=0.05)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=settings["lr"], fused=True,
            betas=settings["betas"], weight_decay=settings["weight_decay"])
        self.precision = (torch.autocast("cpu", torch.bfloat16) if bfloat16
                          else contextlib.nullcontext())
        self.loss = (torch.compile(self._loss, dynamic=True) if compiled
                     else self._loss)

    def _loss(self, ids, following):
        with self.precision:
            logits = self.model(ids)
        return functional.cross_entropy(logits.float().flatten(0, 1),
                                        following.flatten(), ignore_index=0)

    def learn(self, ids, following, lr=None):
        """Take one step, with another learning rate if one is given."""
        ids, following = (torch.from_numpy(x).long() for x in (ids, following))
        if lr is not None:
            self.optimizer.param_groups[0]["lr"] = lr
        self.optimizer.zero_grad()
        loss = self.loss(ids, following)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clipnorm)
        self.optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def nats(self, ids, following):
        """Nats that a token of a batch costs, on average."""
        self.model.eval()
        loss = self._loss(*(torch.from_numpy(x).long()
                            for x in (ids, following)))
        self.model.train()
        return loss.item()


def draw_as_keras(layer):
    """Draw the first weights of a layer as Keras does."""
    if isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.Embedding):
        nn.init.uniform_(layer.weight, -0.05, 0.05)


def learning(sizes, settings, batches, rates, validation, options):
    """A part of a training each time: how long it took, and the loss after it.

    Args:
        sizes, settings, options: as in Learner.
        batches: list of parts, each a list of batches.
        rates: list of the learning rates of all steps.
        validation: a batch.

    Returns:
        Function to seconds and nats a token.
    """
    learner, parts = Learner(sizes, settings, **options), iter(batches)
    rates = iter(rates)

    def call():
        part = next(parts)
        start = time.perf_counter()
        for batch in part:
            learner.learn(*batch, next(rates))
        seconds = time.perf_counter() - start
        loss = learner.nats(*validation)
        return seconds, loss if math.isfinite(loss) else math.inf
    return call
