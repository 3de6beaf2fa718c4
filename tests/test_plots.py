import base64
import io
import re
import types
import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib import font_manager  # noqa: E402

from lib import plots  # noqa: E402


@pytest.fixture
def shown(monkeypatch):
    """What plots.show hands to the notebook."""
    calls = []
    monkeypatch.setattr(plots, "display",
                        lambda data, raw: calls.append(data))
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
    figure, _ = plt.subplots(figsize=(3, 2), dpi=100)
    plots.show(figure, 'The "best" of <a> & b.')
    data, = shown
    assert data["text/plain"] == 'The "best" of <a> & b.'
    html = re.fullmatch(
        '<img alt="(.+)" width="300" src="data:image/png;base64,(.+)">',
        data["text/html"])
    assert html[1] == "The &quot;best&quot; of &lt;a&gt; &amp; b."
    for text, size in ((html[2], (600, 400)), (data["image/png"], (300, 200))):
        with Image.open(io.BytesIO(base64.b64decode(text))) as image:
            assert (image.format, image.size) == ("PNG", size)
    assert not plt.fignum_exists(figure.number)


def test_colours_survive(shown):
    figure = plt.figure(figsize=(1, 1))
    axes = figure.add_axes([0, 0, 1, 1])
    axes.imshow(np.linspace(0, 1, 64).reshape(8, 8), cmap="viridis")
    axes.axis("off")
    plots.show(figure, "A ramp of colours.")
    png = base64.b64decode(shown[0]["text/html"].split("base64,")[1][:-2])
    with Image.open(io.BytesIO(png)) as image:
        stored = np.asarray(image.convert("RGB"))[12::25, 12::25] / 255
    expected = plt.get_cmap("viridis")(np.linspace(0, 1, 64))[:, :3]
    assert np.abs(stored.reshape(64, 3) - expected).max() < 0.07


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


def test_a_diagram_has_its_boxes_and_arrows(shown):
    boxes = {"a": (1, 1, "词元"), "b": (3, 1, "ids"), "c": (3, 2, "$h_t$")}
    with plt.rc_context():
        plots.set_style()
        figure = plots.diagram(
            boxes, [("a", "b", "vocabulary"), ("b", "c", "")], size=(4, 3))
        plots.show(figure, "Two arrows between three boxes.")
    axes, = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert {"词元", "ids", "$h_t$", "vocabulary"} <= set(texts)
    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", 0)]
    assert [(arrow.xyann, arrow.xy) for arrow in arrows] == [
        ((1, 1), (3, 1)), ((3, 1), (3, 2))]
    assert tuple(figure.get_size_inches()) == (4, 3)
    assert len(shown) == 1
