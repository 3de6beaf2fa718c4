# NumPy's default sort does not keep the order of equal lengths.
def padding_share(lengths, batches):
    fields = sum(len(batch) * max(lengths[i] for i in batch)
                 for batch in batches)
    filled = sum(lengths[i] for batch in batches for i in batch)
    return 1 - filled / fields


def bucket_batches(lengths, batch_size):
    order = np.argsort(lengths).tolist()
    return [order[start:start + batch_size]
            for start in range(0, len(order), batch_size)]
