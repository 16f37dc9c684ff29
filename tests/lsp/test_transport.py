"""Messages are found in what is received, however it is cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from codelm.lsp.transport import messages

BODIES = st.lists(st.binary(max_size=30), max_size=5)


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def received(pieces: list[bytes]) -> list[bytes]:
    buffer = bytearray()
    found = []
    for piece in pieces:
        buffer += piece
        found += messages(buffer)
    return found


@given(bodies=BODIES, cuts=st.lists(st.integers(0, 200)))
def test_messages_come_whole_and_in_order(bodies, cuts):
    stream = b"".join(map(framed, bodies))
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert received([stream[begin:end] for begin, end in pairwise(places)]) == bodies


def test_other_headers_are_read_over():
    header = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:2\r\n\r\n"
    assert received([header + b"{}", framed(b"[]")]) == [b"{}", b"[]"]


def test_a_header_without_a_length_is_no_message():
    assert received([b"X: 1\r\n\r\n", framed(b"{}")]) == [b"{}"]


def test_a_message_is_no_message_before_its_last_byte():
    assert received([framed(b"{}")[:-1]]) == []
