"""The standard library as tokenised text, for measuring estimation: train.txt and test.txt, one file a line.

Words are the tokens of Python's own ``tokenize``: without comments and blank lines; NEWLINE, INDENT and DEDENT by
these names; strings of more than 15 characters or with a blank in them are all one word. A file is for testing when
its path's SHA-1 says so, one in twenty. Of Python 3.11.7: 4,798,326 words to train on, 281,967 to test on.

::

    python tests/benchmarks/stdlib_text.py OUT
    codelm-train vocabulary --tokenised OUT/train.txt --size 0 --min-count 2 --out OUT/words.txt
    codelm-train ngram --tokenised OUT/train.txt --vocabulary OUT/words.txt --order 5 --out OUT/model
    codelm-train evaluate OUT/model --tokenised OUT/test.txt
"""

import hashlib
import sys
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

LONGEST_STRING = 15
STRING = "<STRING>"
_LEFT_OUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
_NAMED = {tokenize.NEWLINE: "NEWLINE", tokenize.INDENT: "INDENT", tokenize.DEDENT: "DEDENT"}


def words(file: Path) -> list[str]:
    """Return the words of a Python file. Raises what ``tokenize`` raises where it is none."""
    with file.open("rb") as source:
        tokens = tokenize.tokenize(source.readline)
        found = [_word(token) for token in tokens if token.type not in _LEFT_OUT]
    return [word for word in found if not word.isspace()]  # a blank that belongs nowhere is a token of its own


def sequences(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the split and the words of each Python file below a folder, by path; of those that can be tokenised."""
    for file in sorted(folder.rglob("*.py")):
        path = file.relative_to(folder).as_posix()
        if "site-packages" in path.split("/"):
            continue
        try:
            found = words(file)
        except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
            continue
        testing = int(hashlib.sha1(path.encode()).hexdigest()[:8], 16) % 20 == 0
        yield ("test" if testing else "train"), found


def write(out: Path, folder: Path) -> dict[str, int]:
    """Write train.txt and test.txt of a folder of Python files into ``out``; return how many words each has."""
    out.mkdir(parents=True, exist_ok=True)
    counts = {"train": 0, "test": 0}
    with (
        (out / "train.txt").open("w", encoding="utf-8") as train,
        (out / "test.txt").open("w", encoding="utf-8") as test,
    ):
        files = {"train": train, "test": test}
        for split, found in sequences(folder):
            files[split].write(" ".join(found) + "\n")
            counts[split] += len(found)
    return counts


def _word(token: tokenize.TokenInfo) -> str:
    if token.type in _NAMED:
        return _NAMED[token.type]
    # Only strings have blanks in them; so a word never has.
    if token.type == tokenize.STRING and (len(token.string) > LONGEST_STRING or len(token.string.split()) != 1):
        return STRING
    return token.string


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), Path(sysconfig.get_path("stdlib"))))
