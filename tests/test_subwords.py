"""Byte-pair encoding: how merges are learnt, and how a text is cut."""

import collections

import pytest

from training.subwords import Subwords, english_words, learn_merges, merge

TEXTS = ["low low low lower lower newest newest widest", "the newest, lowest"]


def naive_merges(texts, count):
    """The same, by counting all pairs anew for each merge."""
    counts = collections.Counter(w for t in texts for w in english_words(t))
    pieces = {word: list(word) for word, n in counts.items() if n > 1}
    merges = []
    while len(merges) < count:
        found = collections.Counter()
        for word, parts in pieces.items():
            for pair in zip(parts, parts[1:]):
                found[pair] += counts[word]
        if not found:
            break
        merges.append(max(found, key=lambda pair: (found[pair], pair)))
        for word, parts in pieces.items():
            pieces[word] = merge(parts, merges[-1])
    return merges


@pytest.mark.parametrize("text, expected", [
    ("He's  the LAST.", [" he", "'", "s", " the", " last", "."]),
    ("a\tb\n c", [" a", " b", " c"]),
    ("a1 - b", [" a", "1", " -", " b"]),
    ("", []),
    (" \t ", []),
])
def test_english_words_are_joined_to_the_text_again(text, expected):
    assert english_words(text) == expected
    assert "".join(expected).split() == text.lower().split()


def test_merge_joins_from_the_left():
    assert merge(list("aaaba"), ("a", "a")) == ["aa", "a", "b", "a"]
    assert merge(["ab", "c"], ("a", "b")) == ["ab", "c"]
    assert merge(list("abab"), ("a", "b")) == ["ab", "ab"]


def test_merges_take_the_most_frequent_pair_first():
    merges = learn_merges(["low low low lower lower rare"], 5)
    assert merges[:3] == [("o", "w"), ("l", "ow"), (" ", "low")]
    assert merges[3:] == [("e", "r"), (" low", "er")]


@pytest.mark.parametrize("count", [0, 1, 4, 9, 15])
def test_merges_are_those_of_a_naive_count(count):
    assert learn_merges(TEXTS, count) == naive_merges(TEXTS, count)


@pytest.mark.parametrize("texts, count", [
    (["low low"], 3), (["a b"], 0), ([], 0), (["a a"], 1)])
def test_merges_end_when_nothing_is_left_to_join(texts, count):
    assert len(learn_merges(texts, 10)) == count


def test_a_word_that_stands_once_teaches_nothing():
    assert learn_merges(["rare"], 5) == []


def test_subwords_lose_nothing_and_cut_what_they_never_saw():
    cut = Subwords(learn_merges(["low low low lower lower"], 5))
    assert cut("Lower low") == [" lower", " low"]
    assert cut("slow, flower") == [" ", "s", "low", ",", " ", "f", "low", "er"]
    assert "".join(cut("Slow, flower!")) == " slow, flower!"
    assert cut("a\tb") == [" ", "a", " ", "b"]
    assert cut("") == []


def test_the_earliest_merge_comes_first():
    cut = Subwords([("b", "c"), ("a", "b"), ("a", "bc")])
    assert cut("abc") == [" ", "abc"]
    assert Subwords([("a", "b"), ("b", "c")])("abc") == [" ", "ab", "c"]
    assert Subwords([("b", "c"), ("a", "b")])("abc") == [" ", "a", "bc"]


def test_a_word_is_cut_the_same_the_second_time():
    cut = Subwords([("a", "b")])
    assert cut("ab") == cut("ab") == [" ", "ab"]
