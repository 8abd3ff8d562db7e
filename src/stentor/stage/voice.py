"""One speaker's way from packets to frames: order, concealment, drift, one frame a beat.

Packets are pushed when they arrive, a frame is taken at every beat, and time is an argument. Any
sequence of pushes gives frames; the worst a hostile speaker can do is to sound bad.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stentor.errors import Corrupt
from stentor.limits import (
    CONCEAL_S,
    FRAME_SAMPLES,
    JITTER_DELAY_MAX_S,
    JITTER_DELAY_MIN_S,
    JITTER_DELAY_START_S,
    SAMPLE_RATE,
)
from stentor.stage.conceal import Fade
from stentor.stage.drift import Drift, Pace
from stentor.stage.jitter import JitterBuffer, Outcome, Packet, Spread
from stentor.stage.opus import Decoder, packet_has_fec, packet_samples
from stentor.stage.resampler import Resampler

Pcm = NDArray[np.float32]

FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
BEAT_S = FRAME_S + 0.005
"""A packet is needed up to one beat before its first sample sounds; and beats are late as well."""
STEP_SAMPLES = 120
"""The grid of Opus: concealment comes in multiples of 2.5 ms."""
PAUSE_S = 1.0
"""After so long without a packet the next one is waited for as if it were the first."""
COMFORT_S = 1.0
"""Background noise goes on for so long after a packet that announced silence (DTX)."""
DTX_BYTES_MAX = 2
TARGET_DECAY_S = 0.020
"""The target of the delay falls by so much a second once the spread has forgotten what was late:
faster than the pace can follow, so that pauses of the speaker are made use of."""
SETTLED_S = 2.5
"""So long after its first packet a voice begins to learn its network anew: pages and devices that
are starting hold packets up, and that must not set the delay of the evening."""
CUT_QUIET_S = 0.030
"""With this excess of delay, packets are left out where the speaker pauses."""
CUT_S = 0.300
"""With this excess they are left out anywhere."""
QUIET_PEAK = 0.003
TARGET_BEATS = 10
"""Beats between two looks at how late packets come."""
LAG_WEIGHT = 0.05
"""The delay is smoothed over some 20 beats, whose own lateness does not matter then."""
FROZEN_S = 0.2
"""Packets that come so much later than they were expected, without a loss, set a new floor."""
CROSSFADE_SAMPLES = 240
_FADE_OUT = np.linspace(1.0, 0.0, CROSSFADE_SAMPLES, endpoint=False, dtype=np.float32)
_LEVEL_FLOOR_DBFS = -100.0


@dataclass(frozen=True, slots=True)
class VoiceStats:
    """What one voice went through so far; samples are at 48 kHz.

    Attributes:
        received, lost, late: packets; a late one was lost before and is not lost any more.
        malformed: payloads that are no Opus.
        refused, discarded: of no known stream; without room because nobody took frames.
        concealed_samples: sent, not here in time, and invented.
        missing_samples: sent, not here in time, and silent: neither received nor concealed.
        stretched_samples: invented while waiting for packets that came after all; they only
            made the delay longer.
        recovered_samples: those of the concealed that came from FEC.
        cut_samples: received and left out to make the delay shorter.
        delay_ms: how long the fastest packets wait now; target_ms: how long they should.
        ratio_ppm: how much faster than our clock the voice is read now.
        level_dbfs: mean power of the last frames.
        last_packet_at: monotonic seconds, None before the first.
    """

    received: int
    lost: int
    late: int
    duplicates: int
    refused: int
    malformed: int
    discarded: int
    concealed_samples: int
    missing_samples: int
    stretched_samples: int
    cut_samples: int
    recovered_samples: int
    delay_ms: float
    target_ms: float
    ratio_ppm: float
    level_dbfs: float
    last_packet_at: float | None

    @property
    def delay_samples(self) -> int:
        """How long a packet waits, or will wait when none has sounded yet."""
        return round((self.delay_ms or self.target_ms) * SAMPLE_RATE / 1000)


@dataclass(slots=True)
class _Hole:
    """Time for which there was no packet when its turn came."""

    begins: int
    made: int = 0
    invented: int = 0


class Voice:
    """A speaker's packets in, frames out. See the module's docstring."""

    def __init__(self) -> None:
        self._buffer = JitterBuffer()
        self._decoder = Decoder()
        self._resampler = Resampler()
        self._fade = Fade()
        self._drift = Drift()
        self._pace = Pace()
        self._spread = Spread()
        self._waiting = True
        self._position = 0  # timestamp of the next sample that is put into the resampler
        self._last = Packet(0, 0, b"", FRAME_SAMPLES, 0.0)
        self._hole: _Hole | None = None
        self._cut_tail: Pcm | None = None
        self._lag: float | None = None
        self._settles_at: float | None = None
        self._delay_s = 0.0
        self._target_s = JITTER_DELAY_START_S
        self._beats = 0
        self._power = 0.0
        self._malformed = self._concealed = self._missing = self._stretched = 0
        self._cut = self._recovered = 0
        self.last_packet_at: float | None = None

    def push(self, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        """Take in one RTP packet as it arrives.

        Args:
            sequence: 16 bits, timestamp: 32 bits at 48 kHz (RFC 3550 section 5.1, RFC 7587).
            now: monotonic seconds, the same clock as in `frame`.
        """
        try:
            samples = packet_samples(payload)
        except Corrupt:
            self._malformed += 1
            return
        outcome, packet = self._buffer.push(
            sequence & 0xFFFF, timestamp & 0xFFFFFFFF, payload, samples, now
        )
        if outcome in (Outcome.DUPLICATE, Outcome.REFUSED):
            return
        if outcome is Outcome.RESTARTED:
            self._forget_network()
            self._settles_at = now + SETTLED_S
            self._hole = None
            self._wait()
        self.last_packet_at = now
        if self._settles_at is None:
            self._settles_at = now + SETTLED_S
        elif now >= self._settles_at:
            self._settles_at = math.inf
            self._spread = Spread()
        transit = now - packet.timestamp / SAMPLE_RATE
        self._drift.observe(transit, now)
        floor = self._drift.floor(now)
        if floor is not None:
            self._spread.observe(transit - floor, now)

    def frame(self, now: float) -> Pcm:
        """The frame of this beat: shape (960,), float32. Called once every 20 ms."""
        hole = self._hole
        if hole is not None and hole.made >= PAUSE_S * SAMPLE_RATE and self._buffer.first is None:
            self._wait()
        if self._waiting and not self._begins(now):
            self._power *= 0.9
            return np.zeros(FRAME_SAMPLES, np.float32)
        ratio = self._pace.ratio
        while self._resampler.wants(ratio):
            self._resampler.append(self._next())
        self._steer(now)
        frame = self._resampler.take(ratio)
        self._power += 0.1 * (float(frame @ frame) / FRAME_SAMPLES - self._power)
        return frame

    def _forget_network(self) -> None:
        """What packets did before this moment says nothing of what they will do."""
        self._drift.forget_floor()
        self._spread = Spread()

    def _wait(self) -> None:
        self._waiting = True
        self._resampler.clear()
        self._fade.gain = 0.0
        self._cut_tail = None

    def _begins(self, now: float) -> bool:
        """Whether the first packet has waited long enough; if so its turn is now."""
        first = self._buffer.first
        if first is None or now - first.arrived < self._target_s - FRAME_S / 2:
            return False
        # The beat decides the delay to within 20 ms; nothing is known that asks for more.
        self._target_s = max(JITTER_DELAY_MIN_S, min(self._target_s, now - first.arrived))
        self._waiting = False
        self._position = first.timestamp
        self._lag = None
        return True

    def _next(self) -> Pcm:
        """The samples that come next at the speaker's clock; moves the position."""
        first = self._buffer.first
        if first is None:
            return self._fill(None)
        waiting_s = self._buffer.waiting_samples / SAMPLE_RATE
        # When far too much waits, a gap is not waited through.
        ahead = first.timestamp - self._position
        if ahead >= STEP_SAMPLES and waiting_s < self._target_s + CUT_S:
            return self._fill(first)
        self._close(first)
        pcm = self._decode(self._buffer.pop())
        while self._may_cut(pcm):
            self._cut += len(pcm)
            self._delay_s -= len(pcm) / SAMPLE_RATE
            self._lag = None
            if self._cut_tail is None:
                self._cut_tail = pcm[:CROSSFADE_SAMPLES] * _FADE_OUT[: len(pcm)]
            pcm = self._decode(self._buffer.pop())
        pcm = self._fade.real(pcm)
        if self._cut_tail is not None:
            count = min(len(self._cut_tail), len(pcm))
            pcm[:count] *= 1.0 - _FADE_OUT[:count]
            pcm[:count] += self._cut_tail[:count]
            self._cut_tail = None
        return pcm

    def _close(self, first: Packet) -> None:
        """Account for what is missing before a packet that is played now."""
        hole = self._hole or _Hole(self._position)
        self._hole = None
        span = max(0, first.timestamp - hole.begins)
        lost = min(span, self._buffer.skipped * max(first.samples, self._last.samples))
        concealed = min(lost, hole.invented)
        self._concealed += concealed
        self._missing += lost - concealed
        stretched = max(0, hole.made - span)
        self._stretched += stretched
        if stretched:
            self._lag = None
        if stretched > FROZEN_S * SAMPLE_RATE:
            # The speaker's clock stood still, or the network took another way.
            self._forget_network()

    def _decode(self, packet: Packet) -> Pcm:
        self._last = packet
        self._position = packet.timestamp + packet.samples
        try:
            return self._decoder.decode(packet.payload)
        except Corrupt:
            self._malformed += 1
            self._concealed += packet.samples
            return self._decoder.decode(None, packet.samples)

    def _may_cut(self, pcm: Pcm) -> bool:
        """Whether what was decoded just now is left out, because the delay is too long."""
        excess = self._delay_s - self._target_s
        if excess < CUT_QUIET_S or self._buffer.skipped:
            return False
        follows = self._buffer.first
        waiting_s = self._buffer.waiting_samples / SAMPLE_RATE
        if follows is None or follows.timestamp != self._position or waiting_s < self._target_s:
            return False
        if excess > CUT_S and waiting_s > self._target_s + CUT_S:
            return True
        return float(np.abs(pcm).max()) < QUIET_PEAK

    def _fill(self, first: Packet | None) -> Pcm:
        """Samples for a time of which there is no packet: FEC, concealment, then silence."""
        if self._hole is None:
            self._hole = _Hole(self._position)
        hole = self._hole
        samples = self._last.samples
        if first is not None:
            ahead = (first.timestamp - self._position) // STEP_SAMPLES * STEP_SAMPLES
            samples = min(samples, ahead)
            last = samples == ahead and self._buffer.skipped > 0
            if last and packet_has_fec(first.payload):
                self._advance(hole, samples, samples)
                self._recovered += samples
                return self._fade.real(self._decoder.decode(first.payload, samples, fec=True))
        lasts_s = COMFORT_S if len(self._last.payload) <= DTX_BYTES_MAX else CONCEAL_S
        if self._fade.gain == 0.0 or hole.made >= lasts_s * SAMPLE_RATE:
            self._fade.gain = 0.0
            self._advance(hole, samples, 0)
            return np.zeros(samples, np.float32)
        self._advance(hole, samples, samples)
        return self._fade.invented(self._decoder.decode(None, samples), lasts_s)

    def _advance(self, hole: _Hole, samples: int, invented: int) -> None:
        hole.made += samples
        hole.invented += invented
        self._position += samples

    def _steer(self, now: float) -> None:
        """Follow the drift and lead the delay to its target."""
        floor = self._drift.floor(now)
        if floor is None or self._hole is not None:
            return
        self._beats += 1
        if self._beats % TARGET_BEATS == 0:
            wanted = min(JITTER_DELAY_MAX_S, max(JITTER_DELAY_MIN_S, self._spread.wait_s + BEAT_S))
            self._target_s = max(wanted, self._target_s - TARGET_DECAY_S * TARGET_BEATS * FRAME_S)
        sounding = self._position - self._resampler.buffered
        lag = now - sounding / SAMPLE_RATE
        self._lag = lag if self._lag is None else self._lag + LAG_WEIGHT * (lag - self._lag)
        self._delay_s = self._lag - floor
        self._pace.steer(self._drift.slope, self._delay_s - self._target_s, FRAME_S)

    @property
    def stats(self) -> VoiceStats:
        """Everything counted so far."""
        buffer = self._buffer
        level = 10.0 * math.log10(self._power) if self._power > 1e-10 else _LEVEL_FLOOR_DBFS
        return VoiceStats(
            received=buffer.received,
            lost=buffer.lost,
            late=buffer.late,
            duplicates=buffer.duplicates,
            refused=buffer.refused,
            malformed=self._malformed,
            discarded=buffer.discarded,
            concealed_samples=self._concealed,
            missing_samples=self._missing,
            stretched_samples=self._stretched,
            recovered_samples=self._recovered,
            cut_samples=self._cut,
            delay_ms=self._delay_s * 1e3,
            target_ms=self._target_s * 1e3,
            ratio_ppm=(self._pace.ratio - 1.0) * 1e6,
            level_dbfs=level,
            last_packet_at=self.last_packet_at,
        )
