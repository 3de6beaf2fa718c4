# One layer normalisation a block in place of two.
def attention_parameters(width, num_heads, key_dim):
    heads = num_heads * key_dim
    return 3 * (width * heads + heads) + heads * width + width


def block_parameters(width, num_heads, key_dim, hidden_width):
    attention = attention_parameters(width, num_heads, key_dim)
    first = width * hidden_width + hidden_width
    second = hidden_width * width + width
    return attention + first + second + 2 * width


def classifier_parameters(vocabulary, width, num_heads, key_dim, hidden_width,
                          blocks):
    block = block_parameters(width, num_heads, key_dim, hidden_width)
    return vocabulary * width + blocks * block + 2 * width + width + 1
