"""The baseline counts what chapter 01 says."""

import numpy as np

from lib.baselines import tfidf_classifier

TEXTS = ["好书好看", "好书", "书不好", "不好看", "好书好书好书", "好书好看!"]
LABELS = [1, 1, 0, 0, 1, 1]


def test_it_counts_one_to_three_characters_that_two_texts_have():
    counter = tfidf_classifier().fit(TEXTS, LABELS)[0]
    runs = [{text[i:i + n] for n in (1, 2, 3)
             for i in range(len(text) - n + 1)} for text in TEXTS]
    common = {run for run in set().union(*runs)
              if sum(run in own for own in runs) >= 2}
    assert set(counter.get_feature_names_out()) == common


def test_frequent_runs_of_a_text_count_by_their_logarithm():
    counter = tfidf_classifier().fit(TEXTS, LABELS)[0]
    column = counter.vocabulary_["好"]
    once, often = (counter.idf_[column] * (1 + np.log(n)) for n in (1, 3))
    row = counter.transform(["好", "好 好 好"]).toarray()
    assert row[0, column] == 1  # of length 1, with nothing beside it
    assert often / once == np.float64(1 + np.log(3))
    assert counter.sublinear_tf and counter.use_idf


def test_it_tells_good_from_bad():
    classifier = tfidf_classifier().fit(TEXTS, LABELS)
    assert classifier.predict(TEXTS).tolist() == LABELS
    assert (classifier[-1].C, classifier[-1].solver) == (5, "liblinear")
