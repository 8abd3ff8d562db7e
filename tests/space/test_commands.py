"""Commands come from outside: anything that is not one is refused with a sentence."""

import pytest

from stentor.errors import Refused
from stentor.space.commands import (
    CreateInvite,
    EndSpace,
    MuteSpeaker,
    UnmuteSpeaker,
    UpdateSpace,
    decode,
)


@pytest.mark.parametrize(
    ("body", "command"),
    [
        (b'{"command":"space.end"}', EndSpace()),
        (b'{"command":"speaker.mute","speaker":"bob00001"}', MuteSpeaker("bob00001")),
        (b'{"command":"speaker.unmute"}', UnmuteSpeaker("")),
        (b'{"command":"space.update","title":"New"}', UpdateSpace(title="New")),
        (b'{"command":"invite.create","role":"cohost","x":1}', CreateInvite(role="cohost")),
    ],
)
def test_commands_are_read(body: bytes, command: object) -> None:
    assert decode(body) == command


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"command":"space.explode"}',
        b'{"command":"speaker.mute"}',
        b'{"command":"speaker.mute","speaker":7}',
        b'{"command":"space.end"} trailing',
        b'{"command":"space.update","starts_at_ms":1e400}',
        b'{"command":"space.update","title":"\xff"}',
        b"[" * 20_000,
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        decode(body)
    assert refused.value.code == "request.malformed"
