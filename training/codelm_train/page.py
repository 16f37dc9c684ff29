"""The page of a report: one HTML file of tables and pictures, without scripts, fonts or anything from elsewhere."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape as html_escape

from codelm.vocabulary import escape
from codelm_train.evaluate import Evaluation, Scores
from codelm_train.latency import Times
from codelm_train.networks.metrics import Row
from codelm_train.pictures import DARK, LIGHT, Picture, Theme, percent
from codelm_train.report import TEMPERATURES, Model, Temperatures

_NONE = '<span class="none" title="not known">–</span>'


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows: the models, and the pictures that there are of them."""

    models: Sequence[Model]
    prompt: str
    curves: Picture | None = None
    calibrations: Picture | None = None
    kinds: Picture | None = None
    temperatures: Sequence[tuple[Picture, Temperatures]] = ()


def page(shown: Shown) -> str:
    """Return the page as HTML 5."""
    models = shown.models
    title = "codelm report: " + ", ".join(escape(model.name) for model in models)
    sections = [
        _section("quality", "How well they predict", _quality(models)),
        _section("models", "What was trained", _trained(models)),
        _section("curves", "How training went", _curves(shown)),
        _section("kinds", "What is hard to predict", _kinds(shown)),
        _section("calibration", "Whether they know how sure to be", _calibration(shown)),
        _section("temperature", "What a temperature does", _temperature(shown)),
    ]
    links = " ".join(f'<a href="#{name}">{text}</a>' for name, text in _LINKS)
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(title)}</title>\n<style>\n{_style(len(models))}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>Models of Python code</h1>\n<p>{_legend(models)}</p>\n<nav>{links}</nav>\n</header>\n"
        f"<main>\n{''.join(sections)}</main>\n"
        "<footer><p>Made by <code>codelm-train report</code>. All numbers are of the files that it was given; "
        "nothing was measured anew but the predictions under temperatures.</p></footer>\n"
        "</body>\n</html>\n"
    )


_LINKS = (
    ("quality", "Quality"), ("models", "Models"), ("curves", "Curves"), ("kinds", "Kinds of tokens"),
    ("calibration", "Calibration"), ("temperature", "Temperature"),
)  # fmt: skip


def _section(name: str, title: str, content: str) -> str:
    return f'<section id="{name}">\n<h2>{_text(title)}</h2>\n{content}</section>\n'


def _text(text: str) -> str:
    return html_escape(text, quote=True)


def _paragraph(html: str) -> str:
    return f"<p>{html}</p>\n" if html else ""


def _missing(html: str) -> str:
    return f'<p class="missing">{html}</p>\n' if html else ""


def _named(models: Iterable[Model]) -> str:
    """Return the names of models as part of a sentence."""
    names = [f"<b>{_text(escape(model.name))}</b>" for model in models]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _label(models: Sequence[Model], model: Model) -> str:
    """Return a model's name beside its colour."""
    return f'<span class="swatch m{models.index(model)}"></span>{_text(escape(model.name))}'


def _legend(models: Sequence[Model]) -> str:
    return " ".join(f'<span class="key">{_label(models, model)}</span>' for model in models)


def _picture(picture: Picture, alt: str, caption: str = "") -> str:
    light, dark = (f"{picture.name}{theme.suffix}.png" for theme in (LIGHT, DARK))
    return (
        f'<figure>\n<picture><source srcset="{dark}" media="(prefers-color-scheme: dark)">'
        f'<img src="{light}" alt="{_text(alt)}" width="{picture.width}" height="{picture.height}"></picture>\n'
        f"{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>\n"
    )


# --- quality -----------------------------------------------------------------------------------------------------

_Measure = tuple[str, Callable[[Scores], float], str, int]
# A head, its value, its format, and whether less (-1) or more (1) of it is better.
_MEASURES: tuple[_Measure, ...] = (
    ("tokens", lambda s: s.tokens, ",", 0),
    ("unknown", lambda s: s.unknown_share, ".1%", 0),
    ("bits", lambda s: s.bits_per_token, ".3f", -1),
    ("perplexity", lambda s: s.perplexity, ",.2f", -1),
    ("top-1", lambda s: s.top1, ".1%", 1),
    ("top-5", lambda s: s.top5, ".1%", 1),
    ("MRR", lambda s: s.mrr, ".3f", 1),
)


def _quality(models: Sequence[Model]) -> str:
    alone = [(model, model.alone) for model in models if model.alone is not None]
    learned = [(model, model.learned) for model in models if model.learned is not None]
    without = [model for model in models if model.alone is None]
    missing = ""
    if without:
        missing = _missing(
            f"There are no measurements of {_named(without)}: <code>codelm-train run</code> measures what it trains, "
            "and <code>codelm-train evaluate</code> prints those of any checkpoint."
        )
    if not alone:
        return missing
    groups = [("The model alone", alone), ("With the open file and its workspace learned", learned)]
    tables = [
        _scores_table(models, groups, "All tokens", lambda found: found.all),
        _scores_table(models, groups, "Identifiers: names that are no keywords", lambda found: found.identifiers),
    ]
    intro = (
        "On code that they were not trained on. <i>Unknown</i> is the share of words outside the vocabulary, which "
        "count as one class; <i>top-1</i> and <i>top-5</i> are how often the word was ranked first and among the first "
        "five, <i>MRR</i> is the mean reciprocal rank."
    )
    if any(len(group) > 1 and _comparable(group) for _, group in groups):
        intro += ' The best number of several is <strong class="best">marked</strong>.'
    return _paragraph(intro) + "".join(tables) + _caveats(groups) + missing


_Measured = Sequence[tuple[Model, Evaluation]]


def _comparable(group: _Measured) -> bool:
    """Return whether models were measured on the same words, as far as one can tell."""
    return len({(model.split, found.all.tokens) for model, found in group}) <= 1


def _caveats(groups: Sequence[tuple[str, _Measured]]) -> str:
    told = ""
    if not all(_comparable(group) for _, group in groups):
        told += _missing(
            "They were measured on different code, so that their numbers can't be compared and none is marked: "
            "<code>codelm-train evaluate</code> on one corpus measures them alike."
        )
    elif any(len({f"{found.all.unknown_share:.3f}" for _, found in group}) > 1 for _, group in groups):
        told += _missing(
            "Their vocabularies differ, and a word outside is easier to foretell than which one it is: bits and "
            "perplexity favour the smaller vocabulary; ranks don't."
        )
    return told


def _scores_table(
    models: Sequence[Model],
    groups: Sequence[tuple[str, _Measured]],
    caption: str,
    part: Callable[[Evaluation], Scores],
) -> str:
    head = "".join(f'<th scope="col" class="number">{name}</th>' for name, _, _, _ in _MEASURES)
    bodies = []
    for name, group in groups:
        if not group:
            continue
        scores = [part(found) for _, found in group]
        best = [_best(scores, measure) if _comparable(group) else None for measure in _MEASURES]
        rows = [
            f'<tr><th scope="row">{_label(models, model)}</th>'
            + "".join(_cell(measure, one, mark) for measure, mark in zip(_MEASURES, best, strict=True))
            + "</tr>\n"
            for (model, _), one in zip(group, scores, strict=True)
        ]
        bodies.append(
            f'<tbody>\n<tr class="group"><th scope="rowgroup" colspan="{len(_MEASURES) + 1}">{name}</th></tr>\n'
            f"{''.join(rows)}</tbody>\n"
        )
    return (
        f'<div class="scrolls"><table>\n<caption>{caption}</caption>\n'
        f'<thead><tr><th scope="col">model</th>{head}</tr></thead>\n{"".join(bodies)}</table></div>\n'
    )


def _best(scores: Sequence[Scores], measure: _Measure) -> str | None:
    """Return the best of several numbers as it is shown, so that equal ones are marked alike; None: none is best."""
    _, value, form, sign = measure
    if sign == 0 or len(scores) < 2:
        return None
    return format(max((value(one) for one in scores), key=lambda number: sign * number), form)


def _cell(measure: _Measure, scores: Scores, best: str | None) -> str:
    _, value, form, _ = measure
    shown = format(value(scores), form)
    return f'<td class="number">{f"""<strong class="best">{shown}</strong>""" if shown == best else shown}</td>'


# --- what was trained --------------------------------------------------------------------------------------------


def _trained(models: Sequence[Model]) -> str:
    columns: list[tuple[str, bool, Callable[[Model], str]]] = [
        ("kind", False, lambda model: _text(model.kind) or _NONE),
        ("shape", False, lambda model: _text(model.shape) or _NONE),
        ("tokens", True, lambda model: _NONE if model.tokens is None else f"{model.tokens:,}"),
        ("minutes", True, lambda model: _NONE if model.minutes is None else f"{model.minutes:,.1f}"),
        ("parameters", True, _inside),
        ("on disk", True, _size),
    ]
    if any(model.latency for model in models):
        columns += [
            ("a context", True, lambda model: _milliseconds(model.latency.read_ms if model.latency else None)),
            ("a step", True, lambda model: _milliseconds(model.latency.step_ms if model.latency else None)),
        ]
    head = "".join(f'<th scope="col"{_class("number", when=is_number)}>{name}</th>' for name, is_number, _ in columns)
    rows = "".join(
        f'<tr><th scope="row">{_label(models, model)}</th>'
        + "".join(f"<td{_class('number', when=is_number)}>{cell(model)}</td>" for _, is_number, cell in columns)
        + "</tr>\n"
        for model in models
    )
    note = ""
    if any(model.ngrams for model in models):
        note = "An n-gram model has no parameters that are trained; what it has counted stands there."
    if latency := next((model.latency for model in models if model.latency), None):
        note += (
            f" <i>A context</i> is reading {latency.words} words at once, <i>a step</i> one word more with its best 5: "
            "what one waits for, the median on the machine that measured."
        )
    return (
        f'<div class="scrolls"><table>\n<caption>The models</caption>\n<thead><tr><th scope="col">model</th>{head}</tr>'
        f"</thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n{_paragraph(note)}"
    )


def _class(name: str, *, when: bool) -> str:
    return f' class="{name}"' if when else ""


def _inside(model: Model) -> str:
    if model.ngrams is not None:
        return f"{model.ngrams:,} n-grams"
    return _NONE if model.parameters is None else f"{model.parameters:,}"


def _size(model: Model) -> str:
    if model.size is None:
        return "no checkpoint yet"
    return f"{model.size / 1e6:,.1f} MB"


def _milliseconds(times: Times | None) -> str:
    return _NONE if times is None else f"{times.wall:.2f} ms"


# --- pictures ----------------------------------------------------------------------------------------------------


def _curves(shown: Shown) -> str:
    if shown.curves is None:
        return _missing(
            "There are no curves: networks have them (<code>codelm-train lstm</code> and <code>cnn</code>), in their "
            "checkpoints and in the folders MODEL.training. N-grams are counted, not trained step by step."
        )
    alt = "Curves over tokens read and over time. " + " ".join(_course(model) for model in shown.models if model.curves)
    caption = (
        "Bits a token, less is better, and the learning rate. The loss is of the last batches before each point; with "
        "a sampled softmax it is that of a choice among fewer words, and so below what validation says. The first, "
        "highest losses are cut off."
    )
    without = [model for model in shown.models if not model.curves and not model.ngrams]
    missing = _missing(
        f"There are no curves of {_named(without)}: the file <code>metrics.csv</code> that "
        "<code>codelm-train lstm</code> and <code>cnn</code> write is not there."
        if without else ""
    )  # fmt: skip
    return _picture(shown.curves, alt, caption) + missing


def _course(model: Model) -> str:
    values = [row.validation_bits for row in model.curves if row.validation_bits is not None]
    if not values:
        return f"{escape(model.name)}: {_last(model.curves)}."
    return f"{escape(model.name)}: validation from {values[0]:.2f} to {values[-1]:.2f} bits, {_last(model.curves)}."


def _last(curves: Sequence[Row]) -> str:
    return f"{curves[-1].tokens:,} tokens in {curves[-1].seconds / 60:.1f} minutes"


def _kinds(shown: Shown) -> str:
    if shown.kinds is None:
        return _missing(
            "There is nothing to show of kinds of tokens: no model was measured. <code>codelm-train run</code> does."
        )
    parts = [f"{escape(model.name)}: {_bits(model.alone)}" for model in shown.models if model.alone is not None]
    caption = (
        "Bits a token for each kind of token, less is better. Structure is the ends of lines and where blocks begin "
        "and end."
    )
    return _picture(shown.kinds, f"Bars: bits of each kind of token. {'; '.join(parts)}.", caption)


def _bits(found: Evaluation) -> str:
    return ", ".join(f"{kind} {scores.bits_per_token:.1f}" for kind, scores in found.kinds.items() if scores.tokens)


def _calibration(shown: Shown) -> str:
    measured = [
        (model, part, found.calibration)
        for model in shown.models
        for part, found in (("", model.alone), (" with files learned", model.learned))
        if found is not None and found.calibration is not None
    ]
    without = [model for model in shown.models if model.alone is None or model.alone.calibration is None]
    missing = _missing(
        f"There is no calibration of {_named(without)}: <code>codelm-train run</code> of this version measures it, and "
        "<code>codelm-train evaluate --json</code> prints it."
        if without else ""
    )  # fmt: skip
    if shown.calibrations is None:
        return missing
    alt = "Calibration diagrams. Expected calibration error: " + ", ".join(
        f"{escape(model.name)}{part} {found.error:.3f}" for model, part, found in measured
    )
    caption = (
        "How often the word that was ranked first was right, by how probable it was said to be; below, the share of "
        "words that so much was said of. On the dashed line a model is right as often as it says; above, it is too "
        "modest. The error is the mean distance from the line (Naeini et al. 2015; Guo et al. 2017)."
    )
    return _picture(shown.calibrations, f"{alt}.", caption) + missing


def _temperature(shown: Shown) -> str:
    without = [model for model in shown.models if model.trained is None]
    missing = "".join(
        _missing(f"{_named([model])} can't be asked: {_text(escape(model.trouble))}.") for model in without
    )
    if not shown.temperatures:
        return missing
    after = (
        f"<pre><code>{_text(shown.prompt)}</code></pre>\n"
        if shown.prompt
        else _paragraph("At the beginning of a file:")
    )
    intro = (
        "The ten words that a model holds for the most probable next ones here, and what becomes of their probability "
        "p under a temperature T: p<sup>1/T</sup>, scaled to one. Below 1 the first word takes it all, above 1 the "
        "rare ones get their chance."
    )
    places = {model.name: model for model in shown.models}
    pictures = "".join(
        f"<h3>{_label(shown.models, places[found.model])}</h3>\n{_picture(picture, _told(found))}"
        for picture, found in shown.temperatures
    )
    return _paragraph(intro) + after + pictures + missing


def _told(found: Temperatures) -> str:
    """Return the first words under each temperature, for those who see no picture."""
    told = "; ".join(
        f"at {temperature:g}, "
        + ", ".join(f"{escape(word)} {percent(share)}" for word, share in list(zip(found.words, row, strict=True))[:3])
        for temperature, row in zip(TEMPERATURES, found.probabilities.tolist(), strict=True)
    )
    return f"Bars: probabilities of the best next words of {escape(found.model)} under four temperatures: {told}."


# --- style -------------------------------------------------------------------------------------------------------


def _style(models: int) -> str:
    return (
        _theme(LIGHT, models)
        + "@media (prefers-color-scheme: dark) {\n"
        + _theme(DARK, models)
        + "}\n"
        + _CSS
    )  # fmt: skip


def _theme(theme: Theme, models: int) -> str:
    colours = f"--background: {theme.background}; --ink: {theme.ink}; --faint: {theme.faint};"
    keys = "".join(f".m{number} {{ background: {theme.model(number)}; }}\n" for number in range(models))
    return f":root {{ {colours} }}\n{keys}"


_CSS = """\
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1.25rem 3rem; max-width: 62rem;
  background: var(--background); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
h1 { margin: 0 0 .4rem; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2.75rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); font-size: 1.3rem; }
h3 { margin: 1.6rem 0 .3rem; font-size: 1rem; }
:root {
  --line: color-mix(in srgb, var(--faint) 35%, transparent);
  --soft: color-mix(in srgb, var(--ink) 70%, var(--background));
}
p { margin: .6rem 0; max-width: 46rem; }
a { color: inherit; text-underline-offset: .2em; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .92rem; }
code { font: .92em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: .8rem 0; padding: .65rem .9rem; overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; }
.key { margin-right: 1rem; overflow-wrap: anywhere; }
.swatch { display: inline-block; width: .75em; height: .75em; margin-right: .5em; border-radius: .2em; }
.scrolls { overflow-x: auto; margin: 1rem 0 1.4rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
caption { padding-bottom: .45rem; text-align: left; font-weight: 600; }
th, td { padding: .38rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: baseline; }
th:first-child, td:first-child { padding-left: 0; }
thead th { font-weight: 500; color: var(--soft); white-space: nowrap; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 7rem; }
tr.group th { padding-top: .9rem; color: var(--soft); font-weight: 400; font-style: italic; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.best { font-weight: 700; text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: .22em; }
.none, .missing, figcaption, footer { color: var(--soft); }
.missing { padding-left: .8rem; border-left: 3px solid var(--line); }
figure { margin: 1.2rem 0; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { margin-top: .5rem; max-width: 46rem; font-size: .92rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); font-size: .88rem; }
"""
