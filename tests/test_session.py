"""The words of one session: ids that never change, whoever adds words meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from keyword import iskeyword
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm import session as session_module
from codelm.session import SessionVocabulary
from codelm.vocabulary import EOS, PAD, SPECIAL_WORDS, UNK, Vocabulary
from codelm.words import COMMON_FORMS, form_of

SAMPLE = Vocabulary([*SPECIAL_WORDS, ".", "def", "Path", "path", "_x", "größe", '"path"', "match"])
ANY_WORD = st.text(st.characters(exclude_categories=()), min_size=1)
# Text whose case is not one character for one: "ß" is "ss" and "ﬁ" is "fi" without case, "İ" gets a dot of its own.
CASED = st.text("aAbSsßẞfiﬁİıΣσς_\U0010ffff", max_size=4)


# --- ids -----------------------------------------------------------------------------------------------------


def test_new_words_get_the_next_ids():
    session = SessionVocabulary(SAMPLE)
    assert session.id("fresh") == UNK
    assert session.learn(["fresh", "def", "newer", "fresh"]).tolist() == [11, 4, 12, 11]
    assert session.ids(["def", "fresh", "newer", "unheard"]).tolist() == [4, 11, 12, UNK]
    assert [session.id(word) for word in ("def", "fresh", "unheard")] == [4, 11, UNK]
    assert [session.word(number) for number in (4, 11, 12)] == ["def", "fresh", "newer"]
    assert "fresh" in session
    assert "def" in session
    assert "unheard" not in session
    assert len(session) == 13
    assert len(SAMPLE) == 11


def test_its_own_words_are_a_view_that_grows():
    session = SessionVocabulary(SAMPLE)
    own = session.own_words
    assert list(own) == []
    session.learn(["fresh", "def", "newer"])
    assert list(own) == ["fresh", "newer"]
    assert [own[0], own[-1], own[1:]] == ["fresh", "newer", ["newer"]]
    for place in (2, -3):
        with pytest.raises(IndexError):
            own[place]


def test_to_ask_for_ids_learns_nothing():
    session = SessionVocabulary(SAMPLE)
    session.ids(["fresh"])
    session.beginning_with("fresh")
    assert len(session) == len(SAMPLE)


@pytest.mark.parametrize("number", [-1, 12, 99])
def test_an_id_that_no_word_has_is_an_error(number):
    session = SessionVocabulary(SAMPLE)
    session.learn(["fresh"])
    with pytest.raises(IndexError):
        session.word(number)


def test_a_word_that_is_written_like_a_special_one_is_unknown():
    session = SessionVocabulary(SAMPLE)
    assert session.learn(["[EOS]", "[PAD]", "[UNK]", "x"]).tolist() == [UNK, UNK, UNK, 11]
    assert session.ids(["[EOS]", "[PAD]"]).tolist() == [UNK, UNK]
    assert "[EOS]" not in session
    assert [session.word(number) for number in (PAD, UNK, EOS)] == list(SPECIAL_WORDS)


@pytest.mark.parametrize("words", [[], ["def"], ["fresh"]])
def test_ids_are_int64_however_few(words):
    session = SessionVocabulary(SAMPLE)
    assert session.learn(words).dtype == np.int64
    assert session.ids(words).shape == (len(words),)


@given(st.lists(st.lists(ANY_WORD, max_size=8)))
def test_session_words_and_ids_are_one_to_one_and_stay_so(batches):
    session = SessionVocabulary(SAMPLE)
    given_out: dict[str, int] = {}
    for words in batches:
        given_out |= zip(words, session.learn(words).tolist(), strict=True)
        assert {word: session.id(word) for word in given_out} == given_out
    own = {word: number for word, number in given_out.items() if word not in SPECIAL_WORDS}
    assert all(session.word(number) == word for word, number in own.items())
    assert len(session) == len({*own, *SAMPLE.words})


def test_no_more_words_than_there_may_be():
    session = SessionVocabulary(SAMPLE, largest=13)
    assert session.learn(["a", "b", "c", "d", "a"]).tolist() == [11, 12, UNK, UNK, 11]
    assert session.learn(["e", "b"]).tolist() == [UNK, 12]
    assert len(session) == 13
    assert session.beginning_with("c").tolist() == []
    assert session.names().tolist() == [11, 12]
    assert len(session.forms()) == 13


# --- what kind of words they are -----------------------------------------------------------------------------


def test_names_and_strings_of_the_session():
    session = SessionVocabulary(SAMPLE)
    session.learn(["x1", "lambda", "+", '"a"', "größer", "'b\"'", "12", "<STR>", "path"])
    assert [session.word(number) for number in session.names().tolist()] == ["x1", "größer"]
    assert [session.word(number) for number in session.strings().tolist()] == ['"a"', "'b\"'"]


def test_without_words_of_its_own_a_session_has_no_names_and_no_strings():
    for ids in (SessionVocabulary(SAMPLE).names(), SessionVocabulary(SAMPLE).strings()):
        assert ids.dtype == np.int64
        assert ids.shape == (0,)


@given(st.lists(ANY_WORD | st.sampled_from(["class", '"x"', "b'y'", "name"])))
def test_names_and_strings_are_those_that_a_scan_finds(words):
    session = SessionVocabulary(SAMPLE)
    session.learn(words)
    own = range(len(SAMPLE), len(session))
    names = [n for n in own if session.word(n).isidentifier() and not iskeyword(session.word(n))]
    assert session.names().tolist() == names
    assert session.strings().tolist() == [n for n in own if session.word(n)[-1] in "'\""]


@given(st.lists(ANY_WORD | st.sampled_from(["class", '"x"', "1.5", "name", "Name", "NAME", "self"])))
def test_words_have_the_same_number_when_they_are_written_alike(words):
    session = SessionVocabulary(SAMPLE)
    before = session.forms().copy()
    session.learn(words)
    forms = session.forms().tolist()
    assert forms[: len(SAMPLE)] == before.tolist()
    assert len(forms) == len(session)
    pairs = {(form_of(session.word(number)), form) for number, form in enumerate(forms)}
    assert len(pairs) == len({form for form, _ in pairs}) == len({number for _, number in pairs})


def test_forms_that_were_asked_for_stay_as_they_are():
    session = SessionVocabulary(SAMPLE)
    early = session.forms()
    kept = early.copy()
    for number in range(3):
        session.learn([f"{number}{sign}" for sign in range(1000)] + [f"${number}"])
    np.testing.assert_array_equal(early, kept)
    assert len(session.forms()) == len(session)


def test_very_many_forms_share_the_last_one(monkeypatch):
    session = SessionVocabulary(SAMPLE)
    greatest = session.forms().max()
    monkeypatch.setattr(session_module, "_MOST_FORMS", greatest + 3)
    session.learn(["$", "?", "!", "¿", "§"])
    assert (session.forms()[-5:] - greatest).tolist() == [1, 2, 3, 3, 3]


def test_common_forms_have_the_first_numbers():
    """What was fitted to forms fits any session's."""
    session = SessionVocabulary(SAMPLE)
    session.learn(["$", *COMMON_FORMS])
    forms = session.forms()
    assert [forms[session.id(form)] for form in COMMON_FORMS if form == form_of(form)] == [
        number for number, form in enumerate(COMMON_FORMS) if form == form_of(form)
    ]
    assert forms[session.id("$")] >= len(COMMON_FORMS)


@given(st.lists(st.lists(CASED.filter(bool), max_size=4) | st.sampled_from(["forms", "names", "prefix"])))
def test_what_is_asked_for_meanwhile_changes_nothing(steps):
    """Words are looked at when something is asked, all that were added since: the answers are those of one look."""
    asked, once = SessionVocabulary(SAMPLE), SessionVocabulary(SAMPLE)
    for step in steps:
        match step:
            case "forms":
                asked.forms()
            case "names":
                asked.names()
            case "prefix":
                asked.beginning_with("a")
            case words:
                asked.learn(words)
                once.learn(words)
    assert asked.forms().tolist() == once.forms().tolist()
    assert asked.names().tolist() == once.names().tolist()
    assert asked.strings().tolist() == once.strings().tolist()
    assert asked.beginning_with("").tolist() == once.beginning_with("").tolist()


# --- words that begin with what is typed ---------------------------------------------------------------------


@given(
    known=st.lists(CASED.filter(bool), unique=True),
    batches=st.lists(st.lists(CASED.filter(bool), max_size=8)),
    prefix=CASED,
)
def test_words_that_begin_with_a_prefix_are_those_that_a_scan_finds(known, batches, prefix):
    session = SessionVocabulary(Vocabulary([*SPECIAL_WORDS, *known]))
    for words in batches:
        session.learn(words)
        wanted = prefix.casefold()
        scan = [n for n in range(EOS + 1, len(session)) if session.word(n).casefold().startswith(wanted)]
        assert session.beginning_with(prefix).tolist() == scan


def test_many_words_at_once_are_found_like_few():
    session = SessionVocabulary(SAMPLE)
    many = session.learn([f"Name{number}" for number in range(150)])
    few = session.learn(["NAME", "other"])
    assert session.beginning_with("name").tolist() == [*many.tolist(), few[0]]


# --- threads -------------------------------------------------------------------------------------------------


def test_threads_that_learn_the_same_words_at_the_same_time_get_the_same_ids():
    threads, rounds = 6, 30
    session = SessionVocabulary(SAMPLE)
    barrier = Barrier(threads)

    def learn(thread: int) -> list[dict[str, int]]:
        found = []
        for number in range(rounds):
            # The same words for all, in another order for each, and some of one's own.
            words = [f"w{number}_{(n * (thread + 1)) % 101}" for n in range(101)] + [f"t{thread}_{number}"]
            barrier.wait()
            found.append(dict(zip(words, session.learn(words).tolist(), strict=True)))
            for word, place in found[-1].items():
                assert session.word(place) == word
            assert len(session.forms()) >= max(found[-1].values())
            session.names()
            session.beginning_with(f"w{number}")
        return found

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(learn, range(threads)))
    ids: dict[str, int] = {}
    for found in results:
        for words in found:
            for word, number in words.items():
                assert ids.setdefault(word, number) == number
    assert sorted(ids.values()) == list(range(len(SAMPLE), len(session)))
    assert len(session) == len(SAMPLE) + rounds * (101 + threads)
    assert session.names().tolist() == sorted(ids.values())
    assert len(session.beginning_with("w")) == rounds * 101
