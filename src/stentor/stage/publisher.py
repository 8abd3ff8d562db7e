"""One WHIP session (RFC 9725): a speaker's socket, and the way of a datagram through it.

    socket -> ice (who are you?) -> dtls (once) or srtp -> rtp -> on_packet

Everything runs on the event loop; nothing here waits for the network.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from stentor import limits
from stentor.clock import Clock
from stentor.stage import rtp, sdp
from stentor.stage.bucket import Bucket
from stentor.stage.dtls import Certificate, DtlsServer, HandshakeFailed
from stentor.stage.ice import Address, IceLite, Layer
from stentor.stage.ports import Ports

OnPacket = Callable[[int, int, bytes, float], None]
"""Is given each packet in the order of arrival: sequence (16 bits), timestamp (32 bits), Opus
payload, and the monotonic time it came."""

TICK_S = 0.25
"""How often deadlines are looked at."""

_certificates: dict[str, Certificate] = {}
"""The certificate of this process, once it has been asked for."""


def own_certificate(clock: Clock) -> Certificate:
    """The certificate of this process; making its key takes a while the first time."""
    if "own" not in _certificates:
        _certificates["own"] = Certificate(clock.wall_time())
    return _certificates["own"]


class Publisher:
    """One speaker who is connecting or connected; made by `open`."""

    def __init__(self, offer: sdp.Offer, ports: Ports, clock: Clock, on_packet: OnPacket) -> None:
        now = clock.now()
        certificate = own_certificate(clock)
        ufrag, password = secrets.token_hex(6), secrets.token_hex(20)
        self.session = secrets.token_urlsafe(16)
        self.connected = False
        self.last_packet_at = now
        self.closed = False
        self.close_reason = ""
        self.on_close: Callable[[Publisher], None] | None = None
        self._clock = clock
        self._on_packet = on_packet
        self._ports = ports
        self._socket = ports.open()
        self._port: int = self._socket.getsockname()[1]
        self._ice = IceLite(ufrag, password, offer.ufrag)
        self._dtls = DtlsServer(certificate, offer.fingerprints)
        self._payload_type = offer.payload_type
        self._ssrcs = offer.ssrcs
        self._reception: rtp.Reception | None = None
        self._own_rate = Bucket(limits.SPEAKER_PACKETS_PER_S, limits.SPEAKER_PACKETS_PER_S / 2)
        self._ssrc = secrets.randbits(32)
        self._cname = secrets.token_urlsafe(9)
        self._sequence = secrets.randbits(15)
        self._timestamp_origin = secrets.randbits(32)
        self._last_sent: tuple[int, int] | None = None
        self._locked = False
        self._opened_at = now
        self._heard_at = now
        self._connected_at = 0.0
        self._reported_at = now
        self._round_trip_s: float | None = None
        self._sent_packets = self._sent_bytes = self._send_failures = 0
        self._forged = self._foreign = self._limited = self._socket_errors = 0
        self.answer = sdp.write_answer(
            offer,
            sdp.Answer(
                session=secrets.randbits(62),
                addresses=ports.addresses,
                port=self._port,
                ufrag=ufrag,
                password=password,
                fingerprint=certificate.fingerprint,
                ssrc=self._ssrc,
                cname=self._cname,
            ),
        )
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)
        self._tick_handle = self._loop.call_later(TICK_S, self._tick)
        self._dtls_handle: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, offer: str, ports: Ports, clock: Clock, on_packet: OnPacket) -> "Publisher":
        """Take an offer: read it, open a port, and wait for the speaker there.

        Raises:
            Refused: `sdp.too_large`, `sdp.malformed`, `sdp.unusable`.
            Unavailable: `stage.no_udp`.
        """
        return cls(sdp.read_offer(offer), ports, clock, on_packet)

    def send(self, payload: bytes, timestamp: int) -> None:
        """Send one Opus packet to the speaker; dropped while there is no connection.

        Args:
            payload: 20 ms of Opus.
            timestamp: of its first sample, at 48 kHz; may begin anywhere.
        """
        srtp = self._dtls.srtp
        if srtp is None or self.closed:
            return
        first = self._last_sent is None
        timestamp = (self._timestamp_origin + timestamp) & 0xFFFF_FFFF
        self._sequence = (self._sequence + 1) & 0xFFFF
        packet = rtp.Packet(self._payload_type, self._sequence, timestamp, self._ssrc, payload)
        self._last_sent = (timestamp, self._clock.wall_time())
        if self._transmit(srtp.protect(rtp.write(packet, marker=first))):
            self._sent_packets += 1
            self._sent_bytes += len(payload)

    def stats(self) -> dict[str, Any]:
        """Figures for operators: counts since the beginning, seconds where a name ends in `_s`."""
        reception, dropped = self._reception, self._ice.dropped
        return {
            "packets_in": reception.packets if reception else 0,
            "packets_lost": reception.lost if reception else 0,
            "jitter_s": reception.jitter_s if reception else 0.0,
            "packets_out": self._sent_packets,
            "send_failures": self._send_failures,
            "round_trip_s": self._round_trip_s,
            "checks": self._ice.checks,
            "locked": self._locked,
            "malformed": dropped.malformed,
            "unknown_ufrag": dropped.unknown_ufrag,
            "bad_mac": dropped.bad_mac,
            "strangers": dropped.strangers,
            "checks_too_often": dropped.too_often,
            "forged": self._forged,
            "foreign_ssrc": self._foreign,
            "packets_too_often": self._limited,
            "socket_errors": self._socket_errors,
        }

    async def close(self) -> None:
        """End the session from this side: say good-bye, and give the port back."""
        self._end("closed")

    def _end(self, reason: str) -> None:
        if self.closed:
            return
        if self._dtls.srtp is not None:
            self._report(leaving=True)
            for datagram in self._dtls.close():
                self._transmit(datagram)
        self.closed = True
        self.connected = False
        self.close_reason = reason
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._tick_handle.cancel()
        if self._dtls_handle is not None:
            self._dtls_handle.cancel()
        if self.on_close is not None:
            self.on_close(self)

    # From the socket ------------------------------------------------------------------------------

    def _readable(self) -> None:
        now = self._clock.now()
        for _ in range(limits.DATAGRAMS_PER_TURN):
            try:
                data, source = self._socket.recvfrom(limits.DATAGRAM_BYTES_MAX + 1)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error that belongs to something sent before
                self._socket_errors += 1
                continue
            self._receive(data, source, now)
            if self.closed:
                return

    def _receive(self, data: bytes, source: Address, now: float) -> None:
        if len(data) > limits.DATAGRAM_BYTES_MAX or not self._ports.admits(source[0]):
            self._ice.dropped.malformed += 1
            return
        passed = self._ice.receive(data, source, now)
        if passed is Layer.MEDIA:
            self._media(data, now)
        elif passed is Layer.DTLS:
            self._handshake(data, now)
        elif passed is not None:
            self._heard_at = now
            self._transmit(passed, source)

    def _handshake(self, data: bytes, now: float) -> None:
        try:
            datagrams = self._dtls.receive(data)
        except HandshakeFailed:
            self._end("closed")
            return
        for datagram in datagrams:
            self._transmit(datagram)
        if self._dtls.ended:
            self._end("left")
            return
        if self._dtls.srtp is not None and not self.connected:
            self.connected = True
            self._connected_at = self._heard_at = now
            self._lock(now)
        self._arm()

    def _arm(self) -> None:
        """Set the timer of DTLS retransmissions anew."""
        if self._dtls_handle is not None:
            self._dtls_handle.cancel()
            self._dtls_handle = None
        delay = self._dtls.timeout_s()
        if delay is not None:
            self._dtls_handle = self._loop.call_later(delay, self._retransmit)

    def _retransmit(self) -> None:
        try:
            datagrams = self._dtls.expire()
        except HandshakeFailed:
            self._end("timeout")
            return
        for datagram in datagrams:
            self._transmit(datagram)
        self._arm()

    def _media(self, data: bytes, now: float) -> None:
        srtp = self._dtls.srtp
        if srtp is None or len(data) < rtp.HEADER_BYTES:
            return
        if rtp.is_rtcp(data):
            opened = srtp.open_control(data)
            if opened is None:
                self._forged += 1
            else:
                self._heard_at = now
                self._control(opened, now)
            return
        ssrc = rtp.ssrc_of(data)
        reception = self._reception
        if ssrc != reception.ssrc if reception else self._ssrcs and ssrc not in self._ssrcs:
            self._foreign += 1
            return
        opened = srtp.open(data)
        packet = rtp.read(opened) if opened is not None else None
        if packet is None:
            self._forged += 1
            return
        if not self._own_rate.take(now):
            self._limited += 1
            return
        if packet.payload_type != self._payload_type or not packet.payload:
            self._foreign += 1
            return
        if reception is None:  # the first authentic packet binds the SSRC
            reception = self._reception = rtp.Reception(ssrc)
        self._heard_at = self.last_packet_at = now
        reception.received(packet.sequence, packet.timestamp, now)
        self._on_packet(packet.sequence, packet.timestamp, packet.payload, now)

    def _control(self, data: bytes, now: float) -> None:
        control = rtp.read_control(data)
        if control is None:
            return
        reception = self._reception
        if reception is not None and control.sender == reception.ssrc:
            reception.reported(control.sender_ntp, now)
        for report in control.reports:
            if report.ssrc == self._ssrc:
                taken = rtp.round_trip_s(report, rtp.ntp_time(self._clock.wall_time()))
                self._round_trip_s = self._round_trip_s if taken is None else taken
        if reception is not None and reception.ssrc in control.bye:
            self._end("left")

    # To the socket --------------------------------------------------------------------------------

    def _transmit(self, data: bytes, to: Address | None = None) -> bool:
        """Send one datagram, to the speaker if not said otherwise; whether the socket took it."""
        address = to or self._ice.peer
        if address is None:
            return False
        try:
            if self._locked:
                self._socket.send(data)
            else:
                self._socket.sendto(data, address)
        except OSError:  # full, or no route just now: audio that comes late is of no use
            self._send_failures += 1
            return False
        return True

    def _report(self, *, leaving: bool = False) -> None:
        """Send a compound RTCP packet (RFC 3550 section 6.1)."""
        srtp = self._dtls.srtp
        if srtp is None:
            return
        now, wall_time = self._clock.now(), self._clock.wall_time()
        self._reported_at = now
        sent = None
        if self._last_sent is not None:
            timestamp, sent_at = self._last_sent
            timestamp += (wall_time - sent_at) * limits.SAMPLE_RATE // 1_000_000_000
            ntp = rtp.ntp_time(wall_time)
            sent = rtp.Sent(ntp, timestamp, self._sent_packets, self._sent_bytes)
        about = self._reception.report(now) if self._reception else b""
        control = rtp.write_control(self._ssrc, self._cname, sent, about, leaving=leaving)
        self._transmit(srtp.protect_control(control))

    # By the clock ---------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._tick_handle = self._loop.call_later(TICK_S, self._tick)
        self._readable()  # after a pause of the whole process, what waits there is heard first
        if self.closed:
            return
        now = self._clock.now()
        if not self.connected and now - self._opened_at >= limits.PUBLISH_TIMEOUT_S:
            self._end("timeout")
        elif now - self._heard_at >= limits.SPEAKER_LOST_S:
            self._end("lost")
        elif self.connected:
            self._lock(now)
            if now - self._reported_at >= limits.RTCP_INTERVAL_S:
                self._report()

    def _lock(self, now: float) -> None:
        """Let the kernel drop whatever is not the selected peer's, or stop it doing so.

        A connected UDP socket costs nothing while strangers flood it. A browser that has several
        addresses may still change its mind for a while, and one whose address has changed falls
        silent: its new address cannot get through until the socket is open to all again.
        """
        ice = self._ice
        ice.silent = now - self._heard_at >= limits.PEER_SILENT_S
        if self._locked and ice.silent:
            self._reopen()
        elif not self._locked and not ice.silent and ice.selected is not None:
            settled = ice.settled or now - ice.selected_at >= limits.PEER_SETTLED_S
            self._locked = settled and self._connect(ice.selected)
            if self._locked:
                ice.forget_others()

    def _connect(self, peer: Address) -> bool:
        try:
            self._socket.connect(peer)
        except OSError:  # no route just now
            self._socket_errors += 1
            return False
        return True

    def _reopen(self) -> None:
        """The same port with a new socket: Python cannot dissolve a UDP association."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        try:
            self._socket = self._ports.open_at(self._port)
        except OSError:  # somebody else was faster
            self._end("lost")
            return
        self._locked = False
        self._loop.add_reader(self._socket, self._readable)
