"""Packets of one speaker put back in order, and how long they must wait for the late ones.

Nothing here knows audio: packets come in as the network gives them and leave in sequence, each
once. Extended numbers have no wrap: they count on from the first packet for as long as it takes.
"""

import enum
from bisect import insort
from collections import OrderedDict
from typing import NamedTuple

from stentor.limits import (
    JITTER_PACKETS_MAX,
    OPUS_PACKET_SAMPLES_MAX,
    SAMPLE_RATE,
)

DROPOUT_MAX = 3_000
"""A sequence number further ahead is another stream, not a loss (RFC 3550 appendix A.1)."""
MISORDER_MAX = JITTER_PACKETS_MAX
"""The same for one further behind."""
AHEAD_MAX_SAMPLES = SAMPLE_RATE // 2
"""A timestamp may run ahead of lost packets and of the clock by so much; beyond, it has jumped."""


class Packet(NamedTuple):
    """A packet with extended numbers; `arrived` in monotonic seconds, `samples` at 48 kHz."""

    sequence: int
    timestamp: int
    payload: bytes
    samples: int
    arrived: float


class Outcome(enum.Enum):
    """What became of a packet."""

    WAITS = enum.auto()
    LATE = enum.auto()
    """Its turn had passed."""
    DUPLICATE = enum.auto()
    REFUSED = enum.auto()
    """It belongs to no known stream; a second one that follows it makes it a new stream."""
    RESTARTED = enum.auto()
    """It is the second of a new stream, which takes the place of the old one."""


def extend(raw: int, bits: int, near: int) -> int:
    """The number that is `raw` in its lowest `bits` and nearest to `near`."""
    half = 1 << (bits - 1)
    return near + ((raw - near + half) & ((1 << bits) - 1)) - half


class JitterBuffer:
    """At most `JITTER_PACKETS_MAX` packets in order.

    Attributes:
        next_sequence: the one whose turn it is, or None before the first was taken.
        received: packets that waited or came late, each counted once.
        lost: packets whose turn passed without them, less those that came late.
        late: packets that came after their turn.
        refused: packets that belong to no stream.
        discarded: packets for which there was no room because nobody took any.
    """

    def __init__(self) -> None:
        self.next_sequence: int | None = None
        self.received = 0
        self.lost = 0
        self.late = 0
        self.duplicates = 0
        self.refused = 0
        self.discarded = 0
        self._waiting: list[Packet] = []
        self._highest: Packet | None = None
        self._stranger: Packet | None = None
        self._passed: OrderedDict[int, None] = OrderedDict()

    def push(
        self, sequence: int, timestamp: int, payload: bytes, samples: int, now: float
    ) -> tuple[Outcome, Packet]:
        """Take in a packet with the 16-bit and 32-bit numbers of its RTP header."""
        highest = self._highest
        if highest is None:
            packet = Packet(sequence, timestamp, payload, samples, now)
            return self._insert(packet), packet
        packet = _after(highest, sequence, timestamp, payload, samples, now)
        if _follows(highest, packet):
            self._stranger = None
            return self._insert(packet), packet
        stranger = self._stranger
        if stranger is not None:
            packet = _after(stranger, sequence, timestamp, payload, samples, now)
            if 0 < packet.sequence - stranger.sequence <= 3 and _follows(stranger, packet):
                self._restart()
                self._insert(stranger)
                self._insert(packet)
                return Outcome.RESTARTED, packet
        self._stranger = packet
        self.refused += 1
        return Outcome.REFUSED, packet

    def _restart(self) -> None:
        self._waiting.clear()
        self._passed.clear()
        self._highest = self._stranger = None
        self.next_sequence = None
        self.refused -= 1  # the stranger was not one

    def _insert(self, packet: Packet) -> Outcome:
        if self._highest is None or packet.sequence > self._highest.sequence:
            self._highest = packet
        elif self.next_sequence is not None and packet.sequence < self.next_sequence:
            if packet.sequence not in self._passed:
                self.duplicates += 1
                return Outcome.DUPLICATE
            del self._passed[packet.sequence]
            self.received += 1
            self.lost -= 1
            self.late += 1
            return Outcome.LATE
        elif any(packet.sequence == waiting.sequence for waiting in self._waiting):
            self.duplicates += 1
            return Outcome.DUPLICATE
        self.received += 1
        insort(self._waiting, packet)
        if len(self._waiting) > JITTER_PACKETS_MAX:
            # Nobody plays this voice at the moment: the oldest is the least useful.
            self.pop()
            self.discarded += 1
        return Outcome.WAITS

    @property
    def first(self) -> Packet | None:
        """The packet that is played next, if it is here."""
        return self._waiting[0] if self._waiting else None

    @property
    def skipped(self) -> int:
        """Packets missing before the first one that is here."""
        if not self._waiting or self.next_sequence is None:
            return 0
        return self._waiting[0].sequence - self.next_sequence

    @property
    def waiting_samples(self) -> int:
        """From the first packet here to the end of the last one."""
        if not self._waiting:
            return 0
        last = self._waiting[-1]
        return last.timestamp + last.samples - self._waiting[0].timestamp

    def pop(self) -> Packet:
        """Take the first packet; those missing before it are lost from now on."""
        packet = self._waiting.pop(0)
        if self.next_sequence is not None:
            self.lost += packet.sequence - self.next_sequence
            oldest = max(self.next_sequence, packet.sequence - MISORDER_MAX)
            for sequence in range(oldest, packet.sequence):
                self._passed[sequence] = None
            while len(self._passed) > MISORDER_MAX:
                self._passed.popitem(last=False)
        self.next_sequence = packet.sequence + 1
        return packet


def _after(
    known: Packet, sequence: int, timestamp: int, payload: bytes, samples: int, now: float
) -> Packet:
    """A packet with its numbers extended by those of one that is known."""
    return Packet(
        extend(sequence, 16, known.sequence),
        extend(timestamp, 32, known.timestamp),
        payload,
        samples,
        now,
    )


def _follows(known: Packet, packet: Packet) -> bool:
    """Whether `packet` can be of the stream whose newest packet is `known`."""
    steps = packet.sequence - known.sequence
    samples = packet.timestamp - known.timestamp
    if steps == 0:
        return samples == 0
    if steps < 0:
        return steps >= -MISORDER_MAX and steps * OPUS_PACKET_SAMPLES_MAX <= samples < 0
    # A gap in time is explained by packets that were lost or by a pause that really passed.
    lost = steps * max(known.samples, packet.samples)
    paused = int((packet.arrived - known.arrived) * SAMPLE_RATE)
    return steps <= DROPOUT_MAX and 0 < samples <= max(lost, paused) + AHEAD_MAX_SAMPLES


class Spread:
    """How much later than the fastest packets the slowest ones come: a histogram that forgets.

    Older packets weigh less and less, by 1 / e after `MEMORY_PACKETS`. Packets that were held up
    together and come in one burst count as one, by the latest of them: a network that stalls once
    is not a network that is slow.
    """

    BIN_S = 0.002
    BINS = 250
    MEMORY_PACKETS = 500
    LATE_SHARE = 0.005
    """Share of packets that may come too late."""
    BURST_S = 0.005
    """A sender or a slow link lets go of what it held with some milliseconds in between; packets
    in their own rhythm are 10 ms apart and more."""

    def __init__(self) -> None:
        self._last_s = 0.0
        self._last_at = 0.0
        self._counts = [0.0] * self.BINS
        self._sum = 0.0
        self._weight = 1.0
        self._growth = 1.0 + 1.0 / self.MEMORY_PACKETS

    def observe(self, lateness_s: float, now: float) -> None:
        """Count a packet that came at `now`, so much after the fastest ones of late."""
        together = now - self._last_at < self.BURST_S and lateness_s < self._last_s
        self._last_s, self._last_at = lateness_s, now
        if together:
            return
        place = min(self.BINS - 1, max(0, int(lateness_s / self.BIN_S)))
        # Newer packets weigh more, which is the same and cheaper than making all others lighter.
        self._weight *= self._growth
        self._counts[place] += self._weight
        self._sum += self._weight
        if self._weight > 1e9:
            self._counts = [count / self._weight for count in self._counts]
            self._sum /= self._weight
            self._weight = 1.0

    @property
    def wait_s(self) -> float:
        """How long the fastest packets must wait so that only `LATE_SHARE` come too late."""
        # A single packet, at the beginning more than that share, is no rule.
        beyond = max(self._sum * self.LATE_SHARE, 1.5 * self._weight)
        for place in range(self.BINS - 1, -1, -1):
            beyond -= self._counts[place]
            if beyond < 0.0:
                return (place + 1) * self.BIN_S
        return 0.0
