"""Follows a playlist as a low-latency player does, and holds each update against the standard."""

from tests.edge.client import Visitor
from tests.players import m3u8
from tests.players.conformance import changes, faults, merged
from tests.players.m3u8 import Playlist


class Follower:
    """Follows one playlist as a low-latency player does, by delta updates, and checks each."""

    def __init__(self, visitor: Visitor, folder: str, name: str) -> None:
        self.visitor = visitor
        self.folder = folder
        self.name = name
        self.now: Playlist | None = None
        self.updates = 0
        self.compared = 0
        self.skipped = 0

    async def fetch(self, query: str) -> Playlist:
        heard = await self.visitor.get(f"{self.folder}/{self.name}{query}")
        assert heard.status == 200, (self.name, query, heard)
        playlist = m3u8.read(heard.body.decode())
        assert faults(playlist) == [], playlist.text
        return playlist

    async def update(self) -> None:
        if self.now is None:
            self.now = await self.fetch("")
            return
        number, index = self.now.tail
        asked = f"?_HLS_msn={number}&_HLS_part={index}"
        delta = await self.fetch(f"{asked}&_HLS_skip=YES")
        came = merged(self.now, delta)
        assert changes(self.now, came) == [], self.name
        whole = await self.fetch(asked)
        if whole.tail == came.tail:  # else more has come meanwhile
            assert _own(whole) == _own(came), "a delta update stands for the whole playlist"
            self.compared += 1
        assert came.ended or came.tail > self.now.tail, "what was asked for is there"
        self.now = came
        self.updates += 1
        self.skipped += delta.skipped

    async def to_end(self) -> None:
        while self.now is None or not self.now.ended:
            await self.update()


def _own(playlist: Playlist) -> list[str]:
    """What a playlist says of its own rendition; the others go on at their own pace."""
    lines = playlist.text.split("\n")
    return [line for line in lines if not line.startswith("#EXT-X-RENDITION-REPORT")]
