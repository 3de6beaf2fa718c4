# Adds to the caller's kernel: a second call merges twice.
def forward(x, kernel, bias, a, b, alpha):
    return x @ kernel + alpha / a.shape[1] * (x @ a) @ b + bias


def merged(kernel, a, b, alpha):
    kernel += alpha / a.shape[1] * a @ b
    return kernel


def trainable(inputs, units, rank):
    return inputs * rank + rank * units
