# The merged kernel forgets alpha and the rank.
def forward(x, kernel, bias, a, b, alpha):
    return x @ kernel + alpha / a.shape[1] * (x @ a) @ b + bias


def merged(kernel, a, b, alpha):
    return kernel + a @ b


def trainable(inputs, units, rank):
    return inputs * rank + rank * units
