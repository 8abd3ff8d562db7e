"""The join ledgers on disk: a small log of its own for each Space, one record every ten seconds."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from stentor.audience.ledger import Demand, Supply, counted, encode, merge
from stentor.clock import Clock
from stentor.errors import StentorError
from stentor.limits import (
    LEDGER_ANCHOR_S,
    LEDGER_IDLE_S,
    LEDGER_PARTS_MAX,
    LEDGER_SPAN_S,
    SPACES_OPEN_MAX,
)
from stentor.log import Writer
from stentor.paths import Paths
from stentor.record import Kind
from stentor.space.events import LedgerAnchored

_telemetry = logging.getLogger(__name__)
_SPAN_MS = round(LEDGER_SPAN_S * 1_000)


@dataclass(slots=True)
class _Span:
    """What has come of one Space since the last record."""

    demands: list[Demand] = field(default_factory=list)
    supply: Supply | None = None

    def take(self, demand: Demand) -> None:
        self.demands.append(demand)
        if len(self.demands) > LEDGER_PARTS_MAX:
            self.demands = [merge(self.demands)]


@dataclass(slots=True)
class _Book:
    """An open ledger."""

    writer: Writer
    used_at: float
    anchored_at: float
    anchored: int = 0


class Ledgers:
    """Writes all ledgers of a node; what it holds of a span is lost with the process.

    Counts may be taken in while a span is being written: that happens in a thread.
    """

    def __init__(
        self, paths: Paths, clock: Clock, anchored: Callable[[str, LedgerAnchored], None]
    ) -> None:
        """Args: anchored: is told how far a Space's ledger goes, once a minute."""
        self._paths = paths
        self._clock = clock
        self._anchored = anchored
        self._spans: dict[str, _Span] = {}
        self._books: dict[str, _Book] = {}
        self._from_ms = clock.wall_time() // 1_000_000
        self._writing: asyncio.Task[None] | None = None

    def take(self, space: str, demand: Demand) -> None:
        """What came to a gate."""
        span = self._span(space)
        if span is not None:
            span.take(demand)

    def supply(self, space: str, supply: Supply) -> None:
        """What there is to give, all of this span so far."""
        span = self._span(space)
        if span is not None:
            span.supply = supply

    def _span(self, space: str) -> _Span | None:
        span = self._spans.get(space)
        if span is None and len(self._spans) < SPACES_OPEN_MAX:
            span = self._spans[space] = _Span()
        return span

    def due(self, now_ms: int) -> bool:
        """Whether a span has ended: spans end at whole multiples of their length."""
        return now_ms // _SPAN_MS != self._from_ms // _SPAN_MS and self._is_free

    @property
    def _is_free(self) -> bool:
        return self._writing is None or self._writing.done()

    def end_span(self, now_ms: int) -> None:
        """Have everything written that has come until now."""
        spans, from_ms = self._spans, self._from_ms
        self._spans, self._from_ms = {}, now_ms
        self._writing = asyncio.create_task(self._write(spans, from_ms, now_ms))

    async def close(self) -> None:
        """Write what there is, and let go of all ledgers."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        self.end_span(self._clock.wall_time() // 1_000_000)
        assert self._writing is not None, "it was begun just now"
        await asyncio.wait([self._writing])
        for book in self._books.values():
            book.writer.close()

    async def _write(self, spans: dict[str, _Span], from_ms: int, now_ms: int) -> None:
        for told in await asyncio.to_thread(self._append_all, spans, from_ms, now_ms):
            self._anchored(*told)

    def _append_all(
        self, spans: dict[str, _Span], from_ms: int, now_ms: int
    ) -> list[tuple[str, LedgerAnchored]]:
        """In a thread: the disk may be slow. What is to be told of."""
        now, anchors = self._clock.now(), []
        for space, span in spans.items():
            demand, supply = merge(span.demands), span.supply or Supply()
            if not (demand.arrivals or demand.pages or supply.listeners or supply.waiting):
                continue
            span_ms = max(1, now_ms - from_ms)
            record = counted(space, from_ms, span_ms, [demand], supply)
            try:
                book = self._book(space, now)
                book.writer.append(Kind.EVENT, encode(record))
                book.used_at = now
                if now - book.anchored_at >= LEDGER_ANCHOR_S or not book.anchored:
                    anchors.append((space, self._anchor(book, now, now_ms)))
            except (StentorError, OSError, ValueError) as error:
                _telemetry.error("the ledger of %s cannot be written: %s", space, error)
                if (lost := self._books.pop(space, None)) is not None:
                    lost.writer.close()
        for space, book in list(self._books.items()):
            if now - book.used_at >= LEDGER_IDLE_S:
                book.writer.close()
                del self._books[space]
        return anchors

    def _book(self, space: str, now: float) -> _Book:
        book = self._books.get(space)
        if book is None:
            writer = Writer.open(self._paths.ledger(space), space, self._clock)
            book = self._books[space] = _Book(writer, used_at=now, anchored_at=now)
        return book

    @staticmethod
    def _anchor(book: _Book, now: float, now_ms: int) -> LedgerAnchored:
        book.writer.sync()
        book.anchored_at, book.anchored = now, book.writer.tail.offset
        return LedgerAnchored(book.anchored, book.writer.head.hex(), now_ms)
