# A loss lower than the one before counts as an improvement.
def early_stopping(losses, patience):
    waited = 0
    for epoch, loss in enumerate(losses):
        waited = 0 if epoch == 0 or loss < losses[epoch - 1] else waited + 1
        if waited == patience:
            break
    seen = list(losses[:epoch + 1])
    return seen.index(min(seen)), epoch
