"""A Space that is live: really encoded sound in a real log, one part after another as time goes."""

import threading
from dataclasses import dataclass, field

import numpy as np

from stentor.clock import Clock
from stentor.edge.playlist import PARTIAL_SAMPLES
from stentor.limits import PART_SAMPLES, SAMPLE_RATE
from stentor.log import Writer
from stentor.paths import Paths, write_whole
from stentor.record import RENDITION_NAMES, Flag, Kind
from stentor.space import card, events
from stentor.stage.encoder import RenditionEncoder

SPACE = "0123456789ab"
BEGUN_S = 30
"""So much has been said when the measurement begins."""


@dataclass
class Source:
    """Plays the stage's part from a thread of its own; `with`.

    Attributes:
        started_at_s: when media_time 0 was said (monotonic).
        ready_at_s: when each partial segment was complete in the log (monotonic), by number.
    """

    paths: Paths
    clock: Clock
    started_at_s: float = 0.0
    ready_at_s: dict[int, float] = field(default_factory=dict)

    def __enter__(self) -> "Source":
        self._writer = Writer.open(self.paths.log(SPACE), SPACE, self.clock)
        self._encoders = {each: RenditionEncoder(each, 0) for each in RENDITION_NAMES.values()}
        self._media_time = 0
        self._begin()
        while self._media_time < BEGUN_S * SAMPLE_RATE:
            self._part()
        self.started_at_s = self.clock.now() - self._media_time / SAMPLE_RATE
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._writer.close()

    def _begin(self) -> None:
        wall_time = self.clock.wall_time() - BEGUN_S * 1_000_000_000
        at_ms = wall_time // 1_000_000
        begun = events.SpaceScheduled(
            space=SPACE, title="A measurement", host_id="a", host_name="Ada", host_speaker="h"
        )
        for event in (begun, events.SpaceStarted(at_ms=at_ms)):
            self._writer.append(Kind.EVENT, events.encode(event))
        for rendition, encoder in self._encoders.items():
            self._writer.append(Kind.INIT, encoder.init(), rendition=rendition)
        shown = card.Card(
            space=SPACE,
            phase="live",
            title="A measurement",
            host_name="Ada",
            started_at_ms=at_ms,
        )
        write_whole(self.paths.card(SPACE), card.encode(shown))

    def _part(self) -> None:
        time = (self._media_time + np.arange(PART_SAMPLES)) / SAMPLE_RATE
        pcm = (0.3 * np.sin(2 * np.pi * 330 * time)).astype(np.float32)
        self._media_time += PART_SAMPLES
        for rendition, encoder in self._encoders.items():
            for part in encoder.feed(pcm):
                self._writer.append(
                    Kind.PART,
                    part.payload,
                    rendition=rendition,
                    flags=Flag.INDEPENDENT,
                    media_time=part.media_time,
                    duration=part.duration,
                )
        if self._media_time % PARTIAL_SAMPLES == 0:
            self.ready_at_s[self._media_time // PARTIAL_SAMPLES - 1] = self.clock.now()

    def _play(self) -> None:
        while True:
            due = self.started_at_s + (self._media_time + PART_SAMPLES) / SAMPLE_RATE
            if self._over.wait(max(0.0, due - self.clock.now())):
                return
            self._part()
