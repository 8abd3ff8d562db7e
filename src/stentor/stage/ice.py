"""The door before DTLS and SRTP: an ICE-lite agent (RFC 8445) that knows its speaker or is silent.

Datagrams come in with their source; what may go on is named by its layer, and nothing of a
stranger may. A check is answered only if it carries our name and a right MAC. No packet is ever
sent to an address that has not sent such a check: candidates in the offer are not even read.
"""

import enum
from dataclasses import dataclass

from stentor import limits
from stentor.stage import stun
from stentor.stage.bucket import Bucket

Address = tuple[str, int] | tuple[str, int, int, int]
"""A source as the socket gives it: host and port, and for IPv6 also flow and scope."""


class Layer(enum.Enum):
    """Who is to read a datagram that was let in (RFC 7983)."""

    DTLS = "dtls"
    MEDIA = "media"


@dataclass(slots=True)
class Dropped:
    """Datagrams that were let fall, by reason."""

    malformed: int = 0
    """Too short, or a STUN message that is not one; requests other than a binding as well."""
    unknown_ufrag: int = 0
    bad_mac: int = 0
    strangers: int = 0
    """Not STUN, and not from the address that has proved itself."""
    too_often: int = 0


class IceLite:
    """One speaker's agent. It has no sockets and no clock.

    Args:
        ufrag: our user name fragment.
        password: our password, at least 128 bits (RFC 8445 section 5.3).
        remote_ufrag: the speaker's user name fragment, from the offer.
    """

    def __init__(self, ufrag: str, password: str, remote_ufrag: str) -> None:
        self.selected: Address | None = None
        """The address the speaker has nominated; the last one if there were several."""
        self.selected_at = 0.0
        """When it was selected, in monotonic seconds."""
        self.silent = False
        """To be set while nothing comes from the selected address: the next one that proves itself
        takes its place, even if it is not nominated again (checks of RFC 7675 never are)."""
        self.checks = 0
        self.dropped = Dropped()
        self._username = f"{ufrag}:{remote_ufrag}".encode()
        self._password = password.encode()
        self._checked: dict[Address, None] = {}
        self._answers = Bucket(limits.STUN_ANSWERS_PER_S, 2 * limits.STUN_ANSWERS_PER_S)

    @property
    def settled(self) -> bool:
        """Whether no other address than the selected one has ever proved itself."""
        return self.selected is not None and len(self._checked) == 1

    @property
    def peer(self) -> Address | None:
        """Where packets to the speaker go: the selected address, before that the last checked."""
        return self.selected or next(reversed(self._checked), None)

    def receive(self, data: bytes, source: Address, now: float) -> Layer | bytes | None:
        """Judge one datagram.

        Returns:
            The layer that may read it; or bytes, the answer to be sent to `source`; or None when
            it was dropped (and counted).
        """
        if len(data) < 2:
            self.dropped.malformed += 1
            return None
        first = data[0]
        if first < 4:
            return self._check(data, source, now)
        if source != self.selected and (self.selected is not None or source not in self._checked):
            self.dropped.strangers += 1
            return None
        if 127 < first < 192:
            return Layer.MEDIA
        if 19 < first < 64:
            return Layer.DTLS
        self.dropped.malformed += 1
        return None

    def forget_others(self) -> None:
        """Keep only the selected address; done when the socket is locked to it."""
        if self.selected is not None:
            self._checked = {self.selected: None}

    def _check(self, data: bytes, source: Address, now: float) -> bytes | None:
        request = stun.read_request(data)
        if request is None:
            self.dropped.malformed += 1
            return None
        if request.username != self._username:
            self.dropped.unknown_ufrag += 1
            return None
        if not stun.is_authentic(request, self._password):
            self.dropped.bad_mac += 1
            return None
        if not self._answers.take(now):
            self.dropped.too_often += 1
            return None
        self.checks += 1
        if request.unknown:
            return stun.failure(request, 420, "Unknown Attribute", self._password)
        if request.controlled:  # a lite agent is never the controlling one (section 6.1.1)
            return stun.failure(request, 487, "Role Conflict", self._password)
        self._remember(source, now, nominated=request.use_candidate)
        host = source[0].removeprefix("::ffff:")
        return stun.success(request, host, source[1], self._password)

    def _remember(self, source: Address, now: float, *, nominated: bool) -> None:
        self._checked.pop(source, None)
        self._checked[source] = None
        while len(self._checked) > limits.ICE_ADDRESSES_MAX:
            self._checked.pop(next(iter(self._checked)))
        follows = self.silent and self.selected is not None
        if (nominated or follows) and source != self.selected:
            self.selected = source
            self.selected_at = now
        self.silent = False
