# Counts all epochs without an improvement, not those in a row.
def early_stopping(losses, patience):
    best, waited = 0, 0
    for epoch, loss in enumerate(losses):
        if epoch and loss >= losses[best]:
            waited += 1
        elif loss < losses[best]:
            best = epoch
        if waited == patience:
            break
    return best, epoch
