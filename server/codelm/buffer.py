"""The names of an open document: what it imports and defines, and where, however broken its text is.

A document that is being typed in rarely parses, so its names are read from the lexer's tokens, a logical line at a
time. It is read in pieces, from one ``class`` or ``def`` to the next, and what a piece says is remembered: a keystroke
costs the piece that it changes.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from sys import intern
from typing import NamedTuple

from codelm.completion import CompletionKind
from codelm.exports import ClassBody, Entry, Module, absolute, is_name, kind_of, type_of_text
from codelm.lexer import Kind, Token, lex

CLASS, FIELD, METHOD = CompletionKind.CLASS, CompletionKind.FIELD, CompletionKind.METHOD
FUNCTION, MODULE, VARIABLE = CompletionKind.FUNCTION, CompletionKind.MODULE, CompletionKind.VARIABLE
CONSTANT = CompletionKind.CONSTANT


class Function(NamedTuple):
    """A function of the document, from ``start`` to ``end`` (characters), and the types of its local names."""

    start: int
    end: int
    owner: str
    """The class that it is a method of, by its full name; "" for other functions."""
    first: str
    """The name of its first parameter: what ``self`` or ``cls`` is in a method; "" for a static method."""
    is_of_class: bool
    """Whether the first parameter is the class (``@classmethod``)."""
    local: tuple[tuple[int, str, str], ...]
    """Offset, name and type of parameters and assignments, in order; types as in ``codelm.exports``."""


class Buffer(NamedTuple):
    """What a document defines: as a module, and the functions of each piece, with the offset that it begins at."""

    module: Module
    pieces: tuple[tuple[int, tuple[Function, ...]], ...]

    def around(self, offset: int) -> Iterator[Function]:
        """Yield the functions that ``offset`` stands in, innermost first."""
        place = bisect_left(self.pieces, (offset,)) - 1
        if place < 0:
            return
        start, functions = self.pieces[place]
        for function in reversed(functions):
            if function.start + start < offset <= function.end + start:
                local = tuple((at + start, name, type_) for at, name, type_ in function.local)
                yield function._replace(start=function.start + start, end=function.end + start, local=local)


def scan(text: str, name: str = "__main__", is_package: bool = False) -> Buffer:
    """Return the names of a document that is the module ``name``. Never fails."""
    blocks = []
    start = 0
    begun = ""
    quote = ""
    for piece in _pieces(text, _TOP):
        quote = _quote_behind(piece, quote)
        begun += piece
        if not quote:  # else it was cut in a string
            blocks.append((start, _block(begun)))
            start += len(begun)
            begun = ""
    if begun:
        blocks.append((start, _block(begun)))
    return _joined(blocks, name, is_package)


# --- pieces --------------------------------------------------------------------------------------------------

_TOP = re.compile(r"\n(?=(?:class|def|async[ \t]+def)\b)")
_INNER = re.compile(r"\n(?=[ \t]+(?:class|def|async[ \t]+def)\b)")
# Where a long piece without functions is cut: before a statement at the left margin.
_STATEMENT = re.compile(r"\n(?!else\b|elif\b|except\b|finally\b)(?=[^\W\d])")
_LONG = 4_000
_REST_OF_STRING = {
    quote: re.compile(rf"(?:[^\\{quote[0]}]|\\[\s\S]|{quote[0]}(?!{quote[1:]}))*+{quote}") for quote in ("'''", '"""')
}
_STRING_OPENING = re.compile(r"[a-zA-Z]*('''|\"\"\")")


def _pieces(text: str, cut: re.Pattern[str]) -> Iterator[str]:
    begin = 0
    for end in (*(match.end() for match in cut.finditer(text)), len(text)):
        while end - begin > _LONG and (statement := _STATEMENT.search(text, begin + _LONG, end)):
            yield text[begin : statement.end()]
            begin = statement.end()
        yield text[begin:end]
        begin = end


@lru_cache(maxsize=2048)
def _quote_behind(piece: str, quote: str) -> str:
    """Return the string that a piece ends in, given the one that it begins in."""
    for inner in _pieces(piece, _INNER):
        quote = _facts(inner, quote)[1]
    return quote


class _Import(NamedTuple):
    bound: str  # "*" for all names
    module: str
    level: int
    name: str  # "" for the module itself


class _Fact(NamedTuple):
    """What one statement says. ``start`` counts from the piece's begin; ``column`` says which block it is in."""

    column: int
    start: int
    what: str  # "import", "class", "def", "@", "=" or "" for anything else
    name: str = ""
    names: tuple[str, ...] = ()  # a class's bases
    pairs: tuple[tuple[str, str], ...] = ()  # a function's parameters, or targets, with their types
    imports: tuple[_Import, ...] = ()
    type: str = ""


class _Block(NamedTuple):
    """What a top-level piece says; offsets count from its begin."""

    imports: tuple[_Import, ...]
    entries: tuple[tuple[str, Entry], ...]
    classes: tuple[tuple[str, ClassBody], ...]
    functions: tuple[Function, ...]


@lru_cache(maxsize=2048)
def _facts(text: str, quote: str) -> tuple[tuple[_Fact, ...], str]:
    """Return what a piece says that begins in a string with ``quote`` ("" for none), and the string it ends in."""
    start = 0
    if quote:
        rest = _REST_OF_STRING[quote].match(text)
        if rest is None:
            return (), quote
        start = rest.end()
    tokens = lex(text[start:])
    facts: list[_Fact] = []
    line: list[Token] = []
    last = _Fact(-1, 0, "")
    continues = bool(quote)
    for token in tokens:
        kind = token.kind
        if kind is Kind.NEWLINE:
            if line and not continues:  # behind the string, the line goes on that it began in
                for fact in _statement_facts(line, _column(text, start + line[0].start), start):
                    # What says nothing matters only where it closes a block.
                    closes = fact.column < last.column or (fact.column == last.column and last.what in ("class", "def"))
                    if fact.what or closes or not facts:
                        facts.append(fact)
                        last = fact
            line = []
            continues = False
        elif continues and not line and token.text[:1] in ("\r", "\n"):
            continues = False
        elif token.text and kind not in (Kind.BLANK, Kind.COMMENT, Kind.INDENT):
            line.append(token)
    return tuple(facts), _open_quote(tokens)


def _column(text: str, offset: int) -> int:
    begin = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    before = text[begin:offset]
    return len(before.expandtabs(8)) if "\t" in before else len(before)


def _open_quote(tokens: Sequence[Token]) -> str:
    """Return the quotes of the long string that is unclosed at the end; "" where none is."""
    for token in reversed(tokens):
        if token.text:
            opening = _STRING_OPENING.match(token.text) if token.kind is Kind.STRING else None
            if opening and not _REST_OF_STRING[opening[1]].fullmatch(token.text, opening.end()):
                return opening[1]
            return ""
    return ""


# --- statements ----------------------------------------------------------------------------------------------

_WITH_BLOCK = frozenset("if elif else try except finally for while with match case class def async".split())
_SAYS_NOTHING = frozenset("return raise pass break continue del assert global nonlocal yield".split())
_TELLING = frozenset(["=", ":", "as", ";"])


def _statement_facts(tokens: Sequence[Token], column: int, shift: int) -> Iterator[_Fact]:
    """Yield what a logical line says, at least one fact."""
    start = tokens[0].start + shift
    first = tokens[0].text
    texts = [token.text for token in tokens]
    if first == "@":
        yield _Fact(column, start, "@", _dotted(texts[1:]).removesuffix("()").rpartition(".")[2])
        return
    if first in ("import", "from"):
        end = texts.index(";") if ";" in texts else len(texts)
        yield _Fact(column, start, "import", imports=tuple(_imports(texts[:end])))
        if end + 1 < len(texts):
            yield from _statement_facts(tokens[end + 1 :], column, shift)
        return
    if first in _SAYS_NOTHING or _TELLING.isdisjoint(texts):
        yield _Fact(column, start, "")
        return
    if first in _WITH_BLOCK and (colon := _find(texts, ":")) is not None:
        yield _header(texts[:colon], column, start)
        if colon + 1 < len(tokens):
            yield from _statement_facts(tokens[colon + 1 :], column + 1, shift)
        return
    if (end_ := _find(texts, ";")) is not None:
        yield from _statement_facts(tokens[:end_], column, shift) if end_ else ()
        if end_ + 1 < len(tokens):
            yield from _statement_facts(tokens[end_ + 1 :], column, shift)
        return
    yield _Fact(column, start, "=", pairs=tuple(_assignments(texts)))


def _find(texts: Sequence[str], wanted: str, begin: int = 0) -> int | None:
    """Return the place of an operator outside of brackets (and, for a colon, of ``lambda``)."""
    depth = lambdas = 0
    for place in range(begin, len(texts)):
        text = texts[place]
        if text in _OPENING:
            depth += 1
        elif text in _CLOSING:
            depth -= depth > 0
        elif depth == 0:
            if text == "lambda":
                lambdas += 1
            elif text == ":" and lambdas:
                lambdas -= 1
            elif text == wanted:
                return place
    return None


_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


def _imports(texts: Sequence[str]) -> Iterator[_Import]:
    words = [text for text in texts if text not in ("(", ")")]
    if words[0] == "from":
        if "import" not in words:
            return
        at = words.index("import")
        origin = "".join(words[1:at])
        module = origin.lstrip(".")
        level = len(origin) - len(module)
        for item in _split(words[at + 1 :]):
            if item and (item[0] == "*" or is_name(item[0])):
                yield _Import(intern(_bound(item)), module, level, item[0])
        return
    for item in _split(words[1:]):
        name = "".join(item[: item.index("as")] if "as" in item else item)
        if all(is_name(part) for part in name.split(".")):
            if "as" in item:
                yield _Import(intern(_bound(item)), name, 0, "")
            else:
                top = intern(name.partition(".")[0])
                yield _Import(top, top, 0, "")


def _bound(item: Sequence[str]) -> str:
    return item[-1] if "as" in item and is_name(item[-1]) and item[-1] != "as" else item[0]


def _split(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield what stands between the commas outside of brackets."""
    depth = 0
    item: list[str] = []
    for text in texts:
        if text == "," and depth == 0:
            yield item
            item = []
            continue
        depth += (text in _OPENING) - (text in _CLOSING)
        item.append(text)
    if item:
        yield item


def _header(texts: Sequence[str], column: int, start: int) -> _Fact:
    """Return what the head of a block says."""
    words = texts[1:] if texts[0] == "async" else texts
    match words:
        case ["class", name, *rest]:
            return _Fact(column, start, "class", intern(name), names=tuple(_bases(rest)))
        case ["def", name, *rest]:
            return _Fact(column, start, "def", intern(name), pairs=tuple(_parameters(rest)), type=_returned(rest))
        case ["with", *rest]:
            if rest and rest[0] == "(" and rest[-1] == ")":
                rest = rest[1:-1]
            items = [(item, item.index("as")) for item in _split(rest) if "as" in item]
            pairs = [(target, _type_of(item[:at])) for item, at in items if (target := _target(item[at + 1 :]))]
            return _Fact(column, start, "=", pairs=tuple(pairs))
        case ["for", name, "in", *_] if is_name(name):
            return _Fact(column, start, "=", pairs=((intern(name), ""),))
        case _:
            return _Fact(column, start, "")


def _inside(texts: Sequence[str]) -> Sequence[str]:
    """Return what stands in the first round brackets."""
    if "(" not in texts:
        return ()
    begin = texts.index("(") + 1
    depth = 1
    for place in range(begin, len(texts)):
        depth += (texts[place] in _OPENING) - (texts[place] in _CLOSING)
        if depth == 0:
            return texts[begin:place]
    return texts[begin:]


def _bases(texts: Sequence[str]) -> Iterator[str]:
    for item in _split(_inside(texts)):
        if item and "=" not in item[1:2] and (base := _dotted(item)):
            yield base


def _parameters(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for item in _split(_inside(texts)):
        if not item or not is_name(item[0]):
            continue
        default = _find(item, "=")
        head = item[:default]
        if len(head) > 2 and head[1] == ":":
            yield intern(item[0]), type_of_text("".join(head[2:]))
        else:
            yield intern(item[0]), ""


def _returned(texts: Sequence[str]) -> str:
    return type_of_text("".join(texts[texts.index("->") + 1 :])) if "->" in texts else ""


def _assignments(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the names and attributes (``self.x``) that a statement assigns to, and their types."""
    if len(texts) > 3 and texts[0] == "type" and is_name(texts[1]) and texts[2] in ("=", "["):
        yield texts[1], ""
        return
    parts: list[Sequence[str]] = []
    begin = 0
    while (place := _find(texts, "=", begin)) is not None:
        parts.append(texts[begin:place])
        begin = place + 1
    value = texts[begin:]
    if texts[0] == "__slots__":
        yield from ((intern(slot), "") for slot in (text.strip("'\"") for text in value) if is_name(slot))
    if not parts:
        parts, value = [value], ()
    first = parts[0]
    colon = _find(first, ":")
    if colon is not None:
        target = _target(first[:colon])
        if target:
            type_ = type_of_text("".join(first[colon + 1 :]))
            if type_.rpartition(".")[2] in ("TypeAlias", "Final", "ClassVar") and value:
                type_ = _type_of(value)
            yield target, type_
        return
    if begin == 0:
        return
    type_ = _type_of(value)
    for part in parts:
        if target := _target(part):
            yield target, type_
        else:
            yield from ((target, "") for target in _parts(part))


def _parts(texts: Sequence[str], depth: int = 5) -> Iterator[str]:
    """Yield the targets in a tuple of targets."""
    if texts[:1] == ["*"]:
        texts = texts[1:]
    if len(texts) > 2 and texts[0] in "([" and texts[-1] in ")]":
        texts = texts[1:-1]
    for item in _split(texts):
        if target := _target(item[1:] if item[:1] == ["*"] else item):
            yield target
        elif depth and len(item) > 2:
            yield from _parts(item, depth - 1)


def _target(texts: Sequence[str]) -> str:
    match texts:
        case [name] if is_name(name):
            return intern(name)
        case [owner, ".", name] if is_name(owner) and is_name(name):
            return intern(f"{owner}.{name}")
        case _:
            return ""


def _dotted(texts: Sequence[str]) -> str:
    """Return the dotted name, calls marked by ``()``, that ``texts`` begins with and, but for subscripts, is."""
    result: list[str] = []
    place = 0
    while place < len(texts):
        text = texts[place]
        if text in ("(", "["):
            depth = 0
            while place < len(texts):
                depth += (texts[place] in _OPENING) - (texts[place] in _CLOSING)
                place += 1
                if depth == 0:
                    break
            if not result:
                return ""
            if text == "(":
                result.append("()")
            continue
        if text == "." and result:
            place += 1
            if place == len(texts) or not is_name(texts[place]):
                return ""
            result.append("." + texts[place])
        elif not result and is_name(text):
            result.append(text)
        else:
            return ""
        place += 1
    return "".join(result)


def _type_of(texts: Sequence[str]) -> str:
    """Return the type of a value, as an entry's ``type`` writes it."""
    if texts and texts[0] == "await":
        texts = texts[1:]
    if not texts:
        return ""
    first = texts[0]
    if first[-1] in "'\"" and len(texts) == 1:
        return "bytes" if "b" in first[:2].lower().partition(first[-1])[0] else "str"
    if first[0].isdigit() and len(texts) == 1:
        return "float" if "." in first else "int"
    if first in ("[", "{") and texts[-1] in ("]", "}"):
        if first == "[":
            return "list"
        return "dict" if len(texts) == 2 or _find(texts[1:-1], ":") is not None else "set"
    if first == "None" or ("[" in texts and texts[-1] == "]"):
        return ""
    found = _dotted(texts)
    if not found or found in ("True", "False"):
        return ""
    return intern(found if found.endswith("()") else f"={found}")


# --- blocks --------------------------------------------------------------------------------------------------


class _Open:
    """A class or function whose block is open."""

    def __init__(self, fact: _Fact, start: int, owner: str, decorators: Sequence[str]):
        self.column = fact.column
        self.start = start
        self.is_class = fact.what == "class"
        self.qualified = f"{owner}.{fact.name}" if owner else fact.name
        self.owner = "" if self.is_class else owner
        self.bases = fact.names
        self.members: dict[str, Entry] = {}
        static = "staticmethod" in decorators
        self.first = fact.pairs[0][0] if fact.pairs and owner and not static and not self.is_class else ""
        self.is_of_class = "classmethod" in decorators or fact.name in ("__new__", "__init_subclass__")
        self.local: list[tuple[int, str, str]] = [(start, name, type_) for name, type_ in fact.pairs]


@lru_cache(maxsize=1024)
def _block(text: str) -> _Block:
    """Return what a top-level piece says."""
    imports: list[_Import] = []
    entries: dict[str, Entry] = {}
    classes: dict[str, ClassBody] = {}
    functions: list[Function] = []
    stack: list[_Open] = []
    decorators: list[str] = []

    def close(block: _Open, end: int) -> None:
        if block.is_class:
            classes[block.qualified] = ClassBody(block.bases, block.members)
        else:
            functions.append(
                Function(block.start, end, block.owner, block.first, block.is_of_class, tuple(block.local))
            )

    start = 0
    quote = ""
    for piece in _pieces(text, _INNER):
        facts, quote = _facts(piece, quote)
        for fact in facts:
            at = start + fact.start
            while stack and stack[-1].column >= fact.column:
                close(stack.pop(), at - 1)
            inner = stack[-1] if stack else None
            if fact.what == "@":
                decorators.append(fact.name)
                continue
            if fact.what in ("class", "def"):
                names = entries if inner is None else inner.members if inner.is_class else None
                in_class = inner is not None and inner.is_class
                if names is not None and is_name(fact.name):
                    old = names.get(fact.name)
                    new = _definition(fact, decorators, in_class)
                    if not (old and decorators and decorators[-1] in ("setter", "deleter", "overload") and old.type):
                        names[fact.name] = new
                owner = inner.qualified if inner is not None and (in_class or fact.what == "class") else ""
                stack.append(_Open(fact, at, owner, decorators))
            elif fact.what == "import":
                imports += fact.imports
            elif fact.what == "=":
                _assign(fact, at, stack, entries)
            decorators = []
        start += len(piece)
    while stack:
        close(stack.pop(), len(text))
    functions.sort()
    return _Block(tuple(imports), tuple(entries.items()), tuple(classes.items()), tuple(functions))


def _definition(fact: _Fact, decorators: Sequence[str], in_class: bool) -> Entry:
    if fact.what == "class":
        return Entry(CLASS)
    if in_class and any(name.endswith("property") or name in ("getter", "setter") for name in decorators):
        return Entry(FIELD, type=fact.type)
    returned = "" if any(name.endswith("contextmanager") for name in decorators) else fact.type
    return Entry(METHOD if in_class else FUNCTION, type=returned)


def _assign(fact: _Fact, at: int, stack: Sequence[_Open], entries: dict[str, Entry]) -> None:
    """Note the targets of an assignment where they belong."""
    inner = stack[-1] if stack else None
    for target, type_ in fact.pairs:
        owner, _, attribute = target.rpartition(".")
        if owner:
            method = next((block for block in reversed(stack) if block.first == owner), None)
            if method is None:
                continue
            body = next(
                (block for block in reversed(stack) if block.is_class and block.qualified == method.owner), None
            )
            if body is None:
                continue
            if type_.startswith("="):
                local = [known for _, name, known in method.local if name == type_[1:]]
                type_ = local[-1] if local else type_
            old = body.members.get(attribute)
            if old is None or (old.kind is FIELD and type_ and not old.type):
                body.members[attribute] = Entry(FIELD, type=type_)
        elif inner is None or inner.is_class:
            names = entries if inner is None else inner.members
            kind = FIELD if inner is not None else VARIABLE
            if attribute.isupper() and len(attribute) > 1:
                kind = CONSTANT
            old = names.get(attribute)
            if old is None or (type_ and not old.type and old.kind is kind):
                names[attribute] = Entry(kind, type=type_)
        else:
            inner.local.append((at, attribute, type_))


def _joined(blocks: Sequence[tuple[int, _Block]], name: str, is_package: bool) -> Buffer:
    entries: dict[str, Entry] = {}
    classes: dict[str, ClassBody] = {}
    stars: dict[str, None] = {}
    for _, block in blocks:
        entries.update(block.entries)
        classes.update(block.classes)
    for _, block in blocks:
        for bound, origin, level, imported in block.imports:
            source = absolute(origin, level, name, is_package)
            if source is None:
                continue
            if bound == "*":
                stars[source] = None
            elif imported:
                entries[bound] = Entry(kind_of(bound), f"{source}:{imported}")
            else:
                entries[bound] = Entry(MODULE, source)
    module = Module(name, is_package, entries, classes, tuple(stars))
    return Buffer(module, tuple((start, block.functions) for start, block in blocks))
