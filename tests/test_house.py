"""The layout: how large lib is, and who may import whom."""

import ast
import collections
import re

import pytest

from tools.notebooks import NOTEBOOKS, ROOT, code_cells

MAX_LINES = 1400
CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))
MODULES = sorted(path for folder in ("lib", "training")
                 for path in (ROOT / folder).glob("*.py"))
OURS = {"lib", "training", "tools", "benchmarks", "tests"}


def imported(source):
    """Names of the modules of this repository that a source imports, such as
    "lib.text", and the packages of others."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= ({f"{node.module}.{alias.name}" for alias in node.names}
                      if node.module in OURS else {node.module})
    return found


def imports_of(path):
    return imported(path.read_text("utf-8"))


def packages(names):
    return {name.partition(".")[0] for name in names}


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def circle(graph):
    """A list of modules that import each other in a circle, or []."""
    def walk(name, way):
        if name in way:
            return way[way.index(name):]
        return next(filter(None, (walk(other, [*way, name])
                                  for other in graph.get(name, ()))), [])

    return next(filter(None, (walk(name, []) for name in graph)), [])


def test_lib_is_read_in_an_evening():
    lines = sum(len(path.read_text("utf-8").splitlines())
                for path in (ROOT / "lib").glob("*.py"))
    assert lines <= MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_arrow_runs_back_up(path):
    allowed = {"lib"} if path.parent.name == "lib" else {"lib", "training"}
    names = packages(imports_of(path))
    assert names & OURS <= allowed
    assert "tensorflow" not in names  # any backend of Keras will do


def test_no_modules_import_each_other_in_a_circle():
    assert circle({module_name(path): imports_of(path) & set(
        map(module_name, MODULES)) for path in MODULES}) == []


@pytest.mark.parametrize("graph, expected", [
    ({"a": ["b"], "b": ["c"], "c": []}, []),
    ({"a": ["b"], "b": ["c"], "c": ["b"]}, ["b", "c"]),
    ({"a": ["a"]}, ["a"])])
def test_a_circle_is_found(graph, expected):
    assert circle(graph) == expected


def test_imports_are_seen_in_every_form():
    assert imported("import lib.text\nfrom lib import plots as p\n"
                    "from lib.text import pairs\nimport numpy as np\n"
                    "def f():\n    from training.run import train") == {
        "lib.text", "lib.plots", "numpy", "training.run"}


def used_by_chapters():
    """Counter of how many chapters import each module of lib."""
    counts = collections.Counter()
    for path in CHAPTERS:
        source = "\n".join(cell.source for cell in code_cells(path))
        counts.update(imported(source) | set(re.findall(
            r'importlib\.import_module\("(.+?)"\)', source)))
    return counts


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_needs_nothing_but_lib(path):
    source = "\n".join(cell.source for cell in code_cells(path))
    assert packages(imported(source)) & OURS <= {"lib"}


@pytest.mark.parametrize("path", sorted((ROOT / "lib").glob("[!_]*.py")),
                         ids=lambda path: path.stem)
def test_what_is_in_lib_serves_two_chapters(path):
    assert used_by_chapters()[module_name(path)] >= 2
