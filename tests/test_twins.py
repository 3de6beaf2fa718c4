"""What a chapter builds and lib or training keeps is the same code.

A later chapter, or a training, imports what an earlier chapter has built in
its cells. The reader may trust that the two do not differ: the classes and
functions listed here are compared by their syntax trees, without docstrings.
"""

import ast
import copy
import functools
import itertools

import pytest

from tools.notebooks import NOTEBOOKS, ROOT, code_cells

TWINS = {
    "01_lstm_classifier": {
        "lib/text.py": ["pairs"],
        "lib/baselines.py": ["tfidf_classifier"]},
    "04_attention": {
        "lib/layers.py": [
            "attention", "lowest_score", "padding_mask", "causal_mask",
            "split_heads", "join_heads", "sinusoidal_encoding",
            "SinusoidalPositions", "LearnedPositions"]},
    "05_transformer_classifier": {"lib/layers.py": ["encoder_block"]},
    "06_text_generation": {
        "lib/layers.py": ["CausalSelfAttention", "DecoderBlock"],
        "lib/generation.py": ["greedy"],
        "training/gpt_reviews.py": ["GPT", "review_ids", "sampler"]},
    "07_translation": {
        "training/translator.py": [
            "CrossAttention", "CrossDecoderBlock", "source_encoder",
            "Translator", "translation_ids", "smoothed_cross_entropy"],
        "training/subwords.py": ["english_words", "merge", "learn_merges",
                                 "Subwords"]},
    "08_pretrain_and_finetune": {
        "training/masked_language_model.py": [
            "text_encoder", "pooled", "MaskedLanguageModel", "mask_tokens",
            "pair_lookup", "cut", "pair_worth", "pair_shares"],
        "training/batches.py": ["ByLength", "warmup_cosine"],
        "training/fine_tuned.py": ["classifier", "fine_tune", "both_ends",
                                   "outputs_of", "frozen_head"]},
}
LISTED = [(chapter, path, name) for chapter, paths in TWINS.items()
          for path, names in paths.items() for name in names]
NAMESAKES = {  # one name for two different things
    ("02_gradient_descent", "training/run.py", "run"),
    ("02_gradient_descent", "training/run.py", "train"),
    ("04_attention", "training/run.py", "train"),
    ("06_text_generation", "training/study_of_labels.py", "write"),
    ("08_pretrain_and_finetune", "training/fine_tuned.py", "settings"),
    ("08_pretrain_and_finetune", "training/study_of_labels.py",
     "test_accuracy"),
}
ONLY_IN_LIB = {"head_size"}  # a check; chapters import it
SAME_BY_CHANCE = 12  # nodes of a tree; smaller ones say too little


def definitions(source):
    """Dict of name → syntax tree of each class and function.

    A class may be built in several cells: `class Block(Block)` adds to it.
    """
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            tree = without_docstrings(node)
            if node.name in found and is_more_of_itself(node):
                found[node.name].body += tree.body
            else:
                found[node.name] = tree
    for tree in found.values():
        if isinstance(tree, ast.ClassDef):  # in whatever order they are built
            tree.body.sort(key=lambda node: getattr(node, "name", ""))
    return found


def is_more_of_itself(node):
    return isinstance(node, ast.ClassDef) and [
        getattr(base, "id", None) for base in node.bases] == [node.name]


def without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if ast.get_docstring(node) is not None:
                del node.body[0]
            node.body = node.body or [ast.Pass()]
    return tree


def same(a, b):
    return ast.dump(a) == ast.dump(b)


@functools.cache
def in_file(path):
    return definitions((ROOT / path).read_text("utf-8"))


@functools.cache
def in_chapter(name):
    return definitions("\n".join(
        cell.source for cell in code_cells(NOTEBOOKS / f"{name}.ipynb")))


def chapters():
    return sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


def modules():
    return sorted(path.relative_to(ROOT).as_posix()
                  for folder in ("lib", "training")
                  for path in (ROOT / folder).glob("*.py"))


@pytest.mark.parametrize("chapter, path, name", LISTED)
def test_twins_are_the_same_code(chapter, path, name):
    assert name in in_file(path), f"{path} has no {name} any more"
    assert name in in_chapter(chapter), f"{chapter} has no {name} any more"
    assert same(in_chapter(chapter)[name], in_file(path)[name])


def test_no_twin_is_forgotten():
    """What stands under one name in a chapter and in lib or training."""
    found = {(chapter, path, name)
             for chapter in chapters() for path in modules()
             for name in in_chapter(chapter).keys() & in_file(path).keys()}
    assert found == set(LISTED) | NAMESAKES


def test_the_layers_of_lib_were_built_in_a_chapter():
    built = {name for _, path, name in LISTED if path == "lib/layers.py"}
    assert built == in_file("lib/layers.py").keys() - ONLY_IN_LIB


# ---- copies under other names

def nameless(tree):
    """The code of a class or function, whatever it is called."""
    tree = copy.deepcopy(tree)
    own = tree.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == own:
            node.id = "_"
    tree.name = "_"
    return ast.dump(tree)


def large(tree):
    return sum(1 for _ in ast.walk(tree)) > SAME_BY_CHANCE


def copies(places):
    """Groups of names under which the same code stands.

    Args:
        places: dict of a place's name → its definitions.
    """
    by_code = {}
    for place, found in places.items():
        for name, tree in found.items():
            if large(tree):
                by_code.setdefault(nameless(tree), set()).add((place, name))
    return [group for group in by_code.values() if len(group) > 1]


def test_no_copy_hides_under_another_name():
    places = {**{name: in_chapter(name) for name in chapters()},
              **{path: in_file(path) for path in modules()}}
    groups = copies(places)
    assert not [sorted(group) for group in groups
                if len({name for _, name in group}) > 1
                or len({place for place, _ in group} & set(modules())) > 1]
    for chapter, path, name in LISTED:  # the twins are copies, and seen
        assert (not large(in_file(path)[name])
                or any({(chapter, name), (path, name)} <= group
                       for group in groups))


def test_a_copy_under_another_name_is_found():
    source = "def {0}(x):\n    y = x + 1\n    return {0}(y) if y < 9 else y"
    places = {name: definitions(source.format(name)) for name in "ab"}
    assert copies(places) == [{("a", "a"), ("b", "b")}]
    places["b"] = definitions(source.format("b").replace("+", "-"))
    assert copies(places) == []


# ---- what the comparison sees

@pytest.mark.parametrize("other, expected", [
    ("def f(x):\n    'Says more.'\n    return x + 1  # why", True),
    ("def f(x):\n    return x + 2", False),
    ("def f(x, y=0):\n    return x + 1", False),
    ("@cached\ndef f(x):\n    return x + 1", False),
])
def test_only_docstrings_and_comments_may_differ(other, expected):
    ours = definitions("def f(x):\n    return x + 1")
    assert same(definitions(other)["f"], ours["f"]) == expected


def test_a_class_may_be_built_in_several_cells_in_any_order():
    methods = ["    def a(self):\n        return 1",
               "    def b(self):\n        return 2"]
    whole = definitions("@mark\nclass A(B):\n" + "\n".join(methods))["A"]
    for first, second in itertools.permutations(methods):
        parts = f"@mark\nclass A(B):\n{first}\n\nclass A(A):\n    'D.'\n"
        assert same(definitions(parts + second)["A"], whole)
        other = second.replace("return ", "return -")
        assert not same(definitions(parts + other)["A"], whole)
