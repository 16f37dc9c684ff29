"""The curves of a training, as they are written, read and gone on with."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from codelm.errors import CorpusError
from codelm_train.networks.metrics import CURVES, EVENTS, Metrics, Row, read

ROWS = [
    Row(20, 4000, 1.5, loss=7.25, learning_rate=3e-3, gradient_norm=0.5, tokens_per_second=2500.0),
    Row(20, 4000, 1.5, validation_bits=6.5, validation_perplexity=90.5, validation_top1=0.25, validation_top5=0.5),
    Row(40, 8000, 3.0, loss=6.125, learning_rate=2e-3, gradient_norm=0.25, tokens_per_second=2500.0),
]


def write(folder, rows, step=0):
    with Metrics(folder, step) as metrics:
        for row in rows:
            metrics.add(row)


def scalars(folder, name):
    events = EventAccumulator(str(folder / EVENTS))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_what_was_written_is_read(tmp_path):
    write(tmp_path, ROWS)
    assert read(tmp_path / CURVES) == ROWS


def test_people_can_read_it_too(tmp_path):
    write(tmp_path, ROWS[:2])
    assert (tmp_path / CURVES).read_text(encoding="utf-8").splitlines() == [
        "step,tokens,seconds,loss,learning_rate,gradient_norm,tokens_per_second,"
        "validation_bits,validation_perplexity,validation_top1,validation_top5",
        "20,4000,1.5,7.25,0.003,0.5,2500,,,,",
        "20,4000,1.5,,,,,6.5,90.5,0.25,0.5",
    ]


def test_tensorboard_shows_the_same(tmp_path):
    write(tmp_path, ROWS)
    assert scalars(tmp_path, "loss") == [(20, 7.25), (40, 6.125)]
    assert scalars(tmp_path, "validation_bits") == [(20, 6.5)]


def test_a_resumed_training_goes_on_behind_its_state(tmp_path):
    """What was measured behind the state is lost: it is measured again."""
    write(tmp_path, ROWS)
    again = Row(40, 8000, 3.5, loss=6.0)
    write(tmp_path, [again], step=20)
    assert read(tmp_path / CURVES) == [*ROWS[:2], again]
    assert scalars(tmp_path, "loss") == [(20, 7.25), (40, 6.0)]


def test_a_new_training_begins_a_new_curve(tmp_path):
    write(tmp_path, ROWS)
    write(tmp_path, [Row(1, 10, 0.5, loss=9.0)])
    assert read(tmp_path / CURVES) == [Row(1, 10, 0.5, loss=9.0)]
    assert scalars(tmp_path, "loss") == [(1, 9.0)]


def test_a_line_that_was_never_finished_is_no_point(tmp_path):
    """A full disk, or a killed process, leaves one at the end."""
    write(tmp_path, ROWS)
    with (tmp_path / CURVES).open("a", encoding="utf-8") as file:
        file.write("60,12000,4.")
    assert read(tmp_path / CURVES) == ROWS
    write(tmp_path, [], step=100)
    assert read(tmp_path / CURVES) == ROWS


def test_what_is_no_curve_is_named_with_its_line(tmp_path):
    file = tmp_path / CURVES
    write(tmp_path, ROWS)
    with file.open("a", encoding="utf-8") as opened:
        opened.write("no,point\n")
    with pytest.raises(CorpusError, match=rf"{file}:5: no point"):
        read(file)
