"""Writes the same bytes to many listeners, in the way that costs least here."""

from stentor.edge.listener import Listener, send_all, write_all
from stentor.edge.uring import Uring
from stentor.limits import URING_BYTES, URING_SENDS_MIN


class Sender:
    """Belongs to the thread that sends.

    Attributes:
        plain: whether connections are descriptors and nothing more: all of a process are, or none.
    """

    def __init__(self) -> None:
        self.plain = True
        self._ring: Uring | None = None

    def open(self) -> None:
        """Use a ring where the kernel has one. To be called by the thread that sends."""
        self._ring = Uring.open()

    def close(self) -> None:
        """Give the ring back."""
        if self._ring is not None:
            self._ring.close()
            self._ring = None

    def send(
        self, members: dict[int, Listener], data: bytes
    ) -> tuple[list[tuple[int, int]], list[int]]:
        """Send to all of them.

        Returns:
            Those who took less, with how much; and those who have gone.
        """
        if not self.plain:
            return send_all(members, data)
        ring = self._ring
        if ring is None or len(members) < URING_SENDS_MIN or len(data) > URING_BYTES:
            return write_all(members, data)
        return ring.write_all(members, data)
