"""Replaying projects: what is known at each moment, by the words that the caches have seen."""

from collections.abc import Sequence

import models
import networks
import numpy as np
import pytest

from codelm.mixture import Trained
from codelm.model import Ids
from codelm.session import SessionVocabulary
from codelm.vocabulary import EOS, UNK, Vocabulary
from codelm.weights import BASE, FILE, NETWORK, NEURAL, unfitted
from codelm_train.corpus import Sequences, Split
from codelm_train.replay import WORKSPACES, Moment, Project, Workspace, moments, projects

VOCABULARY = models.vocabulary(60)
NGRAM = models.ngram(2, 60)
TRAINED = Trained(len(VOCABULARY), NGRAM)
WEIGHTS = unfitted()
LEXICON = ("self", ".", "frob", "def", "new_one", "(", ")", "other", "[EOS]")


def split_of(files: Sequence[tuple[str, str]]) -> Split:
    """A split of files, each its project and its words between blanks."""
    ids = [np.array([LEXICON.index(word) for word in text.split()], np.uint32) for _, text in files]
    names = [str(number) for number in range(len(files))]
    return Sequences(ids, [project for project, _ in files], names).joined()


SHOP = [("shop", "self . frob ( )"), ("shop", "def frob"), ("shop", "other other other")]
FILES = [*SHOP[:1], ("bank", "new_one ( new_one"), *SHOP[1:]]


def replayed(files: Sequence[tuple[str, str]], **options) -> list[tuple[Project, list[Moment]]]:
    split = split_of(files)
    return [
        (project, list(moments(project, split, TRAINED, WEIGHTS, **options)))
        for project in projects(split, LEXICON, VOCABULARY)
    ]


def session_of(project: Project) -> dict[str, int]:
    """The ids of the words of a project: the vocabulary's, and then the new ones in the order of the lexicon."""
    used = set(np.concatenate(project.ids).tolist())
    new = [word for word in LEXICON if word not in VOCABULARY and word != "[EOS]"]
    ids = {word: VOCABULARY.id(word) for word in LEXICON if word in VOCABULARY}
    present = [word for word in new if any(word in text.split() for name, text in FILES if name == project.name)]
    ids |= {word: number for number, word in enumerate(present, len(VOCABULARY))}
    assert used <= set(ids.values())
    return ids


def counted(counts: np.ndarray, ids: dict[str, int]) -> dict[str, int]:
    """Which words a cache has seen, and how often."""
    return {word: int(counts[number]) for word, number in ids.items() if counts[number]}


def test_a_project_is_its_files_in_their_order_with_the_ids_of_a_session_of_its_own():
    shop, bank = (project for project, _ in replayed(FILES))
    assert (shop.name, shop.files) == ("shop", (0, 2, 3))
    assert (bank.name, bank.files) == ("bank", (1,))
    ids = session_of(shop)
    assert shop.ids[1].tolist() == [ids["def"], ids["frob"]]
    assert ids["frob"] >= len(VOCABULARY)
    assert shop.size == len(VOCABULARY) + sum(number >= len(VOCABULARY) for number in ids.values())
    assert bank.ids[0].tolist()[0] == len(VOCABULARY)
    assert bank.size == len(VOCABULARY) + 1


def test_forms_are_those_of_the_session():
    for project, _ in replayed(FILES):
        session = SessionVocabulary(VOCABULARY)
        session.learn(sorted(session_of(project), key=lambda word: session_of(project)[word]))
        np.testing.assert_array_equal(project.forms, session.forms())


def test_a_word_that_is_written_like_a_special_one_is_unknown():
    (project, found), *_ = replayed([("p", "self [EOS] self")])
    assert [moment.word for moment in found] == [VOCABULARY.id("self"), UNK, VOCABULARY.id("self")]
    assert project.size == len(VOCABULARY)


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_before_each_word_the_file_teaches_what_stands_above_it(workspace: Workspace):
    split = split_of(FILES)
    for project, found in replayed(FILES, workspace=workspace):
        places = iter(found)
        for file, ids in zip(project.files, project.ids, strict=True):
            for number, word in enumerate(ids.tolist()):
                moment = next(places)
                assert moment.place == split.starts[file] + number
                assert moment.word == word
                seen = np.bincount(ids[:number], minlength=project.size)
                np.testing.assert_array_equal(moment.mixture.caches.file.counts_from(0), seen)
                assert moment.mixture.size == project.size
        assert not list(places)


def workspaces(workspace: Workspace, *, every: int = 1) -> list[list[dict[str, int]]]:
    """What the workspace has seen, at each moment of each file of the shop."""
    project, found = replayed(FILES, workspace=workspace, every=every)[0]
    ids = session_of(project)
    starts = split_of(FILES).starts
    return [
        [
            counted(moment.mixture.caches.workspace.counts_from(0), ids)
            for moment in found
            if starts[file] <= moment.place < starts[file + 1]
        ]
        for file in project.files
    ]


def counts_of(*texts: str) -> dict[str, int]:
    words = " ".join(texts).split()
    return {word: words.count(word) for word in words}


def test_the_others_are_all_files_of_the_project_but_the_own():
    first, second, third = (text for _, text in SHOP)
    found = workspaces("others")
    assert all(moment == counts_of(second, third) for moment in found[0])
    assert all(moment == counts_of(first, third) for moment in found[1])
    assert all(moment == counts_of(first, second) for moment in found[2])


def test_the_earlier_are_the_files_before():
    first, second, _ = (text for _, text in SHOP)
    found = workspaces("earlier")
    assert all(moment == {} for moment in found[0])
    assert all(moment == counts_of(first) for moment in found[1])
    assert all(moment == counts_of(first, second) for moment in found[2])


def test_files_of_the_project_in_other_splits_are_in_its_workspace_too():
    project, others = split_of([("shop", "self . frob ( )")]), split_of([("bank", "other"), ("shop", "def new_one")])
    (shop,) = projects(project, LEXICON, VOCABULARY, [others])
    assert len(shop.ids) == 1
    seen = {}
    for which in WORKSPACES:
        caches = next(moments(shop, project, TRAINED, WEIGHTS, workspace=which)).mixture.caches
        seen[which] = caches.workspace.counts_from(0)
    new_one, frob = (len(VOCABULARY) + shop.words.index(word) for word in ("new_one", "frob"))
    found = {which: int(counts[new_one]) for which, counts in seen.items()}
    assert found == {"others": 1, "earlier": 0, "none": 0}
    assert seen["others"][frob] == 0


def test_with_none_the_workspace_is_empty():
    assert all(moment == {} for file in workspaces("none") for moment in file)


def test_the_state_has_read_the_file_up_to_the_word():
    for _, found in replayed([("p", "self . frob ( self . frob")]):
        assert FILE not in found[0].mixture.parts
        lengths = [int(m.mixture.caches.file.match_lengths(m.state.parts[FILE])[0]) for m in found[1:]]
        assert lengths == [0, 0, 0, 0, 1, 2]


@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_every_nth_word_is_looked_at_the_middle_one_of_n(every):
    split = split_of(FILES)
    whole = {moment.place: moment for _, found in replayed(FILES) for moment in found}
    for project, found in replayed(FILES, every=every):
        wanted: list[int] = []
        for file in project.files:
            begin, end = split.starts[file : file + 2].tolist()
            wanted += range(begin + every // 2, end, every)
        assert [moment.place for moment in found] == wanted
        for moment in found:
            same = whole[moment.place]
            assert moment.word == same.word
            assert_same_scores(moment, same)


def test_a_network_reads_every_word_once(monkeypatch):
    """To read a file anew for each of its words would take hours."""
    lengths: list[int] = []
    network = networks.opened("lstm, tied", "onnx, int8")
    run = type(network)._run
    counting = lambda self, ids, core: lengths.append(ids.size) or run(self, ids, core)  # noqa: E731
    monkeypatch.setattr(type(network), "_run", counting)
    split, vocabulary = split_of(FILES), models.vocabulary(networks.SIZE)
    network.start()
    lengths.clear()
    for project in projects(split, LEXICON, vocabulary):
        list(moments(project, split, Trained(len(vocabulary), None, network), WEIGHTS))
    assert sum(lengths) == len(split.ids) - len(split)  # all but the last of each file


@pytest.mark.parametrize("ngram", [None, models.ngram(2, networks.SIZE)])
def test_a_network_reads_the_words_of_the_project_by_their_pieces_and_recalls_them(ngram):
    network = networks.opened("lstm, tied", "onnx, int8")
    vocabulary = models.vocabulary(networks.SIZE)
    trained = Trained(len(vocabulary), ngram, network)
    split = split_of(FILES)
    for project in projects(split, LEXICON, vocabulary):
        assert project.words == tuple(word for word in LEXICON[:-1] if word in new_words(project.name, vocabulary))
        model = network.reading(project.words)
        found = iter(moments(project, split, trained, WEIGHTS))
        for ids in project.ids:
            for number in range(len(ids)):
                moment, expected = next(found), model.read(model.start(), ids[:number])
                assert (BASE in moment.mixture.parts) == (ngram is not None)
                assert (NEURAL in moment.mixture.parts) == (number > 0)
                np.testing.assert_allclose(moment.state.parts[NETWORK].projected, expected.projected, atol=1e-5)
                if number:
                    recalled = moment.mixture.said(moment.state, np.arange(project.size)[None, :])[-1, 0]
                    assert set(np.flatnonzero(recalled).tolist()) == set(ids[:number].tolist())


def new_words(project: str, vocabulary: Vocabulary) -> set[str]:
    words = {word for name, text in FILES if name == project for word in text.split()}
    return {word for word in words if word not in vocabulary}


def assert_same_scores(moment: Moment, same: Moment) -> None:
    every: Ids = np.arange(moment.mixture.size)[None, :]
    np.testing.assert_array_equal(moment.mixture.score(moment.state, every), same.mixture.score(same.state, every))


def test_the_ends_of_files_are_moments_too_when_they_are_wanted():
    for project, found in replayed([*FILES, ("shop", "")], ends=True):
        ends = [moment for moment in found if moment.word == EOS]
        assert len(ends) == len(project.files)
        counts = [int(moment.mixture.caches.file.counts_from(0).sum()) for moment in ends]
        assert counts == [len(ids) for ids in project.ids]
