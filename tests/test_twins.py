"""What a chapter builds and lib keeps is the same code.

A later chapter imports from lib what an earlier one has built in its cells.
The reader may trust that the two do not differ: every class and function that
stands in both is compared by its syntax tree, without docstrings.
"""

import ast
import functools

import pytest

from tools.notebooks import NOTEBOOKS, ROOT, code_cells

CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))


def definitions(source):
    """Dict of name → syntax tree of each class and function, as text.

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
    return {name: ast.dump(tree) for name, tree in found.items()}


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


@functools.cache
def in_lib():
    return {name: tree for path in sorted((ROOT / "lib").glob("*.py"))
            for name, tree in definitions(path.read_text("utf-8")).items()}


def in_chapter(path):
    return definitions("\n".join(cell.source for cell in code_cells(path)))


def shared_names(path):
    return sorted(in_lib().keys() & in_chapter(path).keys())


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_twins_are_the_same_code(path):
    chapter = in_chapter(path)
    different = [name for name in shared_names(path)
                 if chapter[name] != in_lib()[name]]
    assert not different, f"{different} differ from lib"


def test_the_layers_of_lib_were_built_in_a_chapter():
    """The comparison compares something."""
    built = {name for path in CHAPTERS for name in shared_names(path)}
    assert built >= definitions((ROOT / "lib/layers.py").read_text("utf-8"
                                                                   )).keys()


@pytest.mark.parametrize("other, same", [
    ("def f(x):\n    'Says more.'\n    return x + 1  # why", True),
    ("def f(x):\n    return x + 2", False),
    ("def f(x, y=0):\n    return x + 1", False),
    ("@cached\ndef f(x):\n    return x + 1", False),
])
def test_only_docstrings_and_comments_may_differ(other, same):
    ours = definitions("def f(x):\n    return x + 1")
    assert (definitions(other) == ours) == same


def test_a_class_may_be_built_in_several_cells():
    whole = definitions("@mark\nclass A(B):\n    x = 1\n    y = 2")
    parts = "@mark\nclass A(B):\n    x = 1\n\nclass A(A):\n    'Doc.'\n"
    assert definitions(parts + "    y = 2") == whole
    assert definitions(parts + "    y = 3") != whole
