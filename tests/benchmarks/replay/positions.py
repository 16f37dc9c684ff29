"""Choosing where in a file to ask for completions, reproducibly."""

import io
import keyword
import random
import tokenize
from collections import Counter
from dataclasses import dataclass

CLASSES = ("name", "attr", "other")


@dataclass(frozen=True)
class Position:
    """A token that a user is about to type."""

    kind: str  # name: identifier; attr: identifier after a dot; other: keyword, operator, number
    line: int  # zero-based
    column: int  # zero-based, in characters
    truth: str  # the token's text
    rest: str  # the rest of the line, from the token on
    seen_above: bool  # the same text occurs above as a token
    after_self: bool  # the token follows "self."
    binding: bool  # the token names something new: after def, class, as, or before "="


def file_tokens(source):
    """The tokens that count: identifiers, keywords, operators and numbers, in order."""
    wanted = (tokenize.NAME, tokenize.OP, tokenize.NUMBER)
    return [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type in wanted]


def classify(token, previous):
    if token.type != tokenize.NAME or keyword.iskeyword(token.string):
        return "other"
    return "attr" if previous is not None and previous.string == "." else "name"


def all_positions(source):
    """Every token of the file as a Position, in file order."""
    lines, found, seen = source.splitlines(keepends=True), [], Counter()
    tokens = file_tokens(source)
    for index, token in enumerate(tokens):
        previous = tokens[index - 1] if index else None
        following = tokens[index + 1].string if index + 1 < len(tokens) else ""
        kind, (row, column) = classify(token, previous), token.start
        found.append(
            Position(
                kind,
                row - 1,
                column,
                token.string,
                lines[row - 1][column:].rstrip(),
                seen_above=seen[token.string] > 0,
                after_self=kind == "attr" and index > 1 and tokens[index - 2].string == "self",
                binding=kind == "name"
                and (
                    (previous is not None and previous.string in ("def", "class", "as", "for", "lambda"))
                    or (following in ("=", ":=") and token.line[:column].strip() == "")
                ),
            )
        )
        seen[token.string] += 1
    return found


def sample(source, counts, seed):
    """Up to counts[kind] random positions of each kind, in file order."""
    random_source, positions = random.Random(seed), all_positions(source)
    chosen = []
    for kind in CLASSES:
        candidates = [position for position in positions if position.kind == kind]
        chosen += random_source.sample(candidates, min(counts[kind], len(candidates)))
    return sorted(chosen, key=lambda position: (position.line, position.column))


def census(source):
    """How many tokens of each kind the file has."""
    return Counter(position.kind for position in all_positions(source))
