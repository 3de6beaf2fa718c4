# x += … writes into the array of the caller.
def post_norm_block(x, attend, feed_forward, norm_1, norm_2, dropout):
    x = norm_1(x + dropout(attend(x)))
    return norm_2(x + dropout(feed_forward(x)))


def pre_norm_block(x, attend, feed_forward, norm_1, norm_2, dropout):
    x += dropout(attend(norm_1(x)))
    x += dropout(feed_forward(norm_2(x)))
    return x
