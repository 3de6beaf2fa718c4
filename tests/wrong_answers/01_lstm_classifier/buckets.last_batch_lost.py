# Whole batches only: the last texts are never trained on.
def padding_share(lengths, batches):
    positions = sum(len(batch) * max(lengths[i] for i in batch)
                    for batch in batches)
    filled = sum(lengths[i] for batch in batches for i in batch)
    return 1 - filled / positions


def bucket_batches(lengths, batch_size):
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    return [order[i * batch_size:(i + 1) * batch_size]
            for i in range(len(order) // batch_size)]
