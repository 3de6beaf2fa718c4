"""Does the grader refuse wrong answers? `make mutants CHAPTER=01`.

Plausible slips are made mechanically in each solution: another constant,
operator, comparison or argument, a call or a statement left out. The checks of
the exercise must refuse them. tests/mutants.json keeps how many they refused
and which they let pass; write there, as "why", the reason for one that changes
nothing: it is then not counted. A test asks for the file to be up to date.
"""

import argparse
import ast
import contextlib
import hashlib
import io
import json
import os
import signal
import sys
import warnings

from benchmarks.timing import progress
from tools.grading import SOLUTIONS, HomeworkError, grade_id_of
from tools.homework import chapter_name
from tools.notebooks import ROOT, code_cells

FILE = ROOT / "tests" / "mutants.json"
SECONDS = 20  # after which a mutant counts as refused: it does not end
OPERATORS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Add, ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.And: ast.Or, ast.Or: ast.And, ast.USub: ast.UAdd}
OTHER_NAMES = {"min": "max", "max": "min", "sum": "mean", "mean": "sum",
               "any": "all", "all": "any", "argmax": "argmin",
               "minimum": "maximum", "maximum": "minimum", "zeros": "ones",
               "ones": "zeros", "sin": "cos", "cos": "sin", "log": "log2",
               "log2": "log", "exp": "expm1", "floor": "ceil"}


def mutants(source):
    """Every slip in a text, one at a time.

    Args:
        source: of a solution.

    Returns:
        Dict of "line.column: what → what" → the text with it.
    """
    count = len(list(changes(ast.parse(source))))
    found, plain = {}, ast.unparse(ast.parse(source))
    for number in range(count):
        tree = ast.parse(source)
        node, change = list(changes(tree))[number]
        before = ast.unparse(node)
        place = f"{node.lineno}.{node.col_offset}"
        after = change()
        text = ast.unparse(ast.fix_missing_locations(tree))
        if text != plain:
            found[f"{place}: {before} → {after}"] = text
    return found


def changes(tree):
    """(node, function that makes a slip there and says what it became)."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if isinstance(value, list):
                for i, node in enumerate(value):
                    if isinstance(node, ast.AST):
                        yield from changes_of(node, value.__setitem__, i)
            elif isinstance(value, ast.AST):
                yield from changes_of(value, parent.__setattr__, field)


def changes_of(node, put, place):
    """The slips in one node; put(place, other) puts another in its place."""
    def replace(other):
        def change():
            put(place, other)
            return ast.unparse(other)
        return node, change

    def alter(field, value):
        def change():
            setattr(node, field, value)
            return ast.unparse(node)
        return node, change

    if isinstance(node, ast.Constant) and not isinstance(node.value, str):
        if isinstance(node.value, bool):
            yield replace(ast.Constant(not node.value))
        elif isinstance(node.value, (int, float)):
            yield replace(ast.Constant(node.value + 1))
            if node.value:
                yield replace(ast.UnaryOp(ast.USub(), ast.Constant(node.value))
                              )
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
        yield alter("ops", [OPERATORS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, (ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.AugAssign)):
        if type(node.op) in OPERATORS:
            yield alter("op", OPERATORS[type(node.op)]())
        if isinstance(node, ast.BinOp):
            yield replace(node.left)
            yield replace(node.right)
    elif isinstance(node, ast.Call):
        yield from changes_of_call(node, replace, alter)
    elif isinstance(node, ast.Slice):
        for end in ("lower", "upper"):
            value = getattr(node, end)
            if value is not None:
                yield node, lambda end=end, value=value: (
                    setattr(node, end, ast.BinOp(value, ast.Add(),
                                                 ast.Constant(1)))
                    or ast.unparse(node))
    elif isinstance(node, ast.If):
        yield alter("test", ast.Constant(True))
        yield alter("test", ast.Constant(False))
    if isinstance(node, (ast.AugAssign, ast.Assign, ast.Expr)) and isinstance(
            place, int) and not (isinstance(node, ast.Expr)
                                 and isinstance(node.value, ast.Constant)):
        yield replace(ast.Pass())


def changes_of_call(node, replace, alter):
    name = node.func
    if isinstance(name, ast.Attribute) and name.attr in OTHER_NAMES:
        yield alter("func", ast.Attribute(name.value, OTHER_NAMES[name.attr],
                                          ast.Load()))
    if isinstance(name, ast.Name) and name.id in OTHER_NAMES:
        yield alter("func", ast.Name(OTHER_NAMES[name.id], ast.Load()))
    plain = [a for a in node.args if not isinstance(
        a, (ast.Starred, ast.GeneratorExp))]
    if len(node.args) == 1 and plain:
        yield replace(node.args[0])
    elif not node.args and isinstance(name, ast.Attribute):
        yield replace(name.value)
    if len(plain) >= 2 and len(plain) == len(node.args):
        yield alter("args", [node.args[1], node.args[0], *node.args[2:]])
    for keyword in node.keywords:
        yield alter("keywords", [k for k in node.keywords if k is not keyword])


# ---- what the checks say

def survivors(name):
    """Run every mutant of a chapter's solutions.

    Returns:
        Number of mutants, and a list of "exercise, line.column: what → what",
        those that the checks let pass.
    """
    cells = code_cells(SOLUTIONS / f"{name}.ipynb")
    namespace, count, passed = {"__name__": "__main__"}, 0, []
    checks = {grade_id_of(cell): cell.source for cell in cells
              if (grade_id_of(cell) or "").startswith("check-")}
    for cell in cells:
        exercise = grade_id_of(cell)
        if exercise and exercise not in checks:
            found = mutants(cell.source)
            count += len(found)
            for number, (slip, source) in enumerate(found.items(), start=1):
                progress(f"{exercise}: {number} of {len(found)}")
                if passes(namespace, source, checks[f"check-{exercise}"]):
                    passed.append(f"{exercise}, {slip}")
        quietly(cell.source, namespace)
    progress("")
    return count, passed


def passes(namespace, answer, checks):
    """Whether an answer gets through its checks, tried in a process of its
    own, which starts with a namespace."""
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)  # it ends the process
        try:
            quietly(answer, namespace)
            quietly(checks, namespace)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def quietly(source, namespace):
    with (warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()),
          contextlib.redirect_stderr(io.StringIO())):
        warnings.simplefilter("ignore")
        exec(compile(source, "<cell>", "exec"), namespace)


def checksum(name):
    path = SOLUTIONS / f"{name}.ipynb"
    sources = [cell.source for cell in code_cells(path)]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def score(record):
    """Share of the mutants that were refused, those left out that are known
    to change nothing."""
    reasons = list(record["passed"].values())
    holes = reasons.count("")
    counted = record["mutants"] - len(reasons) + holes
    return (counted - holes) / counted


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chapter", required=True)
    try:
        name = chapter_name(parser.parse_args().chapter)
    except HomeworkError as error:
        sys.exit(str(error))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    records = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    known = records.get(name, {}).get("passed", {})
    os.chdir(SOLUTIONS)
    count, passed = survivors(name)
    records[name] = {"solutions": checksum(name), "mutants": count,
                     "passed": {slip: known.get(slip, "") for slip in passed}}
    FILE.write_text(json.dumps(dict(sorted(records.items())), indent=1,
                               ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{name}: {score(records[name]):.0%} of {count} mutants refused; "
          f"the others stand in {FILE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
