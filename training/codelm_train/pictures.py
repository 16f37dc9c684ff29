"""The pictures of a report, drawn by matplotlib: each in two themes, for light and for dark pages.

A model has the same colour in all of them: that of its place in the report.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

from codelm.vocabulary import EOS, SPECIAL_WORDS, escape
from codelm_train.calibration import Calibration
from codelm_train.evaluate import KINDS
from codelm_train.networks.metrics import Row
from codelm_train.report import TEMPERATURES, Model, Temperatures

_INCH = 96  # CSS pixels
_SHARPNESS = 2  # pixels of a picture for each CSS pixel
_WIDTH = 9.6  # inches
_LONGEST = 22  # characters of a name
_LABELLED = 6  # bars of a group that have room for their numbers
_COLUMNS = 4  # of a legend or of small multiples
_UNUSUAL = 0.9  # of the points of a curve are shown: a training begins far above where it spends its time


Dashes = Literal["-", "--", ":", "-."]
_DASHES: tuple[Dashes, ...] = ("-", "--", ":", "-.")


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a page and of its models, the first, second … one; then they begin again, dashed."""

    suffix: str
    """What its files are called besides the picture's name."""
    background: str
    ink: str
    faint: str
    models: tuple[str, ...]

    def model(self, number: int) -> str:
        """Return the colour of the model ``number``, from 0."""
        return self.models[number % len(self.models)]

    def dashes(self, number: int) -> Dashes:
        """Return the style of its lines."""
        return _DASHES[number // len(self.models) % len(_DASHES)]


# After Okabe and Ito 2008, "Color Universal Design": told apart by those who see fewer colours, too.
LIGHT = Theme(
    "", "#ffffff", "#1f2328", "#8b949e",
    ("#0072b2", "#d55e00", "#009e73", "#b0568f", "#b8860b", "#56a0c9", "#5c5f66"),
)  # fmt: skip
DARK = Theme(
    "-dark", "#16191d", "#e2e6ea", "#727b86",
    ("#56b4e9", "#ff8c42", "#2fc79a", "#e39ac4", "#e8c14a", "#8fc7e8", "#b4b9c2"),
)  # fmt: skip
THEMES = (LIGHT, DARK)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a folder, ``name`` and the theme's suffix and ``.png``; in CSS pixels."""

    name: str
    width: int
    height: int


def draw(name: str, folder: Path, figure: Callable[[Theme], Figure]) -> Picture:
    """Draw a figure in every theme. Raises OSError."""
    drawn = Picture(name, 0, 0)
    for theme in THEMES:
        with _styled(theme):
            made = figure(theme)
            made.savefig(folder / f"{name}{theme.suffix}.png", backend="agg", dpi=_INCH * _SHARPNESS)
            width, height = made.get_size_inches()
        drawn = Picture(name, round(width * _INCH), round(height * _INCH))
    return drawn


@contextmanager
def _styled(theme: Theme) -> Iterator[None]:
    style = matplotlib.rc_context({
        "text.parse_math": False,  # names are no formulas
        "font.size": 10, "axes.titlesize": 10, "axes.labelsize": 9.5, "xtick.labelsize": 9, "ytick.labelsize": 9,
        "legend.fontsize": 9.5, "legend.frameon": False,
        "figure.facecolor": theme.background, "savefig.facecolor": theme.background,
        "axes.facecolor": theme.background, "text.color": theme.ink,
        "axes.labelcolor": theme.ink, "axes.titlecolor": theme.ink, "axes.edgecolor": theme.faint,
        "xtick.color": theme.faint, "ytick.color": theme.faint,
        "xtick.labelcolor": theme.ink, "ytick.labelcolor": theme.ink,
        "axes.spines.top": False, "axes.spines.right": False,
        "axes.axisbelow": True, "grid.color": theme.faint, "grid.alpha": 0.3, "grid.linewidth": 0.6,
    })  # fmt: skip
    with style, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def short(text: str, longest: int = _LONGEST) -> str:
    """Return a text that is printable and no longer than so many characters: what differs is often at the end."""
    shown = escape(text)
    if len(shown) <= longest:
        return shown
    head = longest // 2
    return f"{shown[:head]}…{shown[head + 1 - longest :]}"


def _legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Add a legend under a figure, which grows by its rows."""
    rows = math.ceil(len(handles) / _COLUMNS)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.21 * rows)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), _COLUMNS))


# --- curves ------------------------------------------------------------------------------------------------------


def curves(models: Sequence[Model], theme: Theme) -> Figure:
    """Draw loss and validation, and the learning rate, over tokens and over time; one line a model."""
    figure = Figure((_WIDTH, 5), layout="constrained")
    axes = figure.subplots(2, 2, sharex="col", sharey="row", height_ratios=[3.2, 1])
    with_curves = [(number, model) for number, model in enumerate(models) if model.curves]
    longest = max((row.seconds for _, model in with_curves for row in model.curves), default=0.0)
    unit, seconds = ("hours", 3600) if longest > 2 * 3600 else ("minutes", 60)
    horizontals: tuple[Callable[[Row], float], ...] = (lambda row: row.tokens, lambda row: row.seconds / seconds)
    for column, horizontal in enumerate(horizontals):
        bits, rates = axes[:, column]
        for number, model in with_curves:
            colour, dashes = theme.model(number), theme.dashes(number)
            loss = _points(model.curves, horizontal, lambda row: row.loss)
            bits.plot(*loss, color=colour, linewidth=1, alpha=0.55, linestyle=dashes)
            validation = _points(model.curves, horizontal, lambda row: row.validation_bits)
            bits.plot(*validation, color=colour, linewidth=2, linestyle=dashes, marker="o", markersize=5, zorder=3)
            rate = _points(model.curves, horizontal, lambda row: row.learning_rate)
            rates.plot(*rate, color=colour, linewidth=1.4, linestyle=dashes)
        for axis in (bits, rates):
            axis.grid(visible=True)
        rates.set_xlim(left=0)
        rates.set_ylim(bottom=0)
    axes[0, 0].set_ylim(*_range(models))
    axes[0, 0].set_ylabel("bits a token")
    axes[1, 0].set_ylabel("learning rate")
    axes[1, 0].set_xlabel("tokens read")
    axes[1, 1].set_xlabel(f"{unit} trained")
    axes[1, 0].xaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    axes[1, 0].yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes[1, 0].yaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
    lines = [
        Line2D([], [], color=theme.model(number), linestyle=theme.dashes(number), linewidth=2, label=short(model.name))
        for number, model in with_curves
    ]
    kinds_of_lines = [
        Line2D([], [], color=theme.faint, linewidth=2, marker="o", markersize=5, label="validation"),
        Line2D([], [], color=theme.faint, linewidth=1, label="training loss"),
    ]
    # Curves fall, so that this corner is mostly free; where it is not, what is written there stays readable.
    axes[0, 0].legend(handles=kinds_of_lines, loc="upper right", frameon=True, framealpha=0.85, edgecolor="none")
    _legend(figure, lines)
    return figure


def _points(
    rows: Sequence[Row], horizontal: Callable[[Row], float], vertical: Callable[[Row], float | None]
) -> tuple[list[float], list[float]]:
    """Return the points of a curve, without those that were not measured or are no numbers."""
    points = [(horizontal(row), value) for row in rows if (value := vertical(row)) is not None]
    finite = [point for point in points if all(map(math.isfinite, point))]
    return [x for x, _ in finite], [y for _, y in finite]


def _range(models: Sequence[Model]) -> tuple[float, float]:
    """Return from where to where bits are shown: all validations, and the losses but for the first and highest."""
    found = [_points(model.curves, lambda row: row.tokens, lambda row: row.validation_bits)[1] for model in models]
    for model in models:
        losses = _points(model.curves, lambda row: row.tokens, lambda row: row.loss)[1]
        found.append([loss for loss in losses if loss <= np.quantile(losses, _UNUSUAL)])
    every = [value for values in found for value in values]
    if not every:
        return 0.0, 1.0
    low, high = min(every), max(every)
    margin = 0.06 * (high - low) or 0.5
    return max(low - margin, 0.0), high + margin


# --- calibration -------------------------------------------------------------------------------------------------


def calibrations(models: Sequence[Model], theme: Theme) -> Figure:
    """Draw confidence against accuracy for each measurement that has a calibration, small multiples."""
    panels = [
        (number, short(model.name), part, measured.calibration)
        for number, model in enumerate(models)
        for part, measured in (("alone", model.alone), ("files learned", model.learned))
        if measured is not None and measured.calibration is not None
    ]
    columns = min(len(panels), _COLUMNS)
    rows = math.ceil(len(panels) / columns)
    figure = Figure((2.3 * columns + 0.5, 3.5 * rows), layout="constrained")
    axes = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[3.4, 1] * rows)
    most = max(part.count / max(_count(found), 1) for _, _, _, found in panels for part in found.bins) or 1.0
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        diagram, shares = axes[2 * row, column], axes[2 * row + 1, column]
        if place >= len(panels):
            diagram.remove()
            shares.remove()
            continue
        number, name, part, found = panels[place]
        diagram.set_title(f"{name}\n{part}, error {found.error:.3f}", loc="left", fontsize=9.5)
        _diagram(diagram, found, theme.model(number), theme)
        _shares(shares, found, theme.model(number))
        shares.set_ylim(0, 1.1 * most)
        if column == 0:
            diagram.set_ylabel("right")
            shares.set_ylabel("words")
        else:
            diagram.tick_params(labelleft=False)
            shares.tick_params(labelleft=False)
    return figure


def _diagram(axis: Axes, found: Calibration, colour: str, theme: Theme) -> None:
    used = [part for part in found.bins if part.count]
    sure, right = [part.confidence for part in used], [part.accuracy for part in used]
    axis.plot([0, 1], [0, 1], color=theme.faint, linewidth=1, linestyle="--")
    axis.vlines(sure, sure, right, color=colour, linewidth=3, alpha=0.3)
    axis.plot(sure, right, color=colour, linewidth=1.6, marker="o", markersize=4.5, clip_on=False)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.grid(visible=True)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.tick_params(labelbottom=False)


def _shares(axis: Axes, found: Calibration, colour: str) -> None:
    counts = np.array([part.count for part in found.bins])
    middles = (np.arange(len(counts)) + 0.5) / len(counts)
    axis.bar(middles, counts / max(_count(found), 1), 0.85 / len(counts), color=colour, alpha=0.75)
    axis.set_xlim(0, 1)
    axis.set_xticks([0, 0.5, 1])
    axis.set_xlabel("confidence")
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    axis.yaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _count(found: Calibration) -> int:
    return sum(part.count for part in found.bins)


# --- kinds of tokens ---------------------------------------------------------------------------------------------


def kinds(models: Sequence[Model], theme: Theme) -> Figure:
    """Draw the bits of each kind of token as grouped bars: each model alone, then with what files teach."""
    bars = [
        (number, measured, learned)
        for number, model in enumerate(models)
        for measured, learned in ((model.alone, False), (model.learned, True))
        if measured is not None
    ]
    shown = [kind for kind in KINDS if any(kind in found.kinds and found.kinds[kind].tokens for _, found, _ in bars)]
    figure = Figure((_WIDTH, 3.7), layout="constrained")
    axis = figure.subplots()
    middles, width = np.arange(len(shown)), 0.82 / len(bars)
    for place, (number, measured, learned) in enumerate(bars):
        heights = [measured.kinds[kind].bits_per_token if kind in measured.kinds else 0.0 for kind in shown]
        drawn = axis.bar(
            middles + (place - (len(bars) - 1) / 2) * width, heights, 0.92 * width,
            **_bar(theme.model(number), theme, learned=learned),
        )  # fmt: skip
        if len(bars) <= _LABELLED:
            axis.bar_label(drawn, fmt="%.1f", fontsize=8, padding=2)
    axis.set_xticks(middles, [_plural(kind) for kind in shown])
    axis.tick_params(axis="x", length=0, labelsize=10)
    axis.set_ylabel("bits a token")
    axis.grid(visible=True, axis="y")
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    handles = [
        Patch(label=short(models[number].name), **_bar(theme.model(number), theme))
        for number in sorted({number for number, _, _ in bars})
    ]
    if any(learned for _, _, learned in bars):
        handles.append(Patch(label="files learned", **_bar(theme.faint, theme, learned=True)))
    _legend(figure, handles)
    return figure


def _bar(colour: str, theme: Theme, *, learned: bool = False) -> dict[str, Any]:
    """Return how a bar looks: hatched for what files have taught."""
    plain = {"facecolor": colour, "edgecolor": theme.background, "linewidth": 0}
    return plain | {"hatch": "////", "alpha": 0.75} if learned else plain


def _plural(kind: str) -> str:
    return "lines and blocks" if kind == "structure" else f"{kind}s"


# --- temperatures ------------------------------------------------------------------------------------------------


def temperatures(found: Temperatures, number: int, theme: Theme) -> Figure:
    """Draw the probabilities of the best next words of the model ``number``, and of all others, under temperatures."""
    figure = Figure((_WIDTH, 0.26 * len(found.words) + 0.9), layout="constrained")
    axes = figure.subplots(1, len(TEMPERATURES), sharey=True, sharex=True)
    places = np.append(np.arange(len(found.words)), len(found.words) + 0.35)  # the others stand apart
    colours = [theme.model(number)] * len(found.words) + [theme.faint]
    for axis, temperature, best in zip(axes, TEMPERATURES, found.probabilities, strict=True):
        shares = np.append(best, max(1 - float(best.sum()), 0.0))
        axis.set_title(f"temperature {temperature:g}", loc="left")
        axis.barh(places, shares, 0.74, color=colours)
        for place, share in zip(places.tolist(), shares.tolist(), strict=True):
            axis.annotate(
                percent(share), (share, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8.5
            )
        axis.set_xlim(0, 1.27)  # with room for the numbers
        axis.set_ylim(places[-1] + 0.6, -0.6)
        axis.spines["bottom"].set_visible(False)
        axis.tick_params(axis="both", length=0, labelbottom=False)
    axes[0].set_yticks(places, [*map(_word, found.words), "all others"])
    for label in axes[0].get_yticklabels()[:-1]:
        label.set_family("monospace")
    return figure


def percent(share: float) -> str:
    """Return a probability as people say it: three digits at most, and never 0 % where it is not 0."""
    if share >= 0.0995:
        return f"{share:.0%}".replace("%", "\N{THIN SPACE}%")
    if share >= 0.00095 or share == 0:
        return f"{share:.1%}".replace("%", "\N{THIN SPACE}%")
    return "< 0.1\N{THIN SPACE}%"


def _word(word: str) -> str:
    return "(end of file)" if word == SPECIAL_WORDS[EOS] else short(word, 16)
