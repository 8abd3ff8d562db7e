"""What gates and edges say at the usher's desk, and what they hear there, as bytes. Pure.

One message is one MessagePack array, its first member a word that says what it is; see PROTOCOL.md,
"The usher's desk".
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from stentor.audience.ledger import Demand
from stentor.gate.notice import EdgeReport, GateReport, Notice
from stentor.limits import NOTICES_PER_MESSAGE, REPORTED_PER_MESSAGE


class FromGate(msgspec.Struct, array_like=True, tag="gate"):
    """A gate's report, and what came to it of each Space, for the join ledger.

    Attributes:
        salt: what it hashes with for the ledger: random, and on no disk.
        staying: prefixes (keyed) of people who stay, that it has not told of yet.
    """

    report: GateReport
    demands: dict[str, Demand] = {}
    salt: bytes = b""
    staying: dict[str, list[int]] = {}


class FromEdge(msgspec.Struct, array_like=True, tag="edge"):
    """An edge's report."""

    report: EdgeReport


class Notices(msgspec.Struct, array_like=True, tag="notices"):
    """What the usher says of some Spaces.

    Attributes:
        salt: what all gates are to hash with for the ledger; empty: as before.
    """

    notices: list[Notice]
    salt: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_reports: msgspec.msgpack.Decoder[FromGate | FromEdge] = msgspec.msgpack.Decoder(
    FromGate | FromEdge
)
_notices = msgspec.msgpack.Decoder(Notices)


def read_report(data: bytes) -> FromGate | FromEdge:
    """What somebody reports.

    Raises:
        msgspec.MsgspecError: it cannot be read.
    """
    return _reports.decode(data)


def read_notices(data: bytes) -> Notices:
    """What the usher says.

    Raises:
        msgspec.MsgspecError: it cannot be read.
    """
    return _notices.decode(data)


def of_edge(report: EdgeReport) -> bytes:
    """An edge's report as a message."""
    return _encoder.encode(FromEdge(report))


def of_gate(
    report: GateReport,
    demands: Mapping[str, Demand],
    salt: bytes,
    staying: Mapping[str, list[int]],
) -> list[bytes]:
    """A gate's report as messages: one for some Spaces, for sketches are long."""
    messages: list[bytes] = []
    spaces = list({**report.spaces, **demands, **staying})
    for names in _some(spaces, REPORTED_PER_MESSAGE) if spaces else [()]:
        part = GateReport(
            gate=report.gate,
            at_ms=report.at_ms,
            spaces={name: report.spaces[name] for name in names if name in report.spaces},
            busy=report.busy,
            lag_ms=report.lag_ms,
            shield=report.shield if not messages else {},
            forces=report.forces if not messages else [],
        )
        some = {name: demands[name] for name in names if name in demands}
        stay = {name: staying[name] for name in names if name in staying}
        messages.append(_encoder.encode(FromGate(part, some, salt, stay)))
    return messages


def of_notices(notices: Iterable[Notice], salt: bytes = b"") -> list[bytes]:
    """Notices as messages."""
    return [
        _encoder.encode(Notices(list(some), salt)) for some in _some(notices, NOTICES_PER_MESSAGE)
    ]


def _some(things: Iterable, most: int) -> Iterator[tuple]:  # type: ignore[type-arg]
    left = iter(things)
    while some := tuple(itertools.islice(left, most)):
        yield some
