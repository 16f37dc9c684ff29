"""What must never be learned: words that look like passwords, keys and tokens, addresses, and files that hold them.

Only short strings are words at all (see words.py: a longer one is ``<STR>``), so this is about what fits into 13
characters: passwords, the beginnings of hashes, short keys. A word is taken for a secret when a person would hardly
have made it up, or when it stands where a password does: ``password = "swordfish"``.

Of 16,135 distinct string words in the standard library 0.5 % are taken for secrets (``"csibm037"``, ``"eEfFgGdiu"``),
and of random ones of 8 to 13 characters: hexadecimal 87 to 98 %, Base64 94 to 98 %, all characters 89 to 97 %.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from string import ascii_lowercase

from codelm.words import LONG_STRING

SHORTEST_SECRET = 8
"""Characters. A shorter word is guessed anyway, and looks like any abbreviation."""
SHORTEST_NAMED_SECRET = 4
"""Characters of the value of something called a secret. In ``token == "+"`` there is none."""
BITS = 4.3
"""Per character, from which on a word is taken for random."""
BITS_OF_LETTERS = 5.3
"""The same where all is lower case, or upper: no key is, and the languages of the world are many."""
LONGEST_ORDINARY_NUMBER = 8
"""Digits: a date, not a card's or a telephone's number."""

# -log2 of how likely a letter (column) follows a letter (row) in the names of Python's standard library, up to 9.
_BITS_OF_PAIRS = (
    "95449859596344959343667669 37674989449387469457398948 39773783693478289463589989 47742779399487379556499969 "
    "47446569899453857333866469 49764478299477389355499969 58781955499564589446589998 28972999398678389564599989 "
    "66445659999452459533969695 49771999699799269747299979 57761868399595768736685999 36752799399498369954589969 "
    "25762999498658339956699979 39433539596686469843569999 66449669796442549355465799 28763797498488359364588959 "
    "88877898889685869658088999 39562859396756379444669959 59582875496678548742588969 38662794398678469355598958 "
    "65664569599343649343999999 28791899399978689787999999 38764795299664479347997999 68373788499658639861789849 "
    "86575688699453729633975899 69971799399668469879899977"
).split()
_PAIRS = {
    a + b: int(bits)
    for a, row in zip(ascii_lowercase, _BITS_OF_PAIRS, strict=True)
    for b, bits in zip(ascii_lowercase, row, strict=True)
}
_FIRST_LETTER, _DIGIT, _SEPARATOR, _SIGN, _CHANGE = 4.0, 3.3, 1.0, 4.5, 2.0
_SIGNS = "!@#$^&*?~=+|;,"  # not what stands between words in paths, dates and formats

_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^a-zA-Z0-9]")
_HEXADECIMAL = re.compile(r"(?i)(?=(?:[a-f]*[0-9]){2})(?=(?:[0-9]*[a-f]){2})[0-9a-f]+")
_OF_ALL_KINDS = re.compile(rf"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?=.*[{_SIGNS}]).*")
_KNOWN = re.compile(
    r"(?i)ipv[46]|utf[_-]?(?:8|16|32)|sha(?:1|256|512)|md5|base64|big5|https?|html|xml|json|sql|ssl|smtp|pkg"
)
_STRUCT_FORMAT = re.compile(r"[@=<>!](?:[0-9]*[xcbB?hHiIlLqQnNefdspP])+")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}")
_COUNTING = "01234567890123456789"

_SECRET_NAME = re.compile(
    r"(?i)passw|pwd$|passphrase|secret|credential|api_?key|access_?key|auth_?key|(?<![a-z])token$"
)
_SECRET_FILE = re.compile(
    r"(?ix) \.env(\..*)? | .*\.env | local_?settings | settings_?local"
    r" | (.*[._-])? (secrets? | credentials? | passwords | passwd | api_?keys?) | (secrets|credentials)[._-].*"
)


def holds_secrets(name: str) -> bool:
    """Return whether a file of this name is not read at all: ``secrets.py``, ``prod_credentials.py``, ``.env.py``.

    A file that only speaks of passwords (``password_reset.py``) is read.
    """
    return _SECRET_FILE.fullmatch(name.rpartition(".")[0] or name) is not None


def without_secrets(words: Iterable[str]) -> list[str]:
    """Return words as they may be learned: ``LONG_STRING`` stands for each string that may be a secret."""
    kept = list(words)
    for place, word in enumerate(kept):
        if word[-1] in "\"'" and (is_secret(word) or _is_named_secret(kept, place)):
            kept[place] = LONG_STRING
    return kept


def is_secret(word: str) -> bool:
    """Return whether a string word looks like a password, a key, a token or an e-mail address by itself."""
    if _ADDRESS.search(_content(word)):
        return True
    content = _KNOWN.sub(" ", _ESCAPE.sub(" ", _content(word)))
    if len(content) < SHORTEST_SECRET or content in _COUNTING or len(set(content)) <= 3:
        return False
    if content.isdecimal():
        return len(content) > LONGEST_ORDINARY_NUMBER
    if _HEXADECIMAL.fullmatch(content) or _OF_ALL_KINDS.fullmatch(content):
        return True
    if _STRUCT_FORMAT.fullmatch(content):
        return False
    one_case = content.lower() == content or content.upper() == content or content.istitle()
    plain = one_case and not any(character.isdecimal() for character in content)
    return _bits(content) >= (BITS_OF_LETTERS if plain else BITS) * len(content)


def _content(word: str) -> str:
    """Return what is between the quotes of a string word; "" of any other word."""
    return word[word.find(word[-1]) + 1 : -1] if word[-1:] in ("'", '"') else ""


def _bits(content: str) -> float:
    """Return how surprising a text is, in bits, to someone who knows English and how names are written."""
    bits = 0.0
    before = ""
    for part in _PART.findall(content):
        if "0" <= part[0] <= "9":
            kind = "digits"
            bits += _DIGIT * len(part)
        elif part.isascii() and part.isalpha():
            kind = "letters"
            bits += _FIRST_LETTER + sum(_PAIRS[a + b] for a, b in pairwise(part.lower()))
        else:
            kind = ""
            bits += _SIGN if part in _SIGNS else _SEPARATOR
        if kind and before and kind != before:
            bits += _CHANGE
        before = kind
    return bits


def _is_named_secret(words: list[str], place: int) -> bool:
    """Return whether the string at ``place`` is the value of something that is called a secret.

    ``password = "…"``, ``password: str = "…"``, ``f(password="…")``, ``{"password": "…"}``, ``d["password"] = "…"``.
    """
    value = _content(words[place])
    if place < 2 or words[place - 1] not in ("=", ":", "==") or len(value) < SHORTEST_NAMED_SECRET:
        return False
    if words[place - 1] == "=" and place > 3 and words[place - 3] == ":":
        named = words[place - 4]
    else:
        named = words[place - 3] if words[place - 2] == "]" else words[place - 2]
    named = _content(named) or named
    return _SECRET_NAME.search(named) is not None and value != named
