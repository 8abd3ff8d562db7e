"""The door of a Space as PROTOCOL.md describes it, one person before it, moved by hand."""

import hashlib
import time
from typing import Any

SALT = "a salt that is longer than one block of SHA-256, as places and their signatures are"


class Door:
    """What `join` and `admitting` answer.

    Attributes:
        mode: `open`, `places` or `closed`.
        told: further fields of `admitting`.
        ahead: how many are before our place, at first.
        mark_us: turns up to it may come in; `turn_us`: ours.
        bits: of the challenge that is asked for before a place or a ticket; 0: none.
        fault: a status that everything is answered with; 0: none.
        joins: the bodies of all requests to join.
        tickets: how many were given or renewed.
    """

    def __init__(self) -> None:
        self.mode = "open"
        self.told: dict[str, Any] = {}
        self.answer: dict[str, Any] = {}
        self.ahead = 400
        self.turn_us = 0
        self.mark_us = 0
        self.per_s = 0.0
        self.bits = 0
        self.fault = 0
        self.lease_s = 120.0
        self.renew_after_s = 60.0
        self.joins: list[dict[str, Any]] = []
        self.tickets = 0

    def queue(self, seconds: float = 100.0, ahead: int = 400, **told: Any) -> None:
        """Have people wait: our turn is so far ahead of the mark."""
        self.mode, self.ahead, self.told = "places", ahead, told
        self.mark_us = time.time_ns() // 1_000
        self.turn_us = self.mark_us + round(seconds * 1e6)
        self.per_s = ahead / seconds

    def call(self) -> None:
        """Our turn comes."""
        self.mark_us = self.turn_us

    def admitting(self) -> dict[str, Any]:
        """The document."""
        left = max(0, self.turn_us - self.mark_us) / 1e6 * self.per_s
        return {
            "at_ms": time.time_ns() // 1_000_000,
            "mode": self.mode,
            "admitting_us": self.mark_us,
            "mark_per_s": 1.0,
            "called": round(self.ahead - left) if self.per_s else 0,
            "called_per_s": self.per_s,
            **self.told,
        }

    def join(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The answer to somebody at the door."""
        self.joins.append(body)
        if self.mode == "closed":
            title = "No new listeners are let in."
            return 503, {"code": "door.closed", "title": title, "recording_at_ms": 0, **self.told}
        if self.bits and not body.get("patience") and not self._is_paid(body):
            return 428, {
                "code": "challenge.required",
                "challenge": self.challenge,
                "patience_s": 20,
            }
        if self.mode == "places" and self.mark_us < self.turn_us:
            wait_s = (self.turn_us - self.mark_us) / 1e6
            return 202, {
                "turn_us": self.turn_us,
                "ahead": self.ahead,
                "wait_s": {"low": wait_s * 0.7, "likely": wait_s, "high": wait_s * 1.6},
                "poll_after_s": 0.2,
                "why": self.told.get("why", "capacity"),
                **self.answer,
            }
        self.tickets += 1
        lease = {"lease_s": self.lease_s, "renew_after_s": self.renew_after_s}
        return 200, {"ticket_until_ms": time.time_ns() // 1_000_000, **lease}

    @property
    def challenge(self) -> dict[str, Any]:
        """What is to be solved: four fifths of the numbers have to be tried."""
        wanted = hashlib.sha256(f"{SALT}{self._number}".encode()).hexdigest()
        return {
            "challenge": wanted,
            "salt": SALT,
            "maxnumber": 1 << self.bits,
            "expires_at_s": 2**31,
            "algorithm": "SHA-256",
        }

    @property
    def _number(self) -> int:
        return (1 << self.bits) * 4 // 5

    def _is_paid(self, body: dict[str, Any]) -> bool:
        return body.get("challenge") == SALT and body.get("solution") == self._number
