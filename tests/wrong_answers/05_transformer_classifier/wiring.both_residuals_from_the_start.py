# The second residual connection, too, starts at the input of the block.
def post_norm_block(x, attend, feed_forward, norm_1, norm_2, dropout):
    y = norm_1(x + dropout(attend(x)))
    return norm_2(x + dropout(feed_forward(y)))


def pre_norm_block(x, attend, feed_forward, norm_1, norm_2, dropout):
    y = x + dropout(attend(norm_1(x)))
    return x + dropout(feed_forward(norm_2(y)))
