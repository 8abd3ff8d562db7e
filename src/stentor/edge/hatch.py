"""The edge's side of the hatch through which gates hand admitted connections over.

A message holds some descriptors (SCM_RIGHTS, unix(7)) and, in the same order, what each was
admitted for; or no descriptor, and claims: which tickets' numbers listen elsewhere now, or for
longer. The edge answers with its status, so that gates know where there is room.
"""

import array
import contextlib
import logging
import os
import select
import socket
from pathlib import Path

import msgspec

from stentor.edge.admission import Admission, Claim
from stentor.edge.fanout import Fanout
from stentor.edge.status import Status
from stentor.limits import GATES_MAX, HANDED_AT_ONCE, HATCH_MESSAGE_BYTES

_telemetry = logging.getLogger(__name__)
_ANCILLARY = socket.CMSG_SPACE(HANDED_AT_ONCE * array.array("i").itemsize)
_admissions = msgspec.msgpack.Decoder(list[Admission])
_claims = msgspec.msgpack.Decoder(list[Claim])


class Hatch:
    """A Unix socket of messages, and the gates that are connected to it."""

    def __init__(self, path: Path, fanout: Fanout) -> None:
        """Listen; a stale socket is replaced.

        Raises:
            OSError: the socket cannot be made.
        """
        self._path = path
        self._fanout = fanout
        self._gates: dict[int, socket.socket] = {}
        self._taken: dict[int, int] = {}  # connections handed over by each gate
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        scratch = path.with_name(f".{path.name}.new")
        scratch.unlink(missing_ok=True)
        self._listening.bind(str(scratch))
        scratch.chmod(0o600)
        self._listening.listen(GATES_MAX)
        self._listening.setblocking(False)
        scratch.replace(path)
        fanout.hear(self._listening.fileno(), self._accept)
        fanout.on_tick.append(self._tell)

    @property
    def is_used(self) -> bool:
        """Whether a gate is there."""
        return bool(self._gates)

    def close(self) -> None:
        """Let go of everything; the edge has ended."""
        for gate in self._gates.values():
            gate.close()
        self._gates.clear()
        self._taken.clear()
        self._listening.close()

    def _accept(self, _: int) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            gate, _address = self._listening.accept()
            if len(self._gates) >= GATES_MAX:
                gate.close()
                return
            gate.setblocking(False)
            self._gates[gate.fileno()] = gate
            self._taken[gate.fileno()] = 0
            self._fanout.hear(gate.fileno(), lambda event: self._receive(gate, event))
            self._tell_one(gate, self._fanout.status())

    def _receive(self, gate: socket.socket, event: int) -> None:
        """Take some of what a gate hands over; its end is the end of it."""
        try:
            data, ancillary, flags, _ = gate.recvmsg(
                HATCH_MESSAGE_BYTES, _ANCILLARY, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            if event & (select.EPOLLHUP | select.EPOLLERR):
                self._lose(gate)
            return
        except OSError:
            self._lose(gate)
            return
        descriptors = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(content[: len(content) // 4 * 4])
        if not data:
            self._lose(gate)
            return
        self._taken[gate.fileno()] += len(descriptors)
        try:
            if not descriptors and not flags & socket.MSG_CTRUNC:
                self._fanout.claim(_claims.decode(data))
                return
            admissions = _admissions.decode(data)
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(admissions) != len(
                descriptors
            ):
                raise ValueError("descriptors were lost on the way: too many are open")
        except ValueError as error:
            _telemetry.error("what a gate handed over is closed again: %s", error)
            for descriptor in descriptors:
                os.close(descriptor)
            return
        self._fanout.take(zip(descriptors, admissions, strict=True))

    def _lose(self, gate: socket.socket) -> None:
        self._fanout.forget(gate.fileno())
        del self._gates[gate.fileno()], self._taken[gate.fileno()]
        gate.close()

    def _tell(self, status: Status) -> None:
        for gate in list(self._gates.values()):
            self._tell_one(gate, status)

    def _tell_one(self, gate: socket.socket, status: Status) -> None:
        told = msgspec.structs.replace(status, taken=self._taken[gate.fileno()])
        # A gate that does not read hears less; one that has gone is noticed by its end.
        with contextlib.suppress(OSError):
            gate.send(msgspec.msgpack.encode(told), socket.MSG_DONTWAIT)
