"""The CORPUS folder: what is written is read, what is broken is named, and a failure changes nothing."""

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codelm.checkpoint import CODE
from codelm.errors import CorpusError, StorageError
from codelm_train.corpus import FORMAT, VERSION, Corpus, Sequences, counts_of, new_corpus, open_corpus, write
from codelm_train.lexicon import Lexicon
from codelm_train.tokenised import tokenised

LEXICON = Lexicon(("self", ".", "\n", "\ud800"), np.array([4, 3, 1, 1]))


def ids(*numbers: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    return np.array(numbers, dtype=np.uint32)


def write_small(out: Path, **changes: Any) -> Path:
    """Write a corpus of two training sequences, one of them empty, and one for validation."""
    splits = {
        "train": Sequences([ids(0, 1, 0, 1, 2), ids()], ["shop", "shop"], ["a.py", "b\tc\udcff.py"]),
        "validation": Sequences([ids(0, 1, 3, 0)], ["bank"], ["d.py"]),
    }
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "stream": CODE,
        "words": len(LEXICON),
        "splits": counts_of(splits),
        **changes,
    }
    with new_corpus(out) as folder:
        write(folder, manifest, LEXICON, splits)
    return out


def interrupted(out: Path) -> None:
    with new_corpus(out) as folder:
        (folder / "train.ids.npy").write_bytes(b"half")
        raise KeyboardInterrupt


def as_lists(corpus: Corpus, name: str) -> list[list[int]]:
    return [sequence.tolist() for sequence in corpus.split(name)]


class TestWritingAndReading:
    def test_a_corpus_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        corpus = open_corpus(write_small(tmp_path / "corpus"))
        assert corpus.stream == "code"
        assert corpus.lexicon.words == LEXICON.words
        assert list(corpus.splits) == ["train", "validation"]
        train = corpus.split("train")
        assert as_lists(corpus, "train") == [[0, 1, 0, 1, 2], []]
        assert train.starts.tolist() == [0, 5, 5]
        assert (train.projects, train.paths) == (("shop", "shop"), ("a.py", "b\tc\udcff.py"))
        assert corpus.manifest["splits"]["validation"] == {"sequences": 1, "words": 4, "projects": 1}

    def test_the_arrays_are_mapped_and_cannot_be_changed(self, tmp_path: Path) -> None:
        train = open_corpus(write_small(tmp_path / "corpus")).split("train")
        assert not train.ids.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            train.ids[0] = 1

    def test_a_split_of_empty_sequences_is_possible(self, tmp_path: Path) -> None:
        splits = {"train": Sequences([ids(), ids()], ["p", "p"], ["a", "b"])}
        manifest = {"format": FORMAT, "version": VERSION, "stream": CODE, "words": 0, "splits": counts_of(splits)}
        with new_corpus(tmp_path / "corpus") as folder:
            write(folder, manifest, Lexicon((), np.zeros(0, dtype=np.int64)), splits)
        assert as_lists(open_corpus(tmp_path / "corpus"), "train") == [[], []]

    def test_a_split_that_is_not_there_is_named_with_those_that_are(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match="the corpus has no test split; it has train, validation"):
            open_corpus(write_small(tmp_path / "corpus")).split("test")


class TestBrokenCorpora:
    def broken(self, tmp_path: Path, file: str, content: bytes | None) -> str:
        """Replace a file of a corpus (None: remove it) and return what opening it complains of."""
        corpus = write_small(tmp_path / "corpus")
        (corpus / file).unlink() if content is None else (corpus / file).write_bytes(content)
        with pytest.raises(CorpusError) as raised:
            open_corpus(corpus)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    @pytest.mark.parametrize("file", ["lexicon.txt", "train.ids.npy", "validation.starts.npy", "train.files.tsv"])
    def test_a_missing_file(self, tmp_path: Path, file: str) -> None:
        assert f"{file}: missing from the corpus; build the corpus again" in self.broken(tmp_path, file, None)

    @pytest.mark.parametrize("file", ["train.ids.npy", "train.starts.npy"])
    @pytest.mark.parametrize("kept", [0, 5, 100, -4])
    def test_a_file_that_is_cut_off(self, tmp_path: Path, file: str, kept: int) -> None:
        content = (write_small(tmp_path / "whole") / file).read_bytes()
        assert f"{file}: broken or cut off" in self.broken(tmp_path, file, content[:kept])

    def test_a_lexicon_that_lost_a_line(self, tmp_path: Path) -> None:
        assert "lexicon.txt: 1 words, the manifest says 4" in self.broken(tmp_path, "lexicon.txt", b"4\tself\n")

    def test_a_word_that_the_lexicon_lacks(self, tmp_path: Path) -> None:
        content = (write_small(tmp_path / "whole") / "train.ids.npy").read_bytes()
        complaint = self.broken(tmp_path, "train.ids.npy", content[:-4] + b"\4\0\0\0")
        assert "train.ids.npy: has a word that the lexicon lacks" in complaint

    def test_numbers_of_another_kind(self, tmp_path: Path) -> None:
        np.save(tmp_path / "floats.npy", np.zeros(5))
        complaint = self.broken(tmp_path, "train.ids.npy", (tmp_path / "floats.npy").read_bytes())
        assert "float64 (5,) where uint32 numbers in one row belong" in complaint

    def test_starts_of_other_sequences(self, tmp_path: Path) -> None:
        np.save(tmp_path / "starts.npy", np.array([0, 6, 5]))
        complaint = self.broken(tmp_path, "train.starts.npy", (tmp_path / "starts.npy").read_bytes())
        assert "train.starts.npy: does not fit its ids or the manifest" in complaint

    def test_files_of_other_sequences(self, tmp_path: Path) -> None:
        complaint = self.broken(tmp_path, "train.files.tsv", b"shop\ta.py\n")
        assert "train.files.tsv: not a project and a path for each of 2 sequences" in complaint

    @pytest.mark.parametrize(
        ("manifest", "complaint"),
        [
            (None, "is no corpus (it has no manifest.json)"),
            (b"{", "manifest.json: not JSON"),
            (b"[]", "is no corpus"),
            (b'{"format": "codelm checkpoint"}', "is no corpus"),
            (b'{"format": "codelm corpus", "version": 9}', "a corpus of version 9, not 1"),
            (b'{"format": "codelm corpus", "version": 1}', "its splits, words or stream are missing or wrong"),
        ],
    )
    def test_a_manifest_of_something_else(self, tmp_path: Path, manifest: bytes | None, complaint: str) -> None:
        assert complaint in self.broken(tmp_path, "manifest.json", manifest)

    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match="nowhere: no such folder; codelm-train corpus makes one"):
            open_corpus(tmp_path / "nowhere")


class TestReplacing:
    def test_a_corpus_is_replaced(self, tmp_path: Path) -> None:
        write_small(write_small(tmp_path / "corpus", made="first"), made="second")
        assert open_corpus(tmp_path / "corpus").manifest["made"] == "second"
        assert [left.name for left in tmp_path.iterdir()] == ["corpus"]

    def test_anything_else_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "chapter.tex").write_text("all of it")
        with pytest.raises(StorageError, match="thesis"):
            write_small(tmp_path / "thesis")
        assert (tmp_path / "thesis" / "chapter.tex").read_text() == "all of it"

    def test_an_error_on_the_way_leaves_the_old_one_and_nothing_else(self, tmp_path: Path) -> None:
        out = write_small(tmp_path / "corpus", made="first")
        with pytest.raises(KeyboardInterrupt):
            interrupted(out)
        assert open_corpus(out).manifest["made"] == "first"
        assert [left.name for left in tmp_path.iterdir()] == ["corpus"]

    def test_a_full_disk_is_named_and_leaves_nothing(self, tmp_path: Path) -> None:
        """The limit on a file's size stops a write as a full disk does."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            with pytest.raises(StorageError, match=r"cannot write .*corpus: File too large"):
                write_small(tmp_path / "corpus")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not list(tmp_path.iterdir())


class TestTokenisedText:
    def tokenised(self, tmp_path: Path, text: bytes) -> Corpus:
        (tmp_path / "text.txt").write_bytes(text)
        return tokenised(tmp_path / "text.txt")

    def test_a_line_is_a_sequence_and_words_stand_between_blanks(self, tmp_path: Path) -> None:
        corpus = self.tokenised(tmp_path, b"b a b\n\na  c\tb\r\nb")
        assert corpus.lexicon.words == ("b", "a", "c")
        assert corpus.lexicon.counts.tolist() == [4, 2, 1]
        assert as_lists(corpus, "train") == [[0, 1, 0], [], [1, 2, 0], [0]]
        assert corpus.split("train").paths[2] == "line 3"

    def test_only_blanks_of_ascii_part_words(self, tmp_path: Path) -> None:
        text = "a\u00a0b \u3000 x\u2028y\n"
        assert set(self.tokenised(tmp_path, text.encode()).lexicon.words) == {"a\u00a0b", "\u3000", "x\u2028y"}

    def test_it_can_be_written_as_a_corpus(self, tmp_path: Path) -> None:
        corpus = self.tokenised(tmp_path, b"b a b\n\na\n")
        train = corpus.split("train")
        with new_corpus(tmp_path / "corpus") as folder:
            write(
                folder, corpus.manifest, corpus.lexicon, {"train": Sequences(list(train), train.projects, train.paths)}
            )
        assert as_lists(open_corpus(tmp_path / "corpus"), "train") == as_lists(corpus, "train")
        assert json.loads((tmp_path / "corpus" / "manifest.json").read_text())["splits"]["train"]["words"] == 4

    @pytest.mark.parametrize(
        ("text", "complaint"), [(b"", "no words in it"), (b"a\n\xff\n", r"text\.txt:2: not UTF-8")]
    )
    def test_what_is_no_text_is_named(self, tmp_path: Path, text: bytes, complaint: str) -> None:
        with pytest.raises(CorpusError, match=complaint):
            self.tokenised(tmp_path, text)

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match="nowhere: cannot be read: No such file"):
            tokenised(tmp_path / "nowhere")
