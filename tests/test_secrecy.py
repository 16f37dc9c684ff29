"""What must never be learned, and what only looks like it."""

import random
import string
import sysconfig
from pathlib import Path

import pytest

from codelm.secrecy import holds_secrets, is_secret, without_secrets
from codelm.words import words

LETTERS_DIGITS = string.ascii_letters + string.digits


@pytest.mark.parametrize(
    "word",
    [
        *('"aX9$k2LqT8"', '"P@ssw0rd!"', 'b"aX9$k2LqT8"', '"3f2a9c1b77"', '"D41D8CD98F"', '"Zm9vYmFyQmF6"'),
        *('"xkqjzvwpgh"', '"sk9x2LmQ0v"', '"0160 2345 67"'.replace(" ", ""), '"AKIA7XQ2ZP"'),
        *('"me@home.org"', '"To: a@b.com"'),
    ],
)  # fmt: skip
def test_what_looks_random_is_a_secret(word):
    assert is_secret(word)


@pytest.mark.parametrize(
    "word",
    [
        *('"utf-8"', '"application"', '"%Y-%m-%d"', '"IPv4Address"', '"ISO-8859-1"', '"x86_64"', '"2024-01-31"'),
        *('"__getitem__"', '"Content-Type"', '"text/html"', '"0123456789"', '"20240131"', '"aaaaaaaaaa"', '"rb"'),
        *("'\\u21d2\\u21d3'", 'b"\\x00\\x01\\xff"', '"DEBUG"', '"*.py"', '"username"', '"password"', '"<IIIIIIII"'),
        *('""', '"', '"größe"', "name", "<STR>", "+", "hashlib", '"sha256"', '"127.0.0.1"', '"README.md"'),
        *('"a@b"', '"@app.route"', '"%s@%s"', '"user@localhost"'),
    ],
)  # fmt: skip
def test_what_people_write_is_none(word):
    assert not is_secret(word)


@pytest.mark.parametrize(
    "code",
    [
        "password = 'swordfish'",
        "DB_PASSWORD: str = 'swordfish'",
        "connect(user='me', passwd='swordfish')",
        "config = {'user': 'me', 'api_key': 'swordfish'}",
        "os.environ['SECRET_KEY'] = 'swordfish'",
        "if token == 'swordfish': pass",
        "self.auth_token = b'swordfish'",
    ],
)
def test_what_is_called_a_secret_is_one(code):
    learned = without_secrets(words(code))
    assert not any("swordfish" in word for word in learned)
    assert len(learned) == len(words(code))
    assert "<STR>" in learned


@pytest.mark.parametrize(
    "code",
    [
        "password = ''",
        "if token == '+=': pass",
        "fields = ['username', 'password', 'email']",
        "user = 'swordfish'",
        "tokens = 'swordfish'",
        "form['password'].label = 'swordfish'",
        "parser.add_argument(name='password', dest='swordfish')",
        "d['password']",
    ],
)
def test_a_word_beside_the_name_of_a_secret_is_none(code):
    assert without_secrets(words(code)) == words(code)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in "secrets.py .env.py prod.env.py db_secrets.py credentials.py passwords.pyi".split()),
        *((name, True) for name in "local_settings.py Secrets.PY secrets_prod.py aws-credentials.py .env".split()),
        *(
            (name, False)
            for name in "settings.py env.py password_reset.py tokens.py secretary.py passwd_hash.py".split()
        ),
    ],
)
def test_files_that_hold_secrets_by_their_names(name, expected):
    assert holds_secrets(name) is expected


@pytest.mark.parametrize(
    ("characters", "share"),
    [("0123456789abcdef", 0.85), (LETTERS_DIGITS + "+/", 0.92), (LETTERS_DIGITS + "!@#$%^&*_-", 0.87)],
)
def test_most_random_words_are_found(characters, share):
    """The rest has few digits or reads like an abbreviation."""
    chance = random.Random(5)
    made = ["".join(chance.choices(characters, k=chance.randint(8, 13))) for _ in range(2000)]
    assert sum(is_secret(f'"{word}"') for word in made) >= share * len(made)


def test_few_words_of_the_standard_library_are_taken_for_secrets():
    folder = Path(sysconfig.get_path("stdlib"))
    files = [
        file for name in (".", "json", "http", "email", "asyncio", "logging") for file in (folder / name).glob("*.py")
    ]
    found = {word for file in files for word in words(file.read_text(encoding="utf-8")) if word[-1] in "\"'"}
    assert len(found) > 3000
    assert sum(map(is_secret, found)) <= 0.01 * len(found)
