"""The course's GPT as its readers might write it elsewhere: in plain PyTorch,
weight for weight the same, and as KerasHub's GPT-2 of the same size."""

import torch
from torch import nn
from torch.nn import functional

from lib.recipes import gpt_reviews

EPSILON = 1e-3  # that of Keras' LayerNormalization


def chapter_06():
    """Chapter 06's GPT for the reviews.

    Returns:
        lib.recipes.Recipe, and the arguments that make such a lib.models.GPT,
        a dict.
    """
    recipe = gpt_reviews()
    model = recipe.model
    return recipe, {"vocabulary_size": model.tokens.input_dim,
                    "max_length": model.positions.max_length,
                    "width": model.tokens.output_dim,
                    "num_layers": len(model.blocks),
                    "num_heads": model.blocks[0].attention.num_heads,
                    "dropout": model.dropout.rate}


def kerashub_gpt(vocabulary_size, max_length, width, num_layers, num_heads,
                 dropout=0.0):
    """GPT2CausalLM with the arguments of lib.models.GPT."""
    import keras_hub  # needs Python 3.11, and PyTorch's GPT does not need it

    return keras_hub.models.GPT2CausalLM(keras_hub.models.GPT2Backbone(
        vocabulary_size, num_layers, num_heads, width, 4 * width,
        dropout=dropout, max_sequence_length=max_length))


class Block(nn.Module):
    """lib.layers.DecoderBlock, with PyTorch's fused attention."""

    def __init__(self, width, num_heads, dropout):
        super().__init__()
        self.num_heads = num_heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, EPSILON)
                                   for _ in range(2))
        self.into_heads = nn.Linear(width, 3 * width)
        self.out_of_heads = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(),
            nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def heads(self, x):
        """Query, key, value, each (batch, num_heads, length, key_dim)."""
        parts = self.into_heads(x).unflatten(-1, (3, self.num_heads, -1))
        return parts.permute(2, 0, 3, 1, 4)

    def rest(self, x, heads):
        """What follows the attention."""
        y = self.out_of_heads(heads.transpose(1, 2).flatten(2))
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
    """lib.models.GPT."""

    def __init__(self, vocabulary_size, max_length, width, num_layers,
                 num_heads, dropout=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary_size, width)
        self.positions = nn.Embedding(max_length, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, num_heads, dropout)
                                    for _ in range(num_layers))
        self.norm = nn.LayerNorm(width, EPSILON)

    def scores(self, x):
        return functional.linear(self.norm(x), self.tokens.weight)

    def forward(self, ids):
        """Ids (batch, length) to logits (batch, length, vocabulary_size)."""
        x = self.dropout(self.tokens(ids)
                         + self.positions.weight[:ids.shape[1]])
        for block in self.blocks:
            x = block(x)
        return self.scores(x)

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
                 block.out_of_heads.in_features // block.num_heads)
        caches = [torch.zeros(shape) for _ in self.blocks]
        for position in range(length - 1):
            x = (self.tokens(ids[:, position:position + 1])
                 + self.positions.weight[position])
            for block, cache in zip(self.blocks, caches):
                x = block.step(x, cache, position)
            chosen = 1 + self.scores(x[:, 0])[:, 1:].argmax(-1)
            given = ids[:, position + 1]
            ids[:, position + 1] = torch.where(given != 0, given, chosen)
        return ids

    def take_weights(self, model):
        """Copy the weights of a lib.models.GPT of the same sizes."""
        pairs = [(self.norm, model.norm)]
        for ours, theirs in zip(self.blocks, model.blocks):
            first, _, second = ours.feed_forward
            pairs += [*zip(ours.norms, theirs.norms),
                      (ours.into_heads, theirs.attention.into_heads),
                      (ours.out_of_heads, theirs.attention.out_of_heads),
                      *zip((first, second), theirs.feed_forward.layers)]
        for ours, theirs in pairs:  # a matrix lies the other way in PyTorch
            for parameter, weight in zip(ours.parameters(),
                                         theirs.get_weights()):
                parameter.data.copy_(torch.tensor(weight.T))
        for ours, theirs in ((self.tokens, model.tokens),
                             (self.positions, model.positions)):
            ours.weight.data.copy_(torch.tensor(*theirs.get_weights()))
