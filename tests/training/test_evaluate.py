"""The measurements, against doing them by hand."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import models
import networks
import numpy as np
import pytest

from codelm import checkpoint
from codelm.errors import CorpusError
from codelm.mixture import Trained
from codelm.model import log_probs
from codelm.vocabulary import EOS, UNK
from codelm.weights import unfitted
from codelm_train.calibration import calibration
from codelm_train.corpus import Sequences, Split
from codelm_train.evaluate import KINDS, Evaluation, evaluate, evaluate_workspace, kind_of
from codelm_train.replay import moments, projects

WORDS = ("def", "parse_args", "(", ")", ":", "never_seen_anywhere", "self", "return")


def by_hand(model, vocabulary, rows):
    """Return (log probability, rank or 0, is unknown) of every word, and the log probabilities of the ends."""
    found, ends = [], []
    for row in rows:
        state = model.start()
        for word in (*row, None):
            number = EOS if word is None else vocabulary.id(word)
            scores = log_probs(model, state, 1, len(vocabulary))[0]
            if word is None:
                ends.append(scores[EOS])
                break
            better = int((np.delete(scores, UNK) > scores[number]).sum())
            found.append((scores[number], 0 if number == UNK or better >= 10 else better + 1, number == UNK))
            state = model.step(state, np.zeros(1, np.int64), np.array([number]))
    return found, ends


def test_every_number_is_the_one_computed_by_hand():
    model, vocabulary = models.ngram(3), models.vocabulary()
    rows = [("def", "parse_args", "(", "self", ")", ":"), ("return", "never_seen_anywhere")]
    ids = np.array([WORDS.index(word) for row in rows for word in row])
    found = evaluate(model, vocabulary, WORDS, ids, np.array([0, 6, 8]))
    tokens, ends = by_hand(model, vocabulary, rows)
    nats = -(sum(p for p, _, _ in tokens) + sum(ends)) / 10
    assert found.all.tokens == 10
    assert found.all.perplexity == pytest.approx(math.exp(nats), rel=1e-5)
    assert found.all.unknown_share == pytest.approx(1 / 10)
    assert found.all.top1 == pytest.approx(sum(rank == 1 for _, rank, _ in tokens) / 8)
    assert found.all.top5 == pytest.approx(sum(0 < rank <= 5 for _, rank, _ in tokens) / 8)
    assert found.all.mrr == pytest.approx(sum(1 / rank for _, rank, _ in tokens if rank) / 8)
    names = [tokens[1], tokens[3], tokens[7]]  # parse_args, self, never_seen_anywhere
    assert found.identifiers.tokens == 3
    assert found.identifiers.bits_per_token == pytest.approx(-sum(p for p, _, _ in names) / 3 / math.log(2), rel=1e-5)
    assert found.identifiers.unknown_share == pytest.approx(1 / 3)
    assert found.known.tokens == 2
    assert found.known.unknown_share == 0
    assert found.known.mrr == pytest.approx(sum(1 / rank for _, rank, _ in names[:2] if rank) / 2)
    assert found.unknown.tokens == 1
    assert found.unknown.unknown_share == 1
    assert (found.unknown.top1, found.unknown.top5, found.unknown.mrr) == (0, 0, 0)
    assert {kind: scores.tokens for kind, scores in found.kinds.items()} == {
        "identifier": 3, "keyword": 2, "operator": 3, "structure": 0, "string": 0, "number": 0,
    }  # fmt: skip
    assert found.kinds["identifier"] == found.identifiers
    keywords = [tokens[0], tokens[6]]
    assert found.kinds["keyword"].perplexity == pytest.approx(math.exp(-sum(p for p, _, _ in keywords) / 2), rel=1e-5)


@pytest.mark.parametrize("runner", networks.RUNNERS)
def test_a_network_reads_unknown_words_by_their_pieces_and_predicts_them_as_unknown(runner):
    model, vocabulary = networks.opened("lstm, tied", runner), models.vocabulary(networks.SIZE)
    words = ("def", "readHttp", "(", "never_seen", "[EOS]")
    row = [0, 1, 2, 3, 1, 4, 0]
    new = ["readHttp", "never_seen", "[EOS]"]
    found = evaluate(model, vocabulary, words, np.array(row), np.array([0, len(row)]))
    reader, state, nats = model.reading(new), model.start(), 0.0
    for word in (*(words[place] for place in row), None):
        target = EOS if word is None else vocabulary.id(word) if word not in new else UNK
        nats -= float(model.score(state, np.array([[target]]))[0, 0])
        read = len(vocabulary) + new.index(word) if word in new else target
        state = reader.step(state, np.zeros(1, np.int64), np.array([read]))
    assert found.all.bits_per_token == pytest.approx(nats / (len(row) + 1) / math.log(2), rel=1e-5)
    assert found.all.unknown_share == 4 / 8
    assert found.unknown.mrr == 0


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("identifier", ["self", "größe", "_", "match", "Path"]),
        ("keyword", ["def", "None", "lambda"]),
        ("operator", ["+", "(", ".", "...", "->", "$", "=", ","]),
        ("structure", ["<NEWLINE>", "<INDENT>", "<DEDENT>"]),
        ("string", ['"a"', "b'x'", '"\\""', 'f"{x}"', "<STR>"]),
        ("number", ["1", "0x1f", ".5", "3j", "<NUM>"]),
    ],
)
def test_kinds_of_words(kind, words):
    assert kind in KINDS
    assert [kind_of(word) for word in words] == [kind] * len(words)


def test_sequences_that_are_read_side_by_side_are_scored_as_each_alone():
    ids = models.encoded()[0][:1200]
    model, vocabulary = models.ngram(4), models.vocabulary()
    starts = np.cumsum([0, *range(3, 35), 0, 40, 500])  # of many lengths, an empty one among them
    together = evaluate(model, vocabulary, vocabulary.words, ids[: starts[-1]], starts)
    alone = [
        evaluate(model, vocabulary, vocabulary.words, ids[begin:end], np.array([0, end - begin]))
        for begin, end in pairwise(starts)
        if end > begin
    ]
    assert together.all.tokens == sum(one.all.tokens for one in alone) + 1
    for measure in ("top1", "top5", "mrr"):
        words = [one.all.tokens - 1 for one in alone]
        expected = np.average([getattr(one.all, measure) for one in alone], weights=words)
        assert getattr(together.all, measure) == pytest.approx(expected)
    end = float(model.score(model.start(), np.array([[EOS]]))[0, 0]) / math.log(2)
    bits = sum(one.all.bits_per_token * one.all.tokens for one in alone) - end
    assert together.all.bits_per_token * together.all.tokens == pytest.approx(bits, rel=1e-5)


def test_two_to_the_bits_is_e_to_the_nats():
    ids, _ = models.encoded()
    found = evaluate(models.ngram(3), models.vocabulary(), models.vocabulary().words, ids[:500], np.array([0, 500]))
    assert 2**found.all.bits_per_token == pytest.approx(found.all.perplexity)


def test_ranking_fewer_words_changes_no_perplexity():
    ids = models.encoded()[0][:600]
    arguments = (models.ngram(3), models.vocabulary(), models.vocabulary().words, ids, np.array([0, 600]))
    every, some = evaluate(*arguments), evaluate(*arguments, every=7)
    assert every.all.perplexity == some.all.perplexity
    assert every.all.top1 != some.all.top1


def test_it_survives_json():
    ids = models.encoded()[0][:50]
    found = evaluate(models.ngram(2), models.vocabulary(), models.vocabulary().words, ids, np.array([0, 50]))
    assert Evaluation.from_json(json.loads(json.dumps(found.as_json()))) == found
    raw = found.as_json()
    assert raw["tokens"] == found.all.tokens
    assert raw["identifiers"]["known"]["mrr"] == found.known.mrr
    assert list(raw["kinds"]) == list(KINDS)


def test_what_was_measured_before_calibration_was_is_read_without():
    ids = models.encoded()[0][:50]
    found = evaluate(models.ngram(2), models.vocabulary(), models.vocabulary().words, ids, np.array([0, 50]))
    raw = found.as_json()
    del raw["calibration"]
    before = Evaluation.from_json(raw)
    assert before == replace(found, calibration=None)
    assert before.as_json() == raw
    assert Evaluation.from_json(checkpoint.load(checkpoint.BUNDLED).facts["quality"]).all.tokens > 0


def test_the_best_word_is_compared_with_how_sure_the_model_was_of_it():
    """`[UNK]`, which is never ranked, is not the best word, however probable it is."""
    model, known = models.ngram(3, 60), models.vocabulary(60)
    rows = [models.sequences()[number][:120] for number in (0, 1)]
    words = tuple(sorted({word for row in rows for word in row}))
    ids = np.array([words.index(word) for row in rows for word in row])
    sure, right, unknown_first = [], [], 0
    for row in rows:
        state = model.start()
        for word in row:
            scores = log_probs(model, state, 1, len(known))[0].astype(float)
            unknown_first += int(scores.argmax() == UNK)
            scores[UNK] = -np.inf
            sure.append(math.exp(scores.max()))
            right.append(scores.argmax() == known.id(word))
            state = model.step(state, np.zeros(1, np.int64), np.array([known.id(word)]))
    assert unknown_first > 10
    expected = calibration(np.array(sure), np.array(right))
    found = evaluate(model, known, words, ids, np.array([0, 120, 240])).calibration
    assert found is not None
    assert [part.count for part in found.bins] == [part.count for part in expected.bins]
    assert [part.accuracy for part in found.bins] == [part.accuracy for part in expected.bins]
    assert found.error == pytest.approx(expected.error)
    some = evaluate(model, known, words, ids, np.array([0, 120, 240]), every=7).calibration
    assert some is not None
    assert sum(part.count for part in some.bins) == 2 * 17, "only words that are ranked"


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(CorpusError, match="nothing to evaluate"):
        evaluate(models.ngram(2), models.vocabulary(), ("a",), np.array([], np.int64), np.array([0]))


# --- as an editor would see it -------------------------------------------------------------------------------

KNOWN = models.vocabulary(60)
BASE = models.ngram(2, 60)
TRAINED = Trained(len(KNOWN), BASE)
CALLS = ("import", "frobnicate", "<NEWLINE>", "frobnicate", "(", ")", "<NEWLINE>", "frobnicate", "(", ")", "<NEWLINE>")


def split_of(*files: tuple[str, tuple[str, ...]]) -> tuple[tuple[str, ...], Split]:
    """The lexicon and the split of files, each its project and its words."""
    lexicon = tuple(dict.fromkeys(word for _, words in files for word in words))
    ids = [np.array([lexicon.index(word) for word in words], np.uint32) for _, words in files]
    names = [str(number) for number in range(len(files))]
    return lexicon, Sequences(ids, [project for project, _ in files], names).joined()


def test_an_unknown_name_that_is_repeated_is_ranked_with_caches_and_missed_without():
    words, split = split_of(("p", CALLS * 4))
    alone = evaluate(BASE, KNOWN, words, split.ids, split.starts)
    cached = evaluate_workspace(TRAINED, KNOWN, unfitted(), words, split)
    assert alone.unknown.tokens == cached.unknown.tokens == 12
    assert alone.unknown.top1 == alone.unknown.mrr == 0
    assert cached.unknown.top1 > 0.5
    assert cached.unknown.mrr < 1, "at first nobody has seen it"
    assert cached.all.bits_per_token < alone.all.bits_per_token


def test_bits_of_unknown_words_are_those_of_their_class_whoever_proposes_them():
    words, split = split_of(("p", ("frob", "=", "knit")))
    found = evaluate_workspace(TRAINED, KNOWN, unfitted(), words, split)
    state = BASE.start()
    first = float(BASE.score(state, np.array([[UNK]]))[0, 0])  # the caches are empty
    project, *_ = projects(split, words, KNOWN)
    (_, _, third) = moments(project, split, TRAINED, unfitted())
    classes = np.array([[UNK, *range(len(KNOWN), len(KNOWN) + 2)]])
    last = float(np.logaddexp.reduce(third.mixture.score(third.state, classes)[0].astype(float)))
    assert found.unknown.tokens == 2
    assert found.unknown.bits_per_token == pytest.approx(-(first + last) / 2 / math.log(2), rel=1e-5)


def test_tests_scripts_and_libraries_are_told_apart():
    words, split = split_of(("p", CALLS * 2), ("p", CALLS), ("q", CALLS * 3))
    split = replace(split, paths=("tests/test_a.py", "setup.py", "q/b.py"))
    styles = evaluate_workspace(TRAINED, KNOWN, unfitted(), words, split).styles
    tokens = {style: scores.tokens for style, scores in styles.items() if scores.tokens}
    assert tokens == {"tests": 22, "scripts": 11, "library": 33}
    assert styles["scripts"].bits_per_token < styles["library"].bits_per_token, "the other file of its project says it"


def test_without_a_project_only_the_file_teaches():
    """The other file says all of it: to the last word it is of help, and of none when nobody may look there."""
    words, split = split_of(("p", CALLS), ("p", CALLS))
    others, earlier, none = (
        evaluate_workspace(TRAINED, KNOWN, unfitted(), words, split, workspace=which)
        for which in ("others", "earlier", "none")
    )
    assert others.all.bits_per_token < earlier.all.bits_per_token < none.all.bits_per_token
    assert others.unknown.mrr >= earlier.unknown.mrr >= none.unknown.mrr


def test_in_a_workspace_it_is_the_mixture_that_is_sure():
    words, split = split_of(("p", CALLS * 3))
    found = evaluate_workspace(TRAINED, KNOWN, unfitted(), words, split).calibration
    sure, right = [], []
    (project,) = projects(split, words, KNOWN)
    for moment in moments(project, split, TRAINED, unfitted()):
        best = next(word for word in moment.mixture.propose(moment.state, 2)[0] if word != UNK)
        sure.append(math.exp(moment.mixture.score(moment.state, np.array([[best]]))[0, 0]))
        right.append(best == moment.word)
    assert found == calibration(np.array(sure), np.array(right))
    assert found != evaluate(BASE, KNOWN, words, split.ids, split.starts).calibration


def test_projects_know_nothing_of_each_other():
    words, split = split_of(("p", CALLS), ("q", CALLS))
    apart = evaluate_workspace(TRAINED, KNOWN, unfitted(), words, split)
    words, split = split_of(("p", CALLS))
    alone = evaluate_workspace(TRAINED, KNOWN, unfitted(), words, split)
    assert apart.all.bits_per_token == pytest.approx(alone.all.bits_per_token)
    assert apart.unknown.mrr == pytest.approx(alone.unknown.mrr)


def test_the_ends_of_files_count_when_every_word_is_looked_at():
    words, split = split_of(("p", CALLS), ("p", CALLS))
    every = evaluate_workspace(TRAINED, KNOWN, unfitted(), words, split)
    some = evaluate_workspace(TRAINED, KNOWN, unfitted(), words, split, every=3)
    assert every.all.tokens == 2 * len(CALLS) + 2
    assert some.all.tokens == 2 * 4
    assert every.identifiers.tokens == 2 * 3


def test_a_word_that_is_written_like_a_special_one_is_a_miss():
    words, split = split_of(("p", ("[EOS]", "[PAD]", "[EOS]")))
    found = evaluate_workspace(TRAINED, KNOWN, unfitted(), words, split)
    assert found.all.unknown_share == 3 / 4  # the end is none of them
    assert found.all.mrr == 0
    assert math.isfinite(found.all.perplexity)


def test_nothing_to_evaluate_in_a_workspace_is_an_error():
    with pytest.raises(CorpusError, match="nothing to evaluate"):
        evaluate_workspace(TRAINED, KNOWN, unfitted(), (), Sequences([], [], []).joined())
