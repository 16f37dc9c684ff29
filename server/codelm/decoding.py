"""A file's bytes as text, by the encoding that it declares (PEP 263)."""

import codecs
import io
import tokenize

_FOR_HOST_NAMES = ("idna", "punycode")  # these take time to the square of the length


class UndecodableError(ValueError):
    """These bytes are no text; the message is a short phrase, the same for all files of one kind."""


def decoded(content: bytes) -> str:
    """Return the text of a Python file. Raises UndecodableError."""
    if b"\0" in content:
        raise UndecodableError("binary")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        if codecs.lookup(encoding).name in _FOR_HOST_NAMES:
            raise LookupError
        return content.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError):  # an unknown encoding, or another than the declared one
        raise UndecodableError("undecodable") from None
