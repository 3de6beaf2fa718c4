"""What a neural model must first beat. Chapter 01 builds it."""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def tfidf_classifier():
    """The baseline of the reviews: TF-IDF of one to three characters, and
    logistic regression.

    Returns:
        scikit-learn Pipeline from texts to labels; it is not fitted yet.
    """
    return make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2,
                        sublinear_tf=True),
        LogisticRegression(C=5, solver="liblinear"))
