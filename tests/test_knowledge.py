"""What completions draw on: the network beside what answers at once, and what is remembered of open documents.

Source text has its cursor drawn as a bar.
"""

import sys
import sysconfig
from pathlib import Path

import models
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm import checkpoint, knowledge
from codelm.checkpoint import Checkpoint
from codelm.completion import Snapshot
from codelm.errors import Cancelled, CheckpointError, CodelmError
from codelm.knowledge import AUTO, Context, Knowledge
from codelm.mixture import Trained
from codelm.model import log_probs
from codelm.neural.network import Network
from codelm.neural.torch_network import TorchNetwork
from codelm.vocabulary import UNK
from codelm.weights import BASE, FILE, FORM, NETWORK, NEURAL
from codelm.words import NEWLINE, words_of

URI = "file:///a.py"
MODULE = Path(sysconfig.get_path("stdlib")) / "json/decoder.py"
LINES = [line for line in MODULE.read_text(encoding="utf-8").splitlines(keepends=True) if "|" not in line]
SOURCE = "import json\nfrobnicate = json.loads\nfor x in frobnicate(|"
LONG = "".join(LINES) + "x = |"  # some 2,000 words
PAST = 0.0  # a deadline

INSTANT, WITH_NETWORK = (BASE, FILE, FORM), (BASE, NETWORK, FILE, FORM, NEURAL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return networks.write_mixture(tmp_path_factory.mktemp("models") / "mixed")


@pytest.fixture(scope="module")
def opened(folder) -> Checkpoint:
    return checkpoint.load(folder)


@pytest.fixture
def without(folder) -> Knowledge:
    """A knowledge whose network is not open yet."""
    return Knowledge(checkpoint.load(folder, network=False))


def snapshot_of(source: str, uri: str = URI) -> tuple[Snapshot, int]:
    text, _, rest = source.partition("|")
    return Snapshot(uri, 1, text + rest), len(text)


def context(known: Knowledge, source: str, uri: str = URI, **options) -> Context:
    """What is known at the cursor, asked for as a completer does."""
    snapshot, offset = snapshot_of(source, uri)
    file = known.file(uri)
    lexed = file.lex(snapshot.text[:offset] + "x")
    at = max(place for place, token in enumerate(lexed.tokens) if token.text)
    places = file.learn(lexed, at, snapshot.text, offset)
    return known.context(snapshot, places, list(words_of(lexed.tokens[:at])), **options)


def probabilities(known: Knowledge, found: Context) -> dict[str, float]:
    """The probability of each word but ``[UNK]``, whose own depends on what was deleted."""
    row = np.exp(log_probs(found.mixture, found.state, 1, found.mixture.size)[0].astype(np.float64))
    return {known.session.word(number): float(row[number]) for number in range(len(row)) if number != UNK}


def assert_same(known: Knowledge, found: Context, other: Knowledge, expected: Context) -> None:
    """Assert that two contexts say the same of all words that the second one knows."""
    assert (found.mixture.parts, found.whole) == (expected.mixture.parts, expected.whole)
    one, same = probabilities(known, found), probabilities(other, expected)
    assert one.keys() >= same.keys()
    np.testing.assert_allclose([one[word] for word in same], list(same.values()), rtol=1e-3, atol=1e-7)


def words_recalled(found: Context) -> int:
    """How many words above the cursor the neural cache remembers."""
    cache = found.mixture.caches.neural
    assert cache is not None
    return len(cache._vectors)


# --- before and behind the network ---------------------------------------------------------------------------


def test_what_answers_at_once_does_so_before_the_network_is_open(without):
    found = context(without, SOURCE)
    assert found.mixture.parts == INSTANT
    assert not found.whole
    assert without.open_network() == ""
    found = context(without, SOURCE)
    assert found.mixture.parts == WITH_NETWORK
    assert found.whole


def test_a_model_without_a_network_has_nothing_more_to_come():
    known = Knowledge(models.checkpoint(networks.SIZE))
    assert known.open_network("cuda") == ""
    known.opened(snapshot_of(SOURCE)[0])
    assert not known.idle()
    found = context(known, SOURCE)
    assert found.mixture.parts == INSTANT
    assert found.whole


def test_the_network_reads_the_document_and_the_caches_learn_it(opened):
    known = Knowledge(opened)
    found = context(known, SOURCE)
    text = SOURCE.partition("|")[0]
    ids = known.session.ids(words_of(known.file(URI).lex(text).tokens))[: len(known.file(URI).above())]
    np.testing.assert_array_equal(known.file(URI).above(), ids)
    network = found.mixture.trained.network
    expected = network.read(network.start(), ids)
    np.testing.assert_array_equal(found.state.parts[NETWORK].projected, expected.projected)
    assert known.session.word(int(ids[3])) == "frobnicate"
    assert words_recalled(found) == len(ids)
    assert found.mixture.caches.file.counts_from(0)[ids[3]] == 2


def test_a_word_of_the_session_is_read_by_its_pieces(opened):
    known = Knowledge(opened)
    found = context(known, "frobnicate\nfrobnicate|").state.parts[NETWORK]
    network = opened.trained.network
    as_unknown = network.read(network.start(), known.file(URI).above())
    assert (found.projected != as_unknown.projected).any()


@pytest.mark.parametrize("source", ["|", "import |", "import os.pa|"])
def test_on_the_first_line_a_line_has_ended_before_it(opened, source):
    known = Knowledge(opened)
    words = list(words_of(known.file("file:///b.py").lex(source.rstrip("|").removesuffix("pa") + "x").tokens))
    words = words[: words.index("x")]
    found = context(known, source, typing=source.endswith("pa|"))
    assert found.whole
    network = opened.trained.network
    expected = network.read(network.start(), known.session.ids([NEWLINE, *words] if words else []))
    np.testing.assert_array_equal(found.state.parts[NETWORK].projected, expected.projected)


def test_while_a_word_is_typed_nothing_is_made_anew(opened):
    known = Knowledge(opened)
    first = context(known, "x = frob\ny = |\nz = 1\n")
    assert context(known, "x = frob\ny = |\nz = 1\n") is first
    for changed in ("x = frob\ny = (|\nz = 1\n", "x = frob\ny = |\nz = 2\n", "x = fro\ny = |\nz = 1\n"):
        assert context(known, changed) is not first
    again = context(known, "x = frob\ny = |\nz = 1\n")
    known.session.learn(["from_elsewhere"])
    assert context(known, "x = frob\ny = |\nz = 1\n") is not again


def test_words_inside_a_string_are_read_behind_the_document(opened):
    known = Knowledge(opened)
    snapshot, offset = snapshot_of('x = 1\ny = f"{x.|"')
    file = known.file(URI)
    lexed = file.lex(snapshot.text[: snapshot.text.index('f"')] + "x")
    at = max(place for place, token in enumerate(lexed.tokens) if token.text)
    places = file.learn(lexed, at, snapshot.text, offset)
    words = list(words_of(lexed.tokens[:at]))
    found = known.context(snapshot, places, [*words, "(", "x", "."], inside=3)
    network = found.mixture.trained.network
    expected = network.read(network.start(), known.session.ids([*words, "(", "x", "."]))
    np.testing.assert_allclose(found.state.parts[NETWORK].projected, expected.projected, atol=1e-6)
    assert words_recalled(found) == len(words)


# --- the law -------------------------------------------------------------------------------------------------

edits = st.tuples(
    st.floats(0, 1), st.integers(0, 8), st.lists(st.integers(0, len(LINES) - 1), max_size=6), st.integers(0, 30),
    st.sampled_from(["ask", "ask", "idle", "opened", "past", "another"]),
)  # fmt: skip


@settings(max_examples=12)
@given(happens=st.lists(edits, min_size=1, max_size=8), begin=st.integers(0, 40))
def test_whatever_was_edited_what_is_known_is_what_a_new_session_knows(opened, happens, begin):
    known, lines = Knowledge(opened), list(LINES[begin : begin + 60])
    for share, removed, added, behind, what in happens:
        at = round(share * len(lines))
        lines[at : at + removed] = [LINES[number] for number in added]
        place = min(at + len(added), len(lines))
        line = lines[place] if place < len(lines) else ""
        source = "".join(lines[:place]) + line[:behind] + "|" + line[behind:] + "".join(lines[place + 1 :])
        if what == "ask":
            fresh = Knowledge(opened)
            assert_same(known, context(known, source), fresh, context(fresh, source))
        elif what == "past":
            context(known, source, deadline=PAST)
        elif what == "another":
            context(known, source.replace("self", "me"), "file:///b.py")
        elif what == "opened":
            known.opened(snapshot_of(source)[0])
        else:
            known.idle()
    fresh = Knowledge(opened)
    assert_same(known, context(known, source), fresh, context(fresh, source))


# --- time ----------------------------------------------------------------------------------------------------


def in_time_for(words: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """A deadline that leaves time to read so many words."""
    monkeypatch.setattr(knowledge.time, "monotonic", lambda: 100.0)
    return 100.0 + (words + 0.5) / 10_000


def test_a_deadline_that_is_over_leaves_the_network_out_until_nothing_is_missing(opened):
    known = Knowledge(opened)
    found = context(known, SOURCE, deadline=PAST)
    assert found.mixture.parts == INSTANT
    assert not found.whole
    context(known, SOURCE)
    found = context(known, SOURCE, deadline=PAST)
    assert found.mixture.parts == WITH_NETWORK
    assert found.whole


def test_where_little_time_is_left_the_network_reads_the_last_words(opened, monkeypatch):
    known, too_late = Knowledge(opened), in_time_for(50, monkeypatch)
    found = context(known, LONG, deadline=in_time_for(200, monkeypatch))
    assert found.mixture.parts == WITH_NETWORK
    assert not found.whole
    assert words_recalled(found) == 200
    assert context(known, LONG, "file:///b.py", deadline=too_late).mixture.parts == INSTANT
    short = "".join(f"x{number} = {number}\n" for number in range(10)) + "|"  # fewer words than it has time for
    assert context(known, short, "file:///c.py", deadline=too_late).whole


def test_without_an_n_gram_model_the_network_answers_however_late_it_is(opened):
    alone = Checkpoint(
        opened.folder, "alone", "code", opened.vocabulary, Trained(networks.SIZE, None, opened.trained.network), {},
        shape=opened.shape,
    )  # fmt: skip
    found = context(Knowledge(alone), LONG, deadline=PAST)
    assert found.mixture.parts == (NETWORK, FILE, FORM, NEURAL)
    assert not found.whole
    assert words_recalled(found) == 64


def test_a_cancelled_question_raises(opened):
    with pytest.raises(Cancelled):
        context(Knowledge(opened), LONG, cancelled=lambda: True)


# --- between completions -------------------------------------------------------------------------------------


def test_what_was_opened_is_read_when_there_is_time(opened, monkeypatch):
    known = Knowledge(opened)
    known.opened(snapshot_of(LONG)[0])
    steps = 0
    while known.idle():
        steps += 1
    assert steps > 3  # each of them is short
    # But for the last few words: at the cursor the line has not ended yet.
    found = context(known, LONG, deadline=in_time_for(8, monkeypatch))
    assert found.mixture.parts == WITH_NETWORK
    assert found.whole
    assert not known.idle()


def test_what_is_missing_above_the_tail_is_read_when_there_is_time(opened, monkeypatch):
    known, fresh = Knowledge(opened), Knowledge(opened)
    assert not context(known, LONG, deadline=in_time_for(300, monkeypatch)).whole
    while known.idle():
        pass
    found = context(known, LONG, deadline=PAST)
    assert found.whole
    assert_same(known, found, fresh, context(fresh, LONG))


def test_what_is_missing_above_the_tail_is_read_when_nobody_waits(opened, monkeypatch):
    known, fresh = Knowledge(opened), Knowledge(opened)
    assert not context(known, LONG, deadline=in_time_for(300, monkeypatch)).whole
    assert_same(known, context(known, LONG), fresh, context(fresh, LONG))
    assert context(known, LONG).whole


def test_a_first_line_that_is_longer_than_the_words_that_are_given_is_read_whole(opened):
    """A completer gives the words of a few hundred tokens."""
    known = Knowledge(opened)
    snapshot, offset = snapshot_of("x = [" + "1, " * 400 + "|")
    file = known.file(URI)
    lexed = file.lex(snapshot.text[:offset] + "x")
    at = max(place for place, token in enumerate(lexed.tokens) if token.text)
    places = file.learn(lexed, at, snapshot.text, offset)
    found = known.context(snapshot, places, list(words_of(lexed.tokens[at - 100 : at])))
    assert words_recalled(found) == len(file.above()) > 800


def test_what_was_opened_before_the_network_is_read_with_it(without, monkeypatch):
    without.opened(snapshot_of(LONG)[0])
    assert not without.idle()
    without.open_network()
    while without.idle():
        pass
    assert context(without, LONG, deadline=in_time_for(8, monkeypatch)).whole


def test_nothing_is_read_when_something_more_urgent_waits(opened, monkeypatch):
    known = Knowledge(opened)
    known.opened(snapshot_of(LONG)[0])
    assert not known.idle(lambda: True)
    assert known.idle()  # it has not been forgotten
    read = []
    run = opened.trained.network.__class__._run
    monkeypatch.setattr(Network, "_run", lambda self, ids, core: read.append(ids.size) or run(self, ids, core))
    assert not known.idle(lambda: True)
    assert read == []


def test_of_many_documents_one_is_read_at_a_time(opened, monkeypatch):
    """And whoever waits is asked for behind each."""
    known, read = Knowledge(opened), []
    for number in range(4):
        context(known, "x = 1\n" * 30 + "|", f"file:///{number}.py", deadline=PAST)
    run = Network._run
    monkeypatch.setattr(Network, "_run", lambda self, ids, core: read.append(ids.size) or run(self, ids, core))
    assert not known.idle(lambda: bool(read))
    assert 0 < sum(read) < 2 * 30 * 4
    while known.idle():
        pass
    assert sum(read) > 4 * 30 * 4 - 1


# --- forgetting ----------------------------------------------------------------------------------------------


def test_forgetting_drops_all_that_was_learned(opened):
    known = Knowledge(opened)
    context(known, SOURCE)
    known.opened(snapshot_of(LONG, "file:///b.py")[0])
    session, file = known.session, known.file(URI)
    known.forget()
    assert known.session is not session
    assert "frobnicate" not in known.session
    assert known.file(URI) is not file
    assert not known.idle()
    fresh = Knowledge(opened)
    other = "import json\nx = json.|"
    assert probabilities(known, context(known, other)) == probabilities(fresh, context(fresh, other))


def test_a_closed_document_is_forgotten(opened):
    known = Knowledge(opened)
    context(known, SOURCE)
    known.opened(snapshot_of(LONG)[0])
    file = known.file(URI)
    known.close(URI)
    assert not known.idle()
    assert known.file(URI) is not file
    assert not len(known.file(URI).above())
    known.close("file:///never-opened.py")


def test_the_documents_that_were_used_last_are_remembered(opened, monkeypatch):
    monkeypatch.setattr(knowledge, "_REMEMBERED", 2)
    known = Knowledge(opened)
    first, second = known.file("file:///1.py"), known.file("file:///2.py")
    assert known.file("file:///1.py") is first
    known.file("file:///3.py")
    assert known.file("file:///1.py") is first
    assert known.file("file:///2.py") is not second


# --- devices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [AUTO, "cpu"])
def test_the_network_runs_on_the_cpu_unless_something_else_is_asked_for(without, device):
    assert without.open_network(device) == ""
    network = without.checkpoint.trained.network
    assert isinstance(network, Network)
    assert without.open_network(device) == ""
    assert without.checkpoint.trained.network is network


def test_a_network_on_another_device_takes_the_place_of_the_first(without):
    without.open_network()
    expected = context(without, SOURCE)
    assert without.open_network("cpu:0") == ""  # a device of torch's that every machine has
    found = context(without, SOURCE)
    assert isinstance(found.mixture.trained.network, TorchNetwork)
    assert (found.mixture.parts, found.whole) == (WITH_NETWORK, True)
    one, same = probabilities(without, found), probabilities(without, expected)
    assert one["json"] == pytest.approx(same["json"], rel=0.5)


def test_a_network_may_be_replaced_while_a_question_is_answered(opened):
    class Replacing(Knowledge):
        def _trained(self) -> Trained:
            found = super()._trained()
            self.open_network("cpu:0")
            return found

    known = Replacing(opened)
    first, second = context(known, SOURCE), context(known, SOURCE)
    assert isinstance(first.mixture.trained.network, Network)
    assert isinstance(second.mixture.trained.network, TorchNetwork)
    for found in (first, second):
        assert sum(probabilities(known, found).values()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("device", "problem"), [("cuda:77", "the network runs on the CPU: .*'cuda:77'"), ("abacus", "'abacus'")]
)
def test_a_device_that_is_not_there_is_told_and_the_cpu_goes_on(without, device, problem):
    assert networks_problem(without, device, problem)


def networks_problem(known: Knowledge, device: str, problem: str) -> bool:
    told = known.open_network(device)
    assert told.startswith("the network runs on the CPU: ")
    with pytest.raises(CodelmError, match=problem):
        raise CodelmError(told)
    return context(known, SOURCE).mixture.parts == WITH_NETWORK


def test_a_device_that_needs_torch_where_there_is_none_is_told_and_the_cpu_goes_on(without, monkeypatch):
    monkeypatch.setitem(sys.modules, "codelm.neural.torch_network", None)
    assert networks_problem(without, "cuda", r"needs torch: pip install 'codelm\[gpu\]'")


def test_a_checkpoint_without_weights_for_torch_is_told_and_the_cpu_goes_on(tmp_path):
    written = networks.write_mixture(tmp_path / "mixed", torch=False)
    known = Knowledge(checkpoint.load(written, network=False))
    assert networks_problem(known, "cpu:0", r"weights\.safetensors is missing")


def test_a_network_that_runs_nowhere_raises_and_the_rest_goes_on(folder, tmp_path):
    written = networks.write_mixture(tmp_path / "mixed")
    known = Knowledge(checkpoint.load(written, network=False))
    (written / "core.onnx").write_bytes(b"no graph")
    with pytest.raises(CheckpointError, match=r"core\.onnx"):
        known.open_network()
    assert context(known, SOURCE).mixture.parts == INSTANT
