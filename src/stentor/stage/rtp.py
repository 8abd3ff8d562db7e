"""RTP and RTCP (RFC 3550): read and write packets, and keep the figures that reports speak of."""

import struct
from typing import NamedTuple

from stentor import limits

HEADER_BYTES = 12
SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
BYE = 203

_HEADER = struct.Struct("!BBHII")
_RTCP = struct.Struct("!BBH")
_REPORT = struct.Struct("!IIIIII")
_NTP_EPOCH_S = 2_208_988_800
"""Seconds from 1900 to 1970."""


class Packet(NamedTuple):
    """One RTP packet without its extensions."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def read(data: bytes) -> Packet | None:
    """The RTP packet in `data`, or None if it is malformed."""
    if len(data) < HEADER_BYTES:
        return None
    flags, kind, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if flags >> 6 != 2:
        return None
    at = HEADER_BYTES + 4 * (flags & 0x0F)
    end = len(data)
    if flags & 0x10:
        if end < at + 4:
            return None
        at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
    if flags & 0x20:
        if not 0 < data[-1] <= end:
            return None
        end -= data[-1]
    if at > end:
        return None
    return Packet(kind & 0x7F, sequence, timestamp, ssrc, data[at:end])


def write(packet: Packet, *, marker: bool = False) -> bytes:
    """The bytes of a packet."""
    kind = packet.payload_type | (0x80 if marker else 0)
    header = _HEADER.pack(0x80, kind, packet.sequence, packet.timestamp, packet.ssrc)
    return header + packet.payload


def ssrc_of(data: bytes) -> int:
    """The SSRC of a packet of at least 12 bytes."""
    return int.from_bytes(data[8:12], "big")


def is_rtcp(data: bytes) -> bool:
    """Whether a media datagram of at least 2 bytes is RTCP (RFC 5761 section 4)."""
    return 192 <= data[1] <= 223


class Report(NamedTuple):
    """What somebody says about packets he received from `ssrc` (RFC 3550 section 6.4.1)."""

    ssrc: int
    fraction_lost: float
    packets_lost: int
    jitter: int
    last_report: int
    delay: int
    """Since `last_report` arrived there, in 1/65,536 s."""


class Control(NamedTuple):
    """What a compound RTCP packet said."""

    sender: int | None
    """SSRC of the sender report, if there was one."""
    sender_ntp: int
    """Middle 32 bits of its NTP time."""
    reports: tuple[Report, ...]
    bye: tuple[int, ...]
    """SSRCs that have left."""


def read_control(data: bytes) -> Control | None:
    """The RTCP packets in a datagram, or None if they are malformed; unknown ones are skipped."""
    sender: int | None = None
    sender_ntp = 0
    reports: list[Report] = []
    bye: tuple[int, ...] = ()
    at = 0
    while at < len(data):
        if len(data) < at + 4:
            return None
        flags, kind, words = _RTCP.unpack_from(data, at)
        body = data[at + 4 : at + 4 + 4 * words]
        if flags >> 6 != 2 or len(body) != 4 * words:
            return None
        at += 4 + 4 * words
        count = flags & 0x1F
        if kind in {SENDER_REPORT, RECEIVER_REPORT}:
            first = 24 if kind == SENDER_REPORT else 4
            if len(body) < first + 24 * count:
                return None
            if kind == SENDER_REPORT:
                sender = int.from_bytes(body[:4], "big")
                sender_ntp = int.from_bytes(body[6:10], "big")
            reports += [_read_report(body, first + 24 * i) for i in range(count)]
        elif kind == BYE:
            if len(body) < 4 * count:
                return None
            bye += struct.unpack_from(f"!{count}I", body)
    return Control(sender, sender_ntp, tuple(reports), bye)


def _read_report(body: bytes, at: int) -> Report:
    ssrc, lost, _highest, jitter, last_report, delay = _REPORT.unpack_from(body, at)
    packets_lost = lost & 0xFF_FFFF
    if packets_lost & 0x80_0000:
        packets_lost -= 0x100_0000
    return Report(ssrc, (lost >> 24) / 256, packets_lost, jitter, last_report, delay)


def round_trip_s(report: Report, ntp: int) -> float | None:
    """Seconds a packet and its echo took, from a report that arrived at NTP time `ntp` (64 bits).

    None when the reporter had not seen a report of ours (RFC 3550 section 6.4.1).
    """
    if not report.last_report:
        return None
    units = (((ntp >> 16) & 0xFFFF_FFFF) - report.last_report - report.delay) & 0xFFFF_FFFF
    return units / 65_536 if units < 0x8000_0000 else 0.0


def ntp_time(wall_time: int) -> int:
    """The 64-bit NTP time of UTC nanoseconds since 1970."""
    seconds, rest = divmod(wall_time, 1_000_000_000)
    return ((seconds + _NTP_EPOCH_S) << 32) | (rest << 32) // 1_000_000_000


class Sent(NamedTuple):
    """What a sender report says about packets sent."""

    ntp: int
    timestamp: int
    packets: int
    payload_bytes: int


def write_control(
    ssrc: int, cname: str, sent: Sent | None, report: bytes, *, leaving: bool = False
) -> bytes:
    """A compound RTCP packet: sender or receiver report, CNAME, and BYE when `leaving`.

    Args:
        ssrc: ours.
        cname: our canonical name, at most 255 bytes.
        sent: makes it a sender report.
        report: one report block of 24 bytes about the other side, or nothing.
        leaving: whether this is the last one.
    """
    count = 1 if report else 0
    name = ssrc.to_bytes(4, "big")
    if sent is not None:
        numbers = struct.pack(
            "!QIII",
            sent.ntp,
            sent.timestamp & 0xFFFF_FFFF,
            sent.packets & 0xFFFF_FFFF,
            sent.payload_bytes & 0xFFFF_FFFF,
        )
        data = _control(SENDER_REPORT, count, name + numbers + report)
    else:
        data = _control(RECEIVER_REPORT, count, name + report)
    item = bytes((1, len(cname.encode()))) + cname.encode() + b"\0"
    data += _control(SOURCE_DESCRIPTION, 1, name + item + bytes(-len(item) % 4))
    if leaving:
        data += _control(BYE, 1, name)
    return data


def _control(kind: int, count: int, body: bytes) -> bytes:
    return _RTCP.pack(0x80 | count, kind, len(body) // 4) + body


class Reception:
    """Figures about the packets received from one SSRC (RFC 3550 appendices A.1, A.3, A.8)."""

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self._first = 0
        self._highest = 0
        self._jitter = 0.0
        self._transit: float | None = None
        self._reported = (0, 0)
        self._sender_ntp = 0
        self._sender_at = 0.0

    def received(self, sequence: int, timestamp: int, now: float) -> None:
        """Count one packet that arrived at `now`."""
        if not self.packets:
            self._first = self._highest = sequence
        ahead = (sequence - self._highest) & 0xFFFF
        if ahead < 0x8000:
            self._highest += ahead
        self.packets += 1
        transit = now * limits.SAMPLE_RATE - timestamp
        if self._transit is not None:
            distance = abs((transit - self._transit + 2**31) % 2**32 - 2**31)
            self._jitter += (distance - self._jitter) / 16
        self._transit = transit

    def reported(self, sender_ntp: int, now: float) -> None:
        """Remember that a sender report arrived, so that the sender can measure the way back."""
        self._sender_ntp = sender_ntp
        self._sender_at = now

    @property
    def expected(self) -> int:
        """Packets the sender has sent, as far as can be seen."""
        return self._highest - self._first + 1 if self.packets else 0

    @property
    def lost(self) -> int:
        """Packets missing so far; those that come late are not."""
        return max(0, self.expected - self.packets)

    @property
    def jitter_s(self) -> float:
        """Interarrival jitter, in seconds."""
        return self._jitter / limits.SAMPLE_RATE

    def report(self, now: float) -> bytes:
        """The report block about everything so far, and the loss since the last one."""
        expected = self.expected - self._reported[0]
        lost = expected - (self.packets - self._reported[1])
        self._reported = (self.expected, self.packets)
        fraction = min(255, lost * 256 // expected) if expected > 0 and lost > 0 else 0
        delay = round((now - self._sender_at) * 65_536) if self._sender_ntp else 0
        return _REPORT.pack(
            self.ssrc,
            fraction << 24 | min(self.lost, 0x7F_FFFF),
            self._highest & 0xFFFF_FFFF,
            round(self._jitter) & 0xFFFF_FFFF,
            self._sender_ntp,
            delay & 0xFFFF_FFFF,
        )
