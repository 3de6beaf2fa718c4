import nbformat
import pytest
from nbformat import v4

from tools import scoreboard


def chapter(folder, name, printed):
    output = v4.new_output("stream", name="stdout", text=printed)
    cell = v4.new_code_cell("model", outputs=[output])
    nbformat.write(v4.new_notebook(cells=[cell]), folder / f"{name}.ipynb")


def test_readme_and_notebooks_agree():
    readme = scoreboard.README.read_text("utf-8")
    assert scoreboard.with_table(readme) == readme, "run `make scoreboard`"


def test_the_chapters_that_classify_have_rows():
    chapters = {row.chapter[:2] for row in scoreboard.rows()}
    assert chapters >= {"01", "03", "05"}


def test_a_row_needs_weights_and_accuracy(tmp_path, monkeypatch):
    monkeypatch.setattr(scoreboard, "NOTEBOOKS", tmp_path)
    chapter(tmp_path, "02_b", "weights, small: 7\n"
            "test accuracy, small ≈ 0.6000 (at least 0.5)\n")
    chapter(tmp_path, "01_a", "test accuracy, leak ≈ 0.9900 (at least 0.9)\n"
            "test accuracy, LSTM, tuned ≈ 0.8499 (at least 0.83)\n"
            "weights, LSTM, tuned: 4,426,177\n")
    assert scoreboard.rows() == [
        ("LSTM, tuned", "01_a", "4,426,177", 0.8499),
        ("small", "02_b", "7", 0.6)]
    readme = f"a\n{scoreboard.BEGIN}\nold\n{scoreboard.END}\nz\n"
    written = scoreboard.with_table(readme)
    assert written.startswith("a\n") and written.endswith("\nz\n")
    assert ("| LSTM, tuned | [01](notebooks/01_a.ipynb) | 4,426,177 | 0.850 |"
            in written)
    assert "old" not in written
    assert scoreboard.with_table(written) == written


def test_weights_without_accuracy_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(scoreboard, "NOTEBOOKS", tmp_path)
    chapter(tmp_path, "01_a", "weights, LSTM: 7\n")
    with pytest.raises(ValueError, match="'LSTM' but no test accuracy"):
        scoreboard.rows()


def test_a_readme_without_marks_is_left_alone():
    with pytest.raises(ValueError, match="lost its marks"):
        scoreboard.with_table("no marks here")
