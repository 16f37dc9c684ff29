"""Training and validation: by what the source says, else by whole projects, else by files."""

import pytest

from codelm.errors import CorpusError
from codelm_train.split import (
    TEST,
    TRAIN,
    VALIDATION,
    assign,
    file_is_held_out,
    held_out_projects,
    split_named,
)


def documents(*projects: str, files: int = 3) -> list[tuple[str, str, str | None]]:
    return [(project, f"{i}.py", None) for project in projects for i in range(files)]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation "])
def test_a_split_has_the_names_that_data_sets_give_it(name: str) -> None:
    assert split_named(name) == VALIDATION


def test_another_name_is_an_error_that_lists_the_names() -> None:
    with pytest.raises(CorpusError, match="'dev' is no split: use one of train, val"):
        split_named("dev")


def test_what_the_source_says_is_kept() -> None:
    said: list[tuple[str, str, str | None]] = [
        ("a", "1.py", TEST),
        ("a", "2.py", TRAIN),
        ("b", "1.py", VALIDATION),
    ]
    assert assign(said, 0.05) == [TEST, TRAIN, VALIDATION]


def test_where_a_source_says_validation_the_rest_is_for_training() -> None:
    assert assign([("a", "1.py", VALIDATION), *documents("b", "c", "d", "e", "f")], 0.2) == [
        VALIDATION,
        *[TRAIN] * 15,
    ]


def test_of_five_projects_or_more_whole_ones_are_held_out() -> None:
    names = [f"project{i}" for i in range(40)]
    splits = assign(documents(*names), 0.05)
    by_project = [set(splits[3 * i : 3 * i + 3]) for i in range(40)]
    assert by_project.count({VALIDATION}) == 2
    assert by_project.count({TRAIN}) == 38


def test_at_least_one_project_is_held_out_and_never_all() -> None:
    assert len(held_out_projects(set("abcde"), 0.05)) == 1
    assert len(held_out_projects(set("abcde"), 0.5)) == 2
    assert len(held_out_projects({"a"}, 0.5)) == 0


def test_a_project_keeps_its_split_when_others_come_or_go() -> None:
    many = {f"project{i}" for i in range(40)}
    held_out = held_out_projects(many, 0.05)
    fewer = many - set(sorted(many - held_out)[:10])
    assert held_out_projects(fewer, 0.05) <= held_out


def test_of_fewer_projects_files_are_held_out_by_the_hash_of_their_paths() -> None:
    splits = assign(documents("only", files=400), 0.05)
    assert 10 <= splits.count(VALIDATION) <= 30
    assert [split == VALIDATION for split in splits] == [file_is_held_out(f"{i}.py", 0.05) for i in range(400)]


def test_the_last_file_is_for_training() -> None:
    path = next(f"{i}.py" for i in range(1000) if file_is_held_out(f"{i}.py", 0.05))
    assert assign([("only", path, None)], 0.05) == [TRAIN]


def test_a_test_is_held_out_in_the_same_way() -> None:
    splits = assign(documents("only", files=400), 0.05, 0.1)
    assert 20 <= splits.count(TEST) <= 60
    # What is for the test is drawn by itself: another share of validation changes nothing of it.
    assert [split == TEST for split in splits] == [
        split == TEST for split in assign(documents("only", files=400), 0, 0.1)
    ]
    names = [f"project{i}" for i in range(40)]
    by_project = [*assign(documents(*names, files=1), 0.05, 0.1)]
    assert (by_project.count(VALIDATION), by_project.count(TEST)) == (2, 4)


def test_of_few_files_one_is_held_out_for_each() -> None:
    for files in range(5, 12):
        splits = assign(documents("only", files=files), 0.05, 0.05)
        assert splits.count(VALIDATION) >= 1
        assert splits.count(TEST) >= 1
        assert splits.count(TRAIN) >= 3


def test_no_share_no_validation() -> None:
    assert assign(documents(*"abcdef"), 0.0) == [TRAIN] * 18
