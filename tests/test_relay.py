"""Messages between edges and radio survive any cut."""

import pytest

from stentor.errors import Corrupt
from stentor.limits import RADIO_MESSAGE_BYTES_MAX
from stentor.relay import Ask, Messages, Place, Word, decode_ask, encode, encode_ask


def test_messages_arrive_in_any_pieces() -> None:
    sent = [
        (Word.HEADER, b"", Place(-1, 0)),
        (Word.AUDIO, bytes(range(256)), Place(9_600, 19_200)),
        (Word.TITLE, "Béla - On bells".encode(), Place(-1, 0)),
        (Word.END, b"", Place(-1, 0)),
    ]
    stream = b"".join(encode(*one) for one in sent)
    for size in (1, 7, 24, 100, len(stream)):
        messages = Messages()
        found = []
        for at in range(0, len(stream), size):
            found += messages.feed(stream[at : at + size])
        assert found == sent


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", encode(Word.AUDIO, bytes(RADIO_MESSAGE_BYTES_MAX + 1))],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        Messages().feed(data)


def test_an_ask_is_a_line() -> None:
    for after in (None, (9_600, 48_000)):
        ask = Ask("0123456789ab", "mp3", after)
        assert decode_ask(encode_ask(ask)) == ask
    with pytest.raises(Corrupt):
        decode_ask(b"GET / HTTP/1.1\r\n")
