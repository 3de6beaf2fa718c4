"""The mutation score of the graders, and the tool that measures it."""

import json
import sys

import pytest

from tools import mutants
from tools.homework import chapter_names

RECORDS = json.loads(mutants.FILE.read_text("utf-8"))
LOWEST_SCORE = 0.95


@pytest.mark.parametrize("name", chapter_names())
def test_the_checks_of_a_chapter_refuse_its_mutants(name):
    record = RECORDS[name]
    assert record["solutions"] == mutants.checksum(name), (
        f"the solutions have changed: make mutants CHAPTER={name[:2]}")
    assert record["mutants"] > 50
    assert mutants.score(record) >= LOWEST_SCORE


def test_a_slip_that_changes_nothing_is_not_counted():
    record = {"mutants": 12, "passed": {"a": "", "b": "the same", "c": "too"}}
    assert mutants.score(record) == 9 / 10


SLIPS = {
    "f(x, axis=1)": ["1.0: f(x, axis=1) → f(x)", "1.10: 1 → 2",
                     "1.10: 1 → -1"],
    "a + 2.5": ["1.0: a + 2.5 → a - 2.5", "1.0: a + 2.5 → a",
                "1.0: a + 2.5 → 2.5", "1.4: 2.5 → 3.5", "1.4: 2.5 → -2.5"],
    "a < b": ["1.0: a < b → a <= b"],
    "a and b": ["1.0: a and b → a or b"],
    "np.min(x)": ["1.0: np.min(x) → np.max(x)", "1.0: np.min(x) → x"],
    "g(x, y)": ["1.0: g(x, y) → g(y, x)"],
    "x[1:]": ["1.2: 1: → 1 + 1:", "1.2: 1 → 2", "1.2: 1 → -1"],
    "x.copy()": ["1.0: x.copy() → x"],
    "ok = True": ["1.5: True → False"],
}


@pytest.mark.parametrize("source", SLIPS)
def test_slips_are_made_one_at_a_time(source):
    found = mutants.mutants(source)
    assert set(SLIPS[source]) <= set(found)
    assert source not in found.values()


def test_a_statement_is_left_out_and_a_condition_fixed():
    found = mutants.mutants("def f(x):\n    if x:\n        x = 0\n"
                            "    return x")
    assert "def f(x):\n    if x:\n        pass\n    return x" in (
        found.values())
    assert "def f(x):\n    if True:\n        x = 0\n    return x" in (
        found.values())


@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
@pytest.mark.parametrize("answer, expected", [
    ("a = 1", True), ("a = 2", False), ("a = 1 / 0", False),
    ("a = 1\nimport sys; sys.exit()", False)])
def test_an_answer_is_tried_by_its_checks(answer, expected):
    namespace = {"b": 1}
    assert mutants.passes(namespace, answer, "assert a == b") == expected
    assert "a" not in namespace


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_an_answer_that_does_not_end_is_refused(monkeypatch):
    monkeypatch.setattr(mutants, "SECONDS", 1)
    assert not mutants.passes({}, "while True: pass", "")
