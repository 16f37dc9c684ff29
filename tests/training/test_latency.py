"""Latencies, by clocks that a model itself turns on: every number is known before."""

import json
import re

import models
import numpy as np
import pytest

from codelm import checkpoint
from codelm.errors import CorpusError
from codelm_train.cli import main
from codelm_train.latency import Latency, Times, measure


class Clock:
    """Stands still but for what a model does; ``cpu`` counts two threads."""

    def __init__(self):
        self.now = 0.0

    def wall(self) -> float:
        return self.now

    def cpu(self) -> float:
        return 2 * self.now


class Slow:
    """The n-gram model, where a word read takes 1 ms, a row of a step 2 ms, of proposals 3 ms and of scores 4 ms.

    The first calls take a second more: nothing is in memory yet.
    """

    def __init__(self, clock: Clock, cold: int = 0, size: int = 0):
        self.model, self.clock, self.cold = models.ngram(3, size), clock, cold
        self.contexts: list[tuple[int, ...]] = []
        self.asked: set[tuple[int, int]] = set()

    def _takes(self, milliseconds: float) -> None:
        self.clock.now += milliseconds / 1000 + (self.cold > 0)
        self.cold -= 1

    def start(self):
        return self.model.start()

    def read(self, state, ids):
        self.contexts.append(tuple(ids.tolist()))
        self._takes(len(ids))
        return self.model.read(state, ids)

    def step(self, state, rows, ids):
        self._takes(2 * len(rows))
        return self.model.step(state, rows, ids)

    def propose(self, state, k, allowed=None):
        found = self.model.propose(state, k, allowed)
        self.asked.add((len(found), k))
        self._takes(3 * len(found))
        return found

    def score(self, state, ids):
        assert np.all(ids >= 0), "there is no such word"
        self._takes(4 * len(ids))
        return self.model.score(state, ids)


def measured(model: Slow, ids=None, **options) -> Latency:
    ids = models.encoded()[0][:2000] if ids is None else ids
    return measure(model, ids, len(models.vocabulary()), wall=model.clock.wall, cpu=model.clock.cpu, **options)


def times(wall: float) -> Times:
    return Times(pytest.approx(wall), pytest.approx(2 * wall))


EXPECTED = Latency(times(256), times(2 + 3 + 4), times(8 * (2 + 3 + 4)), words=256, rows=8)


def test_reading_and_steps_take_what_the_model_takes():
    assert measured(Slow(Clock())) == EXPECTED


def test_a_step_asks_for_its_best_words():
    model = Slow(Clock())
    measured(model)
    assert {(1, 5), (8, 64)} <= model.asked


def test_each_round_reads_another_place():
    model = Slow(Clock())
    measured(model, rounds=10)
    assert len(set(model.contexts)) == len(model.contexts) >= 10
    every = models.encoded()[0][:2000].tolist()
    assert model.contexts[0] == tuple(every[:256])
    assert model.contexts[-1] == tuple(every[-257:-1])


def test_a_slow_beginning_counts_nothing():
    assert measured(Slow(Clock(), cold=20), rounds=1) == EXPECTED


def test_a_few_slow_rounds_change_no_median():
    assert measured(Slow(Clock(), cold=60)) == EXPECTED


def test_where_there_are_fewer_words_all_but_the_last_are_read():
    found = measured(Slow(Clock()), models.encoded()[0][:40])
    assert (found.words, found.read_ms) == (39, times(39))


def test_one_word_is_nothing_to_measure_on():
    with pytest.raises(CorpusError, match="fewer than two words"):
        measured(Slow(Clock()), np.array([5]))


def test_a_vocabulary_smaller_than_what_is_asked_for_is_no_trouble():
    ids = models.encoded(20)[0][:300]
    clock = Clock()
    found = measure(Slow(clock, size=20), ids, 20, rounds=2, wall=clock.wall, cpu=clock.cpu)
    assert found.rows_step_ms == EXPECTED.rows_step_ms


def test_it_survives_json_and_is_told_in_a_line():
    found = Latency(Times(12.345, 40.0), Times(0.5, 0.6), Times(2.0, 2.5), 256, 8)
    assert Latency.from_json(json.loads(json.dumps(found.as_json()))) == found
    assert found.told() == "12.35 ms to read 256 words, 0.50 ms for a step, 2.00 ms for one of 8 rows"


def test_evaluate_measures_it_when_it_is_asked_to(tmp_path, capsys):
    model, text = tmp_path / "model", tmp_path / "text"
    checkpoint.save(model, models.ngram(3), models.vocabulary(), name="small", stream="code", facts={})
    text.write_text("import os , never_seen_anywhere\n" * 20, encoding="utf-8")
    asked = ["evaluate", str(model), "--tokenised", str(text)]
    assert main([*asked, "--latency", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    latency = Latency.from_json(found.pop("latency"))
    assert latency.words == 79, "of all files, one after the other"
    assert latency.step_ms.wall > 0
    assert main([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found, "nothing else is another number for it"
    assert main([*asked, "--latency"]) == 0
    assert re.search(r"^latency: [\d.]+ ms to read 79 words, ", capsys.readouterr().out, re.MULTILINE)
