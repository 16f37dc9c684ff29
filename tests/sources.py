"""Source texts of any kind, for properties: all of Unicode, and pieces of Python glued together."""

from hypothesis import strategies as st

FILLER = "y = f(1, 'two')\n" * 40
# Any text at all, lone surrogates and NUL among it, and pieces of Python glued together at random.
ANY_TEXT = st.text(st.characters(exclude_categories=()))
PIECES = st.lists(
    st.sampled_from([
        *(prefix + quote for prefix in ("", "f", "rb", "bu", "T") for quote in ("'", '"', "'''", '"""')),
        *"()[]{}", "{x", "{x}", "{{", "{x['k']:>{w}}", '{x["k"]', "!r}", ":=", "...", "->", "**=", "$", "!", ";",
        " ", "    ", "\t", "\f", "\ufeff", "\n", "\r\n", "\r", "\\\n", "\\\r\n", "\\", "#", "# note\n", "\0", "\ud800",
        "def ", "class", "return\n", "if x:\n", "    pass\n", "else", "match", "import", "lambda",
        "x", "größe", "e\u0301", "²", "名", "٣", "1", "0x", "1_000", "1.", ".5e", "3j", ".",
        FILLER, "1, " * 100,  # long enough for lexing to resume behind them
    ]),
    max_size=30,
).map("".join)  # fmt: skip
SOURCES = ANY_TEXT | PIECES
