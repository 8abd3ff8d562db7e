"""Tells the stage of each step of an edge's cadence, so that it stands in the Spaces' logs."""

import http.client
import logging
import socket
import threading
from pathlib import Path

import msgspec

from stentor import tokens
from stentor.clock import Clock
from stentor.edge.cadence import Step
from stentor.ids import SpaceId
from stentor.limits import (
    SERVICE_TOKEN_S,
    SPACES_FOLLOWED_MAX,
    STAGE_ANSWER_BYTES_MAX,
    STAGE_ANSWER_S,
    STEP_TELLING_PAUSE_S,
    STEP_TELLING_TRIES,
)
from stentor.tokens import Keyring

_telemetry = logging.getLogger(__name__)


class StepTeller(threading.Thread):
    """A thread of its own: the loop that sends waits for nobody.

    Of each Space only the newest step is kept until it has been told.
    """

    def __init__(self, stage: Path, keyring: Keyring, clock: Clock, edge: int) -> None:
        super().__init__(name="steps", daemon=True)
        self._stage = stage
        self._keyring = keyring
        self._clock = clock
        self._edge = edge
        self._steps: dict[SpaceId, Step] = {}
        self._changed = threading.Condition()

    def tell(self, spaces: list[SpaceId], step: Step) -> None:
        """A step was taken. To be called from one thread."""
        if not self.is_alive():
            self.start()  # only now: every send costs more in a process of several threads
        with self._changed:
            for space in spaces[:SPACES_FOLLOWED_MAX]:
                self._steps[space] = step
            self._changed.notify()

    def run(self) -> None:
        """Tell, for as long as the process lives."""
        while True:
            with self._changed:
                while not self._steps:
                    self._changed.wait()
                space, step = self._steps.popitem()
            self._tell(space, step)

    def _tell(self, space: SpaceId, step: Step) -> None:
        for _ in range(STEP_TELLING_TRIES):
            try:
                status = self._ask(space, step)
            except (OSError, http.client.HTTPException) as error:
                status = 503
                _telemetry.info("the stage cannot be told of a step: %s", error)
            if status < 500:
                return
            threading.Event().wait(STEP_TELLING_PAUSE_S)
        _telemetry.warning("a step of the cadence is missing in the log of %s", space)

    def _ask(self, space: SpaceId, step: Step) -> int:
        now_s = round(self._clock.wall_time() / 1e9)
        claims = tokens.Claims("service", space, "service", "", "edge", now_s + SERVICE_TOKEN_S)
        told = {"edge": self._edge, "cadence_ms": step.cadence_ms, "reason": step.reason}
        headers = {
            "Authorization": f"Bearer {tokens.issue(claims, self._keyring)}",
            "Content-Type": "application/json",
        }
        connection = _Unix(self._stage)
        try:
            path = f"/stage/{space}/cadence"
            connection.request("POST", path, msgspec.json.encode(told), headers)
            answer = connection.getresponse()
            answer.read(STAGE_ANSWER_BYTES_MAX)
            return answer.status
        finally:
            connection.close()


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=STAGE_ANSWER_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
