"""A whole node, run as people run it, for the studio's tests."""

import asyncio
import re
import socket
import sys
from pathlib import Path

from playwright.async_api import APIRequestContext

OWNER = {"name": "Ada Holm", "password": "a voice of fifty men"}


class Node:
    """`stentor serve` on this machine alone.

    Attributes:
        url: the public door.
    """

    def __init__(self, data: Path, *options: str) -> None:
        self._data = data
        self._options = options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://localhost:{self._port}"
        self._secret = ""

    async def __aenter__(self) -> "Node":
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stentor", "serve", "--data", str(self._data), "--edges", "1",
            "--listen", f"127.0.0.1:{self._port}", "--udp-listen", "127.0.0.1", *self._options,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            while not self._secret:
                line = (await self._process.stdout.readline()).decode()
                assert line, "the node ended before it was open"
                if found := re.search(r"/setup#(\S+)", line):
                    self._secret = found[1]
        self._drain = asyncio.create_task(self._process.stdout.read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()
        await self._drain

    def pid(self, name: str) -> int:
        """The process id of one of its processes."""
        return int((self._data / "run" / f"{name}.lock").read_text().split()[0])

    async def make_space(self, api: APIRequestContext, title: str) -> str:
        """Sign the owner in, on a browser's own session, and make a Space."""
        first = await api.post(f"{self.url}/api/setup", data={"secret": self._secret, **OWNER})
        if not first.ok:
            await api.post(f"{self.url}/api/login", data=OWNER)
        body = {"title": title, "description": "", "starts_at_ms": 0}
        made = await api.post(f"{self.url}/api/spaces", data=body)
        assert made.status == 201, await made.text()
        return str((await made.json())["space"])
