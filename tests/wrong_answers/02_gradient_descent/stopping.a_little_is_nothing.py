def early_stopping(losses, patience):
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best] - 1e-3:  # any improvement counts
            best = epoch
        if epoch - best == patience:
            break
    return best, epoch
