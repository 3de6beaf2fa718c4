import json
import os
import pathlib

import jieba
import numpy as np
import pytest

from lib.text import Vocabulary, characters, pairs, words

MIXED = "我用ThinkPad X60，重1.8kg😀！"


@pytest.fixture
def vocabulary():
    return Vocabulary.from_texts(["abca", "ab"], characters)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="a folder for each user")
def test_the_dictionary_is_kept_for_each_user_alone():
    folder = pathlib.Path(jieba.dt.tmp_dir)
    assert folder.name == f"jieba-{os.getuid()}" and folder.is_dir()


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
    tie = Vocabulary.from_texts([["d", "b", "a"], ["c", "a"]])
    assert tie.tokens[2:] == ["a", "b", "c", "d"]


def test_rare_tokens_become_unknown():
    rare = Vocabulary.from_texts(["abca"], characters, min_count=2)
    assert rare.encode("abc") == [2, 1, 1]


def test_reserved_tokens_come_first_and_a_text_cannot_make_them():
    vocabulary = Vocabulary.from_texts(
        [["<end>", "b", "<pad>"], ["b", "a"]],
        reserved_tokens=["<end>", "<start>"])
    assert vocabulary.tokens == ["<pad>", "<unk>", "<end>", "<start>", "b",
                                 "a"]
    assert vocabulary.encode(["<start>", "a", "?"]) == [3, 5, 1]


def test_a_text_is_cut_as_the_vocabulary_says(vocabulary):
    assert vocabulary.encode("Ａ b") == vocabulary.encode(["a", "b"]) == [2, 3]
    of_pairs = Vocabulary.from_texts(["abc"], pairs)
    assert of_pairs.tokens[2:] == ["ab", "bc", "c"]
    assert of_pairs.encode("abc") == [2, 3, 4]


def test_decode_undoes_encode_and_drops_padding(vocabulary):
    assert vocabulary.decode([2, 3, 4, 0, 0]) == ["a", "b", "c"]
    assert vocabulary.decode(vocabulary.encode("x")) == ["<unk>"]
    assert vocabulary.decode([]) == []
    assert vocabulary.decode(iter([2, 4])) == ["a", "c"]


@pytest.mark.parametrize("i", [5, -1, 99])
def test_an_id_that_no_token_has_is_refused(vocabulary, i):
    with pytest.raises(ValueError, match=f"id {i}: .* the ids 0 to 4"):
        vocabulary.decode([2, i])


def test_batch_is_padded_and_cut_on_the_right(vocabulary):
    batch = vocabulary.encode_batch(["ab", "abcab", "", "😀?"], length=4)
    assert batch.dtype == np.int32
    np.testing.assert_array_equal(batch, [[2, 3, 0, 0],
                                          [2, 3, 4, 2],
                                          [0, 0, 0, 0],
                                          [1, 1, 0, 0]])


def test_empty_batch_keeps_its_length(vocabulary):
    assert vocabulary.encode_batch([], length=4).shape == (0, 4)


@pytest.mark.parametrize("tokens, reserved, words", [
    (["a", "a"], [], "only once"),
    (["<unk>"], [], "only once"),
    (["a"], ["a"], "only once"),
    (["a", 1], [], "must be a str"),
])
def test_impossible_tokens_are_refused(tokens, reserved, words):
    with pytest.raises(ValueError, match=words):
        Vocabulary(tokens, reserved_tokens=reserved)


def test_a_text_without_a_splitter_is_refused():
    with pytest.raises(TypeError, match="cut into tokens first"):
        Vocabulary.from_texts(["一个文本"])
    with pytest.raises(TypeError, match="cut into tokens first"):
        Vocabulary(["一"]).encode("一个文本")


@pytest.mark.parametrize("split", [characters, pairs, words, None])
def test_saved_vocabulary_is_the_same(split, tmp_path):
    vocabulary = Vocabulary.from_texts([list(MIXED)], split,
                                       reserved_tokens=["<end>"])
    vocabulary.save(str(tmp_path / "vocabulary.json"))
    loaded = Vocabulary.load(str(tmp_path / "vocabulary.json"))
    assert loaded.tokens == vocabulary.tokens
    assert loaded.split is split
    assert loaded.reserved_tokens == ["<end>"]
    assert [path.name for path in tmp_path.iterdir()] == ["vocabulary.json"]
    assert "我" in (tmp_path / "vocabulary.json").read_text("utf-8")


@pytest.mark.parametrize("vocabulary, error", [
    (Vocabulary(["\ud800"]), UnicodeEncodeError),
    (Vocabulary(["a"], list), ValueError),
])
def test_what_cannot_be_saved_leaves_the_file_as_it_was(vocabulary, error,
                                                        tmp_path):
    path = tmp_path / "vocabulary.json"
    path.write_text("an older one")
    with pytest.raises(error):
        vocabulary.save(path)
    assert path.read_text() == "an older one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", [
    '["a", "b"]', "no JSON", "", "{}", "3", '{"tokens": ["a"]}',
    json.dumps({"tokens": ["a", 1], "split": None, "reserved_tokens": []}),
    json.dumps({"tokens": ["a"], "split": "list", "reserved_tokens": []}),
])
def test_loading_something_else_is_refused(text, tmp_path):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match="other.json is not a vocabulary"):
        Vocabulary.load(tmp_path / "other.json")
