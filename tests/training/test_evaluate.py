"""The measurements, against doing them by hand."""

import math
from itertools import pairwise

import models
import numpy as np
import pytest

from codelm.errors import CorpusError
from codelm.model import log_probs
from codelm.vocabulary import EOS, UNK
from codelm_train.evaluate import Evaluation, evaluate

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
    assert Evaluation.from_json(found.as_json()) == found


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(CorpusError, match="nothing to evaluate"):
        evaluate(models.ngram(2), models.vocabulary(), ("a",), np.array([], np.int64), np.array([0]))
