"""Figures that can be read: Chinese labels, and a text for every picture."""

import base64
import html
import importlib.util
import io
import pathlib

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib import font_manager
from PIL import Image

CHINESE_FONT = "fonts/NotoSansSC-Regular.ttf"
COLOURS = 256  # of a stored picture


def set_style():
    """Set the look of the course's figures, with a font that has Chinese.

    Raises:
        RuntimeError: the package zhplot, which carries the font, is missing.
    """
    spec = importlib.util.find_spec("zhplot")
    if spec is None:
        raise RuntimeError("The package 'zhplot' carries the Chinese font of "
                           "the figures. Run: pip install zhplot")
    font = pathlib.Path(spec.submodule_search_locations[0]) / CHINESE_FONT
    font_manager.fontManager.addfont(font)
    plt.rcParams.update({
        "font.family": [font_manager.FontProperties(fname=font).get_name(),
                        "DejaVu Sans"],
        "axes.unicode_minus": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.figsize": (7, 3.5),  # inches
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
    })


def show(figure, alt):
    """Display a figure with a text for those who cannot see it.

    JupyterLab and exported pages show the HTML, with two pixels a dot, so that
    it is sharp on a fine screen; what shows no HTML takes the PNG beside it.
    The text must be the same on every machine: say what the figure shows,
    without measured numbers.

    Args:
        figure: a matplotlib Figure; it is closed afterwards.
        alt: one or two sentences.

    Raises:
        ValueError: alt is empty.
    """
    if not alt.strip():
        raise ValueError("describe the figure in alt=…: not everybody can "
                         "see it")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=2 * figure.dpi)
    plt.close(figure)
    with Image.open(file) as image:
        fine, small = image.convert("RGB"), image.convert("RGB").reduce(2)
    display({"text/html": f'<img alt="{html.escape(alt)}" '
                          f'width="{small.width}" '
                          f'src="data:image/png;base64,{_png(fine)}">',
             "image/png": _png(small), "text/plain": alt}, raw=True)


def _png(image):
    """A picture as PNG in base64; a palette makes it a third as large."""
    file = io.BytesIO()
    image.quantize(COLOURS, Image.Quantize.FASTOCTREE).save(
        file, format="png", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def diagram(boxes, arrows, size):
    """Draw boxes and arrows: how something works.

    Args:
        boxes: dict of name → (x, y, text), the middle of the box in inches
            from the lower left.
        arrows: list of (name, name, text above it).
        size: of the figure in inches, (width, height).

    Returns:
        A matplotlib Figure, to be given to `show`.
    """
    figure, axes = plt.subplots(figsize=size)
    axes.set(xlim=(0, size[0]), ylim=(0, size[1]))
    axes.axis("off")
    drawn = {name: axes.text(x, y, text, ha="center", va="center", bbox={
                 "boxstyle": "round", "facecolor": "#e8f1fa"})
             for name, (x, y, text) in boxes.items()}
    for start, end, text in arrows:
        (x, y, _), (to_x, to_y, _) = boxes[start], boxes[end]
        axes.annotate("", (to_x, to_y), (x, y), arrowprops={
            "arrowstyle": "->", "patchA": drawn[start].get_bbox_patch(),
            "patchB": drawn[end].get_bbox_patch()})
        axes.text((x + to_x) / 2, (y + to_y) / 2 + 0.1, text, ha="center",
                  va="bottom", fontsize=8)
    return figure


def training_curves(history):
    """Draw loss and accuracy of a training run, one point an epoch.

    Args:
        history: what `model.fit` returned, with accuracy as a metric and
            validation data.

    Returns:
        A matplotlib Figure with two panels, to be given to `show`.
    """
    figure, panels = plt.subplots(1, 2)
    for axes, name in zip(panels, ("loss", "accuracy")):
        epochs = range(1, len(history.history[name]) + 1)
        axes.plot(epochs, history.history[name], "o-", label="training")
        axes.plot(epochs, history.history["val_" + name], "s--",
                  label="validation")
        axes.set(title=name.capitalize(), xlabel="epoch", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    return figure
