# Dropout after the addition: it hits the residual path too.
def post_norm_block(x, attend, feed_forward, norm_1, norm_2, dropout):
    x = norm_1(dropout(x + attend(x)))
    return norm_2(dropout(x + feed_forward(x)))


def pre_norm_block(x, attend, feed_forward, norm_1, norm_2, dropout):
    x = dropout(x + attend(norm_1(x)))
    return dropout(x + feed_forward(norm_2(x)))
