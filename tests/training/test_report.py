"""Reports: pages and pictures of checkpoints, of trainings that go on, and of runs."""

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import models
import numpy as np
import pytest

import codelm_train
from codelm import checkpoint
from codelm.errors import CodelmError, UsageError
from codelm.model import log_probs
from codelm.vocabulary import PAD, UNK, Vocabulary
from codelm_train import page, pictures
from codelm_train.calibration import Bin, Calibration
from codelm_train.cli import main
from codelm_train.commands.report import write
from codelm_train.evaluate import KINDS, Evaluation, Scores
from codelm_train.latency import Latency, Times
from codelm_train.networks.metrics import NAMES
from codelm_train.report import TEMPERATURES, gather, temperatures

# --- folders to report on ----------------------------------------------------------------------------------------

CURVES = """\
20,80000,8.1,12.5,0.0006,6.5,9859.0,,,,
40,160000,16.0,7.64,0.0013,2.8,10015.9,,,,
40,160000,16.0,,,,,6.57,95.1,0.2,0.4
60,240000,24.1,6.99,0.0019,17.6,9894.2,,,,
80,319952,90.0,6.14,0.0026,2.4,9913.3,,,,
80,319952,90.0,,,,,4.85,28.8,0.3,0.5
"""
CALIBRATION = Calibration((*[Bin(0.0, 0.0, 0)] * 8, Bin(0.85, 0.75, 30), Bin(0.95, 0.95, 10)), 0.0754)


def evaluation(bits: float, calibration: Calibration | None = CALIBRATION, tokens: int = 12345) -> Evaluation:
    """An evaluation with so many bits, of identifiers three more, and the better ranks the fewer they are."""

    def scores(bits: float, tokens: int) -> Scores:
        return Scores(tokens, 2**bits, bits, 0.0625, 1 / bits, 1.5 / bits, 1.2 / bits)

    rest = scores(bits + 3, tokens // 5)
    return Evaluation(scores(bits, tokens), rest, rest, rest, dict.fromkeys(KINDS, rest), calibration)


def quality(alone: Evaluation, learned: Evaluation | None = None) -> dict[str, object]:
    return {"split": "test", **alone.as_json(), **({"workspace": learned.as_json()} if learned else {})}


def ngram(folder: Path, name: str = "small", vocabulary: Vocabulary | None = None, **facts: object) -> Path:
    """A checkpoint that can be loaded."""
    training = {"smoothing": "kneser-ney", "tokens": 54321, "sources": []}
    known = vocabulary or models.vocabulary()
    checkpoint.save(
        folder, models.ngram(3), known, name=name, stream="code", facts={"training": training, **facts}
    )  # fmt: skip
    return folder


def network(folder: Path, name: str = "net", curves: str = CURVES, **facts: object) -> Path:
    """What is told of a network's checkpoint; there are no weights to load."""
    folder.mkdir(parents=True)
    shape = {"kind": "cnn", "hidden": 128, "layers": 4, "projection": 0, "kernel": 3, "dilation": 2}
    manifest = {
        "format": "codelm checkpoint", "version": 3, "kind": "cnn", "name": name, "stream": "code", "network": shape,
        "vocabulary": {}, "training": {"tokens": 54321, "tokens_read": 987654, "minutes": 30.5}, **facts,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    if curves:
        (folder / "metrics.csv").write_text(f"{','.join(NAMES)}\n{curves}", encoding="utf-8")
    return folder


def training(folder: Path, curves: str = CURVES) -> Path:
    """A training that goes on."""
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(f"{','.join(NAMES)}\n{curves}", encoding="utf-8")
    settings = {"kind": "lstm", "hidden": 512, "layers": 1, "projection": 256, "kernel": 3, "dilation": 2}
    (folder / "settings.json").write_text(json.dumps({"settings": settings}), encoding="utf-8")
    return folder


def run_of(folder: Path) -> Path:
    """A run with an n-gram model, one network that is made and one that is being trained."""
    ngram(folder / "checkpoint", name="the recipe", quality=quality(evaluation(9)))
    network(folder / "network-wide")
    training(folder / "network-deep.training")
    found = quality(evaluation(4.25), evaluation(2.5, Calibration(CALIBRATION.bins, 0.0321), tokens=617))
    found["models"] = {"ngram": evaluation(4.25).as_json(), "wide": evaluation(3.5).as_json()}
    (folder / "evaluation.json").write_text(json.dumps(found), encoding="utf-8")
    return folder


# --- pages as people and parsers see them ------------------------------------------------------------------------

VOID = {"meta", "img", "source"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)

    def all(self, tag: str) -> list["Element"]:
        found = [self] if self.tag == tag else []
        return found + [one for child in self.children if isinstance(child, Element) for one in child.all(tag)]


class Parsed(HTMLParser):
    """An HTML file as a tree; what is opened must be closed, in order."""

    def __init__(self, text: str):
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(text)
        self.close()
        assert self.open == [self.root], "elements are left open"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), "an attribute stands twice"
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].children.append(data)


def undrawn(name: str, folder: Path, figure: object) -> pictures.Picture:
    for theme in pictures.THEMES:
        (folder / f"{name}{theme.suffix}.png").touch()
    return pictures.Picture(name, 960, 320)


@dataclass
class Report:
    folder: Path
    root: Element

    def section(self, name: str) -> Element:
        (found,) = [one for one in self.root.all("section") if one.attributes.get("id") == name]
        return found

    def missing(self, name: str) -> str:
        """What a section says that it lacks."""
        return " ".join(p.text() for p in self.section(name).all("p") if p.attributes.get("class") == "missing")

    def rows(self, name: str) -> list[list[str]]:
        """The rows of a section's tables."""
        return [
            [cell.text() for cell in row.children if isinstance(cell, Element)]
            for row in self.section(name).all("tr")
        ]  # fmt: skip

    def pictures(self) -> set[str]:
        return {image.attributes["src"] for image in self.root.all("img")}


def report(
    out: Path, *folders: Path, prompt: str = "def f(self):\n    return ", themes: tuple[pictures.Theme, ...] = ()
) -> Report:
    """The report of some folders; its pictures take half a second each, and are empty where nobody looks at them."""
    with pytest.MonkeyPatch.context() as patch:
        if themes:
            patch.setattr(pictures, "THEMES", themes)
        else:
            patch.setattr(pictures, "draw", undrawn)
        write(list(folders), out, prompt)
    return Report(out, Parsed((out / "index.html").read_text(encoding="utf-8")).root)


@pytest.fixture(scope="module")
def of_run(tmp_path_factory) -> Report:
    folder = tmp_path_factory.mktemp("run")
    return report(folder / "report", run_of(folder / "run"), themes=pictures.THEMES)


def test_a_page_is_whole_and_needs_nothing_from_elsewhere(of_run):
    text = (of_run.folder / "index.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    (title,) = of_run.root.all("title")
    assert title.text() == "codelm report: ngram, deep, wide"
    assert of_run.root.all("script") == of_run.root.all("link") == []
    assert not re.search(r"https?:|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text


def test_every_picture_is_there_in_both_themes_and_told_in_words(of_run):
    assert of_run.pictures() == {"curves.png", "kinds.png", "calibration.png", "temperature-1.png"}
    named = of_run.pictures() | {source.attributes["srcset"] for source in of_run.root.all("source")}
    assert named == {file.name for file in of_run.folder.glob("*.png")}
    assert len(named) == 2 * len(of_run.pictures())
    for image in of_run.root.all("img"):
        png = (of_run.folder / image.attributes["src"]).read_bytes()
        assert png.startswith(b"\x89PNG")
        width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
        shown = int(image.attributes["width"]), int(image.attributes["height"])
        assert (width, height) == (pytest.approx(2 * shown[0], abs=2), pytest.approx(2 * shown[1], abs=2))
        assert len(image.attributes["alt"]) > 40


def test_ids_are_there_once_and_links_lead_to_them(of_run):
    def ids(element: Element) -> list[str]:
        children = [child for child in element.children if isinstance(child, Element)]
        return [*filter(None, [element.attributes.get("id")]), *(one for child in children for one in ids(child))]

    found = ids(of_run.root)
    assert len(set(found)) == len(found)
    links = [link.attributes["href"].removeprefix("#") for link in of_run.root.all("a")]
    assert links
    assert set(links) <= set(found)


def test_models_are_compared_by_what_the_run_measured(of_run):
    """Not by what an older checkpoint says of itself."""
    rows = of_run.rows("quality")
    assert ["ngram", "12,345", "6.2%", "4.250", "19.03", "23.5%", "35.3%", "0.282"] in rows
    assert ["wide", "12,345", "6.2%", "3.500", "11.31", "28.6%", "42.9%", "0.343"] in rows
    assert ["wide", "2,469", "6.2%", "6.500", "90.51", "15.4%", "23.1%", "0.185"] in rows, "identifiers"
    assert ["ngram", "617", "6.2%", "2.500", "5.66", "40.0%", "60.0%", "0.480"] in rows, "with files learned"
    assert "deep" in of_run.missing("quality")
    assert "codelm-train run" in of_run.missing("quality")


def test_the_best_of_several_is_marked(of_run):
    marked = [best.text() for table in of_run.section("quality").all("table") for best in table.all("strong")]
    assert marked[:5] == ["3.500", "11.31", "28.6%", "42.9%", "0.343"], "and nothing that is alone in its group"
    assert len(marked) == 2 * 5


def test_it_says_what_was_trained(of_run):
    rows = {row[0]: row[1:] for row in of_run.rows("models")}
    size = f"{checkpoint.bytes_in(of_run.folder.parent / 'run' / 'checkpoint') / 1e6:,.1f} MB"
    counted = sum(len(level.words) for level in models.ngram(3).levels)
    assert rows["ngram"] == ["n-gram", "order 3, Kneser-Ney", "54,321", "–", f"{counted:,} n-grams", size]
    shape = "4 layers of 128, 3 words wide, 2 times as far apart in each"
    assert rows["wide"] == ["CNN", shape, "987,654", "30.5", "–", "0.0 MB"]
    shape = "1 layer of 512, projected to 256"
    assert rows["deep"] == ["LSTM", shape, "319,952", "1.5", "–", "no checkpoint yet"]


def test_curves_of_what_is_being_trained_are_shown(tmp_path):
    found = report(tmp_path / "out", training(tmp_path / "deep.training"))
    assert found.pictures() == {"curves.png"}
    (image,) = found.root.all("img")
    assert "deep: validation from 6.57 to 4.85 bits, 319,952 tokens in 1.5 minutes" in image.attributes["alt"]
    assert "--resume" in found.missing("temperature")


def test_points_that_are_no_numbers_are_left_out(tmp_path):
    curves = CURVES + "100,400000,100.0,nan,inf,1,1,,,,\n100,400000,100.0,,,,,inf,inf,0,0\n"
    (model,) = gather([training(tmp_path / "x.training", curves)])
    figure = pictures.curves([model], pictures.LIGHT)
    loss, validation = figure.axes[0].get_lines()
    assert loss.get_xdata().tolist() == [80000, 160000, 240000, 319952]
    assert validation.get_ydata().tolist() == [6.57, 4.85]
    assert figure.axes[0].get_ylim()[1] < 12.5, "the first losses are not what a picture is for"


@pytest.mark.parametrize("curves", ["", "20,80000,8.1,,,,,,,,\n"])
def test_a_training_that_has_just_begun_has_a_page(tmp_path, curves):
    found = report(tmp_path / "out", training(tmp_path / "x.training", curves), themes=(pictures.LIGHT,))
    assert found.pictures() == ({"curves.png"} if curves else set())


# --- what is missing ---------------------------------------------------------------------------------------------


def test_a_checkpoint_without_anything_is_only_asked_for_a_prediction(tmp_path):
    found = report(tmp_path / "out", ngram(tmp_path / "model"))
    assert found.pictures() == {"temperature-1.png"}
    assert "codelm-train run" in found.missing("quality")
    assert "codelm-train lstm" in found.missing("curves")
    assert "codelm-train run" in found.missing("kinds")
    assert "codelm-train run" in found.missing("calibration")
    assert found.missing("temperature") == ""


def test_an_old_evaluation_has_no_calibration(tmp_path):
    old = ngram(tmp_path / "old", "old", quality=quality(evaluation(4, calibration=None)))
    assert report(tmp_path / "1", old).pictures() == {"kinds.png", "temperature-1.png"}
    new = ngram(tmp_path / "new", "new", quality=quality(evaluation(4)))
    found = report(tmp_path / "2", old, new)
    assert "calibration.png" in found.pictures()
    assert "old" in found.missing("calibration")
    assert "new" not in found.missing("calibration")


def test_the_bundled_model_can_be_reported_on(tmp_path):
    found = report(tmp_path / "out", checkpoint.BUNDLED)
    raw = json.loads((checkpoint.BUNDLED / "manifest.json").read_bytes())["quality"]
    assert f"{raw['bits_per_token']:.3f}" in {cell for row in found.rows("quality") for cell in row}


def test_a_model_that_cannot_be_opened_is_shown_without_predictions(tmp_path):
    found = report(tmp_path / "out", network(tmp_path / "net", quality=quality(evaluation(3))))
    assert found.pictures() == {"curves.png", "kinds.png", "calibration.png"}
    assert "net can't be asked" in found.missing("temperature")
    assert str(tmp_path) not in (tmp_path / "out" / "index.html").read_text(encoding="utf-8"), "a path of one's own"


def test_a_network_without_curves_is_named(tmp_path):
    found = report(tmp_path / "out", network(tmp_path / "one"), network(tmp_path / "two", "bare", curves=""))
    assert found.pictures() == {"curves.png"}
    assert "bare" in found.missing("curves")


def test_what_was_measured_on_different_code_is_not_compared(tmp_path):
    folders = [
        ngram(tmp_path / name, name, quality=quality(evaluation(bits, tokens=tokens)))
        for name, bits, tokens in (("a", 4.0, 1000), ("b", 3.0, 1001))
    ]
    found = report(tmp_path / "out", *folders)
    assert found.root.all("strong") == []
    assert "can't be compared" in found.missing("quality")


def test_latencies_are_shown_where_they_were_measured(tmp_path):
    times = Latency(Times(12.5, 30), Times(1.25, 2), Times(3, 4), 256, 8)
    with_it = ngram(tmp_path / "with", "with", quality={**quality(evaluation(4)), "latency": times.as_json()})
    rows = report(tmp_path / "out", with_it, ngram(tmp_path / "without", "without")).rows("models")
    assert [row[-2:] for row in rows] == [["a context", "a step"], ["12.50 ms", "1.25 ms"], ["–", "–"]]


# --- names and words of all kinds --------------------------------------------------------------------------------

HOSTILE = '$\\x{$ </title><script>alert("x")</script>&amp; <img src=x onerror=y> \x1b[31m 漢'


def test_whatever_things_are_called_it_stays_text(tmp_path):
    known = models.vocabulary()
    hostile = Vocabulary([*known.words[:3], *(f"<b>{word}</b>" for word in known.words[3:])])
    folder = ngram(tmp_path / "model", HOSTILE, hostile, quality=quality(evaluation(4)))
    other = network(tmp_path / "<i>", f"{HOSTILE}\ud800", quality=quality(evaluation(5)))
    found = report(tmp_path / "out", folder, other, prompt='"</code></pre><script>"', themes=(pictures.LIGHT,))
    assert found.root.all("script") == []
    assert len(found.root.all("title")) == 1
    assert found.root.all("b"), "the page's own"
    assert all("<" not in b.attributes for b in found.root.all("b"))
    assert {image.attributes["src"] for image in found.root.all("img")} == found.pictures()
    (heading, *_) = found.section("temperature").all("h3")
    assert "</title><script>" in heading.text()
    assert "\\x1b" in heading.text() or "\\u001b" in heading.text(), "what does not print is escaped"
    (code,) = found.section("temperature").all("pre")
    assert code.text() == '"</code></pre><script>"'
    (image,) = found.section("temperature").all("img")
    assert "<b>" in image.attributes["alt"]


def test_models_of_one_name_are_told_apart_by_their_folders(tmp_path):
    folders = [ngram(tmp_path / "a"), ngram(tmp_path / "b"), ngram(tmp_path / "c" / "b"), ngram(tmp_path / "d", "else")]
    names = [model.name for model in gather(folders)]
    assert names == ["small (a)", "small (b)", "small (b) 2", "else"]


def test_a_model_has_its_colour_in_every_picture(tmp_path):
    """That of its place among all models, not among those that a picture shows."""
    folders = [ngram(tmp_path / "n"), network(tmp_path / "x", "x", quality=quality(evaluation(3)))]
    found = gather(folders)
    for theme in pictures.THEMES:
        colour = theme.models[1]
        assert pictures.curves(found, theme).axes[0].get_lines()[0].get_color() == colour
        assert pictures.calibrations(found, theme).axes[0].get_lines()[1].get_color() == colour
        bar = pictures.kinds(found, theme).axes[0].patches[0]
        assert bar.get_facecolor() == pytest.approx(pictures.matplotlib.colors.to_rgba(colour))
        assert f".m1 {{ background: {colour}; }}" in page.page(page.Shown(found, ""))


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.776, "78 %"), (1.0, "100 %"), (0.0996, "10 %"), (0.099, "9.9 %"), (0.001, "0.1 %"), (1e-5, "< 0.1 %"),
        (0, "0.0 %"),
    ],
)  # fmt: skip
def test_how_probabilities_are_told(share, told):
    assert pictures.percent(share).replace("\N{THIN SPACE}", " ") == told


def test_long_names_keep_their_ends():
    assert pictures.short("a_network", 22) == "a_network"
    assert pictures.short("x" * 30 + " (second)", 20) == "xxxxxxxxxx… (second)"


# --- predictions under temperatures ------------------------------------------------------------------------------


def test_probabilities_under_a_temperature_are_powers_scaled_to_one(tmp_path):
    (model,) = gather([ngram(tmp_path / "model")])
    found = temperatures(model, "self.")
    assert found is not None
    known = models.vocabulary()
    exact = log_probs(
        models.ngram(3), models.ngram(3).read(models.ngram(3).start(), known.ids(["self", "."])), 1, len(known)
    )
    exact = exact[0].astype(float)
    exact[[PAD, UNK]] = -np.inf
    best = np.argsort(-exact, kind="stable")[:10]
    assert found.words == tuple(known.words[number] for number in best)
    assert found.probabilities.shape == (len(TEMPERATURES), 10)
    for temperature, row in zip(TEMPERATURES, found.probabilities, strict=True):
        powers = np.exp(exact / temperature)
        assert row == pytest.approx(powers[best] / powers.sum())
    first = found.probabilities[:, 0]
    assert np.all(np.diff(first) < 0), "the hotter, the less sure"


def test_a_vocabulary_of_few_words_has_fewer_than_ten(tmp_path):
    checkpoint.save(
        tmp_path / "tiny", models.ngram(2, 8), models.vocabulary(8), name="tiny", stream="code", facts={}
    )  # fmt: skip
    (model,) = gather([tmp_path / "tiny"])
    found = temperatures(model, "")
    assert found is not None
    assert len(found.words) == 6
    assert not {"[PAD]", "[UNK]"} & set(found.words)
    assert found.probabilities.sum(axis=1) == pytest.approx(1)
    assert report(tmp_path / "out", tmp_path / "tiny", prompt="", themes=(pictures.LIGHT,)).pictures() == {
        "temperature-1.png"
    }


def test_parameters_are_counted_where_weights_are(tmp_path):
    shapes = {"core": [4, 3], "bias": [5], "scalar": []}
    header = {"__metadata__": {"format": "pt"}} | {
        name: {"dtype": "F32", "shape": shape} for name, shape in shapes.items()
    }
    text = json.dumps(header).encode()
    best = training(tmp_path / "x.training") / "best"
    best.mkdir()
    (best / "weights.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    (model,) = gather([best.parent])
    assert model.parameters == 4 * 3 + 5 + 1
    for broken in (b"", b"\xff" * 8, (7).to_bytes(8, "little") + b"[[1,2]]"):
        (best / "weights.safetensors").write_bytes(broken)
        (model,) = gather([best.parent])
        assert model.parameters is None


# --- the folder, and errors --------------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_report_takes_the_place_of_a_report_and_of_nothing_else(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pictures, "draw", undrawn)
    model, out = ngram(tmp_path / "model"), tmp_path / "out"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years", encoding="utf-8")
    assert main(["report", str(model), "--out", str(out)]) == 0
    assert "index.html" in capsys.readouterr().out
    assert main(["report", str(training(tmp_path / "x.training")), "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {"index.html", "manifest.json", "curves.png", "curves-dark.png"}
    for foreign in (tmp_path / "mine", model):
        before = files(foreign)
        assert main(["report", str(model), "--out", str(foreign)]) == 2
        assert files(foreign) == before


def test_when_a_picture_fails_the_old_report_stays(tmp_path, monkeypatch):
    model, out = ngram(tmp_path / "model"), tmp_path / "out"
    report(out, model)
    before = files(out)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "temperatures", full)
    with pytest.raises(CodelmError, match="No space left"):
        write([model, training(tmp_path / "x.training")], out)
    assert files(out) == before
    assert {path.name for path in tmp_path.iterdir()} == {"model", "x.training", "out"}


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    for name in ("pictures", "page"):
        monkeypatch.delitem(sys.modules, f"codelm_train.{name}")
        monkeypatch.delattr(codelm_train, name)
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["report", str(ngram(tmp_path / "model")), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "matplotlib" in told
    assert "pip install 'codelm[train]'" in told
    assert not (tmp_path / "out").exists()


def broken(tmp_path: Path) -> Sequence[tuple[Path, str]]:
    """Folders that can't be reported on, and what is said of each."""
    (tmp_path / "empty").mkdir()
    cut = training(tmp_path / "cut.training", CURVES + "100,4000\n")
    binary = training(tmp_path / "binary.training")
    (binary / "metrics.csv").write_bytes(b"\xff\xfe\n")
    settings = training(tmp_path / "settings.training")
    (settings / "settings.json").write_text("{", encoding="utf-8")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "manifest.json").write_text('{"format": "codelm corpus"}', encoding="utf-8")
    no_number = ngram(tmp_path / "no_number", quality=quality(evaluation(4)) | {"top1": "<b>"})
    no_kinds = ngram(tmp_path / "no_kinds", quality={"bits_per_token": 4})
    unmade = tmp_path / "unmade"
    unmade.mkdir()
    (unmade / "steps.json").write_text("{}", encoding="utf-8")
    array = run_of(tmp_path / "array")
    (array / "evaluation.json").write_text("[]", encoding="utf-8")
    return [
        (tmp_path / "nowhere", "is no checkpoint, no training and no run"),
        (tmp_path / "empty", "is no checkpoint, no training and no run"),
        (cut, "metrics.csv:8: no point of a training's curves"),
        (binary, "metrics.csv:1: no point of a training's curves"),
        (settings, "settings.json is not JSON"),
        (foreign, "is not the manifest of a codelm checkpoint"),
        (no_number, "holds an evaluation that is broken"),
        (no_kinds, "holds an evaluation that is broken"),
        (unmade, "has made no model yet"),
        (array, "evaluation.json is no JSON object"),
    ]


def test_what_cannot_be_reported_on_is_one_line_and_status_2(tmp_path, capsys):
    for number, (folder, told) in enumerate(broken(tmp_path)):
        assert main(["report", str(folder), "--out", str(tmp_path / f"out{number}")]) == 2, folder
        error = capsys.readouterr().err
        assert told in error, folder
        assert str(folder) in error
        assert error.count("\n") == 1
        assert not (tmp_path / f"out{number}").exists()


def test_a_prompt_that_is_no_text_is_refused(tmp_path, capsys):
    model = ngram(tmp_path / "model")
    assert main(["report", str(model), "--out", str(tmp_path / "out"), "--prompt", os.fsdecode(b"\xff")]) == 2
    assert "--prompt is not UTF-8" in capsys.readouterr().err
    with pytest.raises(UsageError):
        temperatures(gather([model])[0], "\udcff")


def test_a_network_of_a_run_that_is_trained_again_is_shown_once(tmp_path):
    folder = run_of(tmp_path / "run")
    training(folder / "network-wide.training")
    shutil.rmtree(folder / "network-deep.training")
    assert [model.name for model in gather([folder])] == ["ngram", "wide"]


def test_a_run_without_networks_is_called_as_its_recipe(tmp_path):
    folder = run_of(tmp_path / "run")
    for path in folder.glob("network-*"):
        shutil.rmtree(path)
    (model,) = gather([folder])
    assert model.name == "the recipe"
    assert model.alone is not None
    assert model.alone.all.bits_per_token == 4.25
