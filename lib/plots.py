"""Figures that can be read: Chinese labels, and a text for every picture."""

import base64
import importlib.util
import io
import pathlib

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib import font_manager

CHINESE_FONT = "fonts/NotoSansSC-Regular.ttf"


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
    """Display a figure as PNG with a text for those who cannot see it.

    The text is stored in the notebook as the picture's `alt` and as its plain
    form, so it must be the same on every machine: say what the figure shows,
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
    png = io.BytesIO()
    figure.savefig(png, format="png")
    plt.close(figure)
    display({"image/png": base64.b64encode(png.getvalue()).decode("ascii"),
             "text/plain": alt},
            metadata={"image/png": {"alt": alt}}, raw=True)


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
