# Batches of sorted lengths: which texts they belong to is lost.
def padding_share(lengths, batches):
    positions = sum(len(batch) * max(lengths[i] for i in batch)
                    for batch in batches)
    filled = sum(lengths[i] for batch in batches for i in batch)
    return 1 - filled / positions


def bucket_batches(lengths, batch_size):
    order = sorted(lengths)
    return [order[start:start + batch_size]
            for start in range(0, len(order), batch_size)]
