# Counts the product of the two matrices, which is as large as the kernel.
def forward(x, kernel, bias, a, b, alpha):
    return x @ kernel + alpha / a.shape[1] * (x @ a) @ b + bias


def merged(kernel, a, b, alpha):
    return kernel + alpha / a.shape[1] * a @ b


def trainable(inputs, units, rank):
    return inputs * units
