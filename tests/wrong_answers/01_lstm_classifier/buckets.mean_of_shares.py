# Averages the shares of the batches, although batches differ in size.
def padding_share(lengths, batches):
    shares = []
    for batch in batches:
        positions = len(batch) * max(lengths[i] for i in batch)
        shares.append(1 - sum(lengths[i] for i in batch) / positions)
    return sum(shares) / len(shares)


def bucket_batches(lengths, batch_size):
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    return [order[start:start + batch_size]
            for start in range(0, len(order), batch_size)]
