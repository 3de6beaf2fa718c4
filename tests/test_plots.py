import base64
import types
import warnings

import matplotlib
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib import font_manager  # noqa: E402

from lib import plots  # noqa: E402


@pytest.fixture
def shown(monkeypatch):
    """What plots.show hands to the notebook."""
    calls = []
    monkeypatch.setattr(plots, "display", lambda data, **more: calls.append(
        (data, more["metadata"])))
    return calls


def test_chinese_has_glyphs():
    with plt.rc_context():
        plots.set_style()
        name = plt.rcParams["font.family"][0]
        path = font_manager.findfont(name, fallback_to_default=False)
        characters = font_manager.get_font(path).get_charmap()
        assert all(ord(c) in characters for c in "大模型的正面评价,。！")


def test_chinese_title_draws_without_a_warning(shown):
    with plt.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.set_style()
        figure, axes = plt.subplots()
        axes.set(title="房间很干净 ≈ 0.5", ylim=(-1, 1))
        plots.show(figure, "An empty plot.")


def test_show_stores_picture_and_text_and_closes(shown):
    figure, _ = plt.subplots()
    plots.show(figure, "An empty plot.")
    (data, metadata), = shown
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == "An empty plot."
    assert metadata["image/png"]["alt"] == "An empty plot."
    assert not plt.fignum_exists(figure.number)


def test_a_figure_without_text_is_refused(shown):
    with pytest.raises(ValueError, match="describe the figure"):
        plots.show(plt.figure(), " ")
    assert shown == []


def test_missing_font_says_what_to_install(monkeypatch):
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="pip install zhplot"):
        plots.set_style()


def test_training_curves_show_every_epoch():
    history = types.SimpleNamespace(history={
        "loss": [0.6, 0.4], "val_loss": [0.6, 0.5],
        "accuracy": [0.7, 0.8], "val_accuracy": [0.7, 0.75]})
    figure = plots.training_curves(history)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    left, right = (axes.get_subplotspec() for axes in figure.axes)
    assert (left.rowspan, left.colspan.start) == (right.rowspan, 0)
    for axes, name in zip(figure.axes, ("loss", "accuracy")):
        for line, prefix in zip(axes.lines, ("", "val_"), strict=True):
            assert list(line.get_xdata()) == [1, 2]
            assert list(line.get_ydata()) == history.history[prefix + name]
    plt.close(figure)
