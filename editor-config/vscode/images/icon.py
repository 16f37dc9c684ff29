"""Draws the extension's icon: ``python images/icon.py`` writes ``icon.png`` beside it. Needs matplotlib."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.patches import FancyBboxPatch, Rectangle

figure = pyplot.figure(figsize=(2.56, 2.56), dpi=100)
axes = figure.add_axes((0, 0, 1, 1))
axes.set(xlim=(0, 256), ylim=(0, 256))
axes.axis("off")
axes.add_patch(FancyBboxPatch((12, 12), 232, 232, boxstyle="round,pad=0,rounding_size=48", color="#14323f"))
# Two lines of code: what is typed, the cursor, and how the line goes on, in grey.
for x, y, width, colour in (
    (44, 152, 64, "#ffd166"), (120, 152, 44, "#f4f6f7"), (44, 92, 48, "#f4f6f7"), (118, 92, 94, "#5d7f8d"),
):  # fmt: skip
    axes.add_patch(FancyBboxPatch((x, y), width, 26, boxstyle="round,pad=0,rounding_size=10", color=colour))
axes.add_patch(Rectangle((102, 80), 6, 50, color="#ef476f"))
figure.savefig(Path(__file__).with_name("icon.png"), transparent=True)
