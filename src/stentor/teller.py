"""Tells the stage what is to stand in Spaces' logs: steps of the cadence and of the ladder."""

import http.client
import logging
import socket
import threading
from pathlib import Path
from typing import NamedTuple

import msgspec

from stentor import tokens
from stentor.clock import Clock
from stentor.limits import (
    SERVICE_TOKEN_S,
    STAGE_ANSWER_BYTES_MAX,
    STAGE_ANSWER_S,
    TELLING_PAUSE_S,
    TELLING_TRIES,
    TELLINGS_MAX,
)
from stentor.tokens import Keyring

_telemetry = logging.getLogger(__name__)


class Topic(NamedTuple):
    """What something is about: of one topic only the newest is kept until it has been told.

    Attributes:
        route: the last member of the address, `cadence` or `door`.
        name: tells topics of one Space and route apart.
    """

    space: str
    route: str
    name: str = ""


class Teller(threading.Thread):
    """A thread of its own: who tells waits for nobody."""

    def __init__(self, stage: Path, keyring: Keyring, clock: Clock, who: str) -> None:
        super().__init__(name="teller", daemon=True)
        self._stage = stage
        self._keyring = keyring
        self._clock = clock
        self._who = who
        self._untold: dict[Topic, bytes] = {}
        self._changed = threading.Condition()

    def tell(self, topic: Topic, document: object) -> None:
        """Have it told, in the order of first mention. To be called from one thread."""
        if not self.is_alive():
            self.start()  # only now: every send costs more in a process of several threads
        with self._changed:
            self._untold[topic] = msgspec.json.encode(document)
            if len(self._untold) > TELLINGS_MAX:
                oldest = next(iter(self._untold))
                del self._untold[oldest]
                _telemetry.warning("%s is missing in the log of %s", oldest.route, oldest.space)
            self._changed.notify()

    def run(self) -> None:
        """Tell, for as long as the process lives."""
        while True:
            with self._changed:
                while not self._untold:
                    self._changed.wait()
                topic = next(iter(self._untold))
                document = self._untold.pop(topic)
            self._tell(topic, document)

    def _tell(self, topic: Topic, document: bytes) -> None:
        for _ in range(TELLING_TRIES):
            try:
                status = self._ask(topic, document)
            except (OSError, http.client.HTTPException) as error:
                status = 503
                _telemetry.info("the stage cannot be told: %s", error)
            if status < 500:
                return
            threading.Event().wait(TELLING_PAUSE_S)
        _telemetry.warning("%s is missing in the log of %s", topic.route, topic.space)

    def _ask(self, topic: Topic, document: bytes) -> int:
        now_s = round(self._clock.wall_time() / 1e9)
        expires_at_s = now_s + SERVICE_TOKEN_S
        claims = tokens.Claims("service", topic.space, "service", "", self._who, expires_at_s)
        headers = {
            "Authorization": f"Bearer {tokens.issue(claims, self._keyring)}",
            "Content-Type": "application/json",
        }
        connection = _Unix(self._stage)
        try:
            connection.request("POST", f"/stage/{topic.space}/{topic.route}", document, headers)
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
