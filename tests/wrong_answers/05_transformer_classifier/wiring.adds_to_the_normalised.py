# Pre-norm that overwrites x: the residual connection starts too late.
def post_norm_block(x, attend, feed_forward, norm_1, norm_2, dropout):
    x = norm_1(x + dropout(attend(x)))
    return norm_2(x + dropout(feed_forward(x)))


def pre_norm_block(x, attend, feed_forward, norm_1, norm_2, dropout):
    x = norm_1(x)
    x = x + dropout(attend(x))
    x = norm_2(x)
    return x + dropout(feed_forward(x))
