import numpy as np
import pytest

from lib.text import (
    Subwords,
    Vocabulary,
    characters,
    english_words,
    learn_merges,
    merge,
    pairs,
    words,
)

MIXED = "我用ThinkPad X60，重1.8kg😀！"


@pytest.fixture
def vocabulary():
    return Vocabulary.from_token_lists([list("abca"), list("ab")])


@pytest.mark.parametrize("split", [characters, pairs, words])
@pytest.mark.parametrize("text", ["", "   ", "\n\t\u3000"])
def test_nothing_but_white_space_has_no_tokens(split, text):
    assert split(text) == []


def test_characters_are_normalised():
    assert characters("Ａ b，！") == ["a", "b", ",", "!"]


def test_pairs_are_as_many_as_characters():
    assert pairs("很 好！") == ["很好", "好!", "!"]


def test_mixed_scripts_and_emoji():
    assert characters(MIXED) == list("我用thinkpadx60,重1.8kg😀!")
    assert words(MIXED) == ["我用", "thinkpad", "x60", ",", "重", "1.8", "kg",
                            "😀", "!"]


def test_no_token_is_lost():
    assert "".join(words(MIXED)) == "".join(characters(MIXED))


def test_ids_follow_frequency_then_alphabet(vocabulary):
    assert vocabulary.tokens == ["<pad>", "<unk>", "a", "b", "c"]
    assert len(vocabulary) == 5


def test_rare_tokens_become_unknown():
    rare = Vocabulary.from_token_lists([list("abca")], min_count=2)
    assert rare.encode(list("abc")) == [2, 1, 1]


def test_decode_undoes_encode_and_drops_padding(vocabulary):
    assert vocabulary.decode([2, 3, 4, 0, 0]) == ["a", "b", "c"]
    assert vocabulary.decode(vocabulary.encode(["x"])) == ["<unk>"]
    assert vocabulary.decode([]) == []


def test_batch_is_padded_and_cut_on_the_right(vocabulary):
    batch = vocabulary.encode_batch(
        [list("ab"), list("abcab"), [], list("😀?")], length=4)
    assert batch.dtype == np.int32
    np.testing.assert_array_equal(batch, [[2, 3, 0, 0],
                                          [2, 3, 4, 2],
                                          [0, 0, 0, 0],
                                          [1, 1, 0, 0]])


def test_empty_batch_keeps_its_length(vocabulary):
    assert vocabulary.encode_batch([], length=4).shape == (0, 4)


def test_special_tokens_in_a_text_are_only_text():
    vocabulary = Vocabulary.from_token_lists([["<pad>", "a"]])
    assert vocabulary.tokens == ["<pad>", "<unk>", "a"]


def test_a_token_may_not_occur_twice():
    with pytest.raises(ValueError, match="only once"):
        Vocabulary(["a", "a"])


def test_a_text_is_no_list_of_tokens():
    with pytest.raises(TypeError, match="cut into tokens first"):
        Vocabulary.from_token_lists(["一个文本"])


def test_saved_vocabulary_is_the_same(tmp_path):
    vocabulary = Vocabulary(characters(MIXED[:9]))
    vocabulary.save(tmp_path / "vocabulary.json")
    loaded = Vocabulary.load(tmp_path / "vocabulary.json")
    assert loaded.tokens == vocabulary.tokens


def test_loading_something_else_is_refused(tmp_path):
    (tmp_path / "other.json").write_text('["a", "b"]')
    with pytest.raises(ValueError, match="other.json is not a vocabulary"):
        Vocabulary.load(tmp_path / "other.json")


def test_english_words_are_joined_to_the_text_again():
    assert english_words("He's  the LAST.") == [
        " he", "'", "s", " the", " last", "."]
    assert english_words("") == english_words("  ") == []


def test_merge_joins_from_the_left():
    assert merge(list("aaaba"), ("a", "a")) == ["aa", "a", "b", "a"]
    assert merge(["ab", "c"], ("a", "b")) == ["ab", "c"]


def test_merges_take_the_most_frequent_pair_first():
    merges = learn_merges(["low low low lower lower rare"], 5)
    assert merges[:3] == [("o", "w"), ("l", "ow"), (" ", "low")]
    assert merges[3:] == [("e", "r"), (" low", "er")]


def test_subwords_lose_nothing_and_cut_what_they_never_saw():
    cut = Subwords(learn_merges(["low low low lower lower"], 5))
    assert cut("Lower low") == [" lower", " low"]
    assert cut("slow, flower") == [" ", "s", "low", ",", " ", "f", "low", "er"]
    assert "".join(cut("Slow, flower!")) == " slow, flower!"
