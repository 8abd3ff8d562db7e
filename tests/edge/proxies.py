"""Real proxies before an edge, run from the very files that docs/operating/ shows."""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

DOCS = Path(__file__).resolve().parents[2] / "docs" / "operating"
CADDY = Path(sys.executable).parent / "caddy"
HAPROXY = shutil.which("haproxy", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
PATIENCE_S = 15.0


@dataclass
class Proxy:
    """A proxy that runs until its context ends.

    Attributes:
        port: where people reach it, over TLS.
        authority: who signed its certificate.
        reload_by: a command, or a signal.
    """

    command: list[str]
    environment: dict[str, str]
    folder: Path
    port: int
    authority: Path
    reload_by: list[str] | signal.Signals
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def trusting(self, *protocols: str) -> ssl.SSLContext:
        """For clients: it knows the proxy's certificate."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.set_alpn_protocols(protocols)
        return context

    def client(self, source: str = "127.0.0.9", *, http2: bool = True) -> httpx.AsyncClient:
        """A browser, near enough, at an address of its own."""
        transport = httpx.AsyncHTTPTransport(
            verify=self.trusting(), http1=not http2, http2=http2, local_address=source
        )
        return httpx.AsyncClient(transport=transport, base_url=self.url, timeout=10)

    def start(self) -> None:
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=output, stderr=output
            )
        self._wait(self._answers)

    def __enter__(self) -> "Proxy":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def reload(self) -> None:
        """Have it read its file again."""
        assert self.process is not None
        if isinstance(self.reload_by, list):
            subprocess.run(self.reload_by, env=self.environment, capture_output=True, check=True)
        else:
            before = children(self.process.pid)
            self.process.send_signal(self.reload_by)
            self._wait(lambda: bool(children(self.process.pid) - before))
        self._wait(self._answers)

    def kill(self) -> None:
        """As the power would."""
        if self.process is not None:
            for one in [*children(self.process.pid), self.process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            alive = self.process is not None and self.process.poll() is None
            assert alive and time.monotonic() < end, (self.folder / "output").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as plain:
                self.trusting().wrap_socket(plain, server_hostname="localhost").close()
        except OSError:  # not yet, or it has no certificate yet
            return False
        return True


def children(process: int) -> set[int]:
    """The processes another one has started."""
    lines = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
    return {int(word) for line in lines for word in line.split()}


def shown(document: str, number: int = 0) -> str:
    """A configuration file as a document shows it."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return re.findall(r"^```(?:caddyfile|haproxy)\n(.*?)^```$", text, re.M | re.S)[number]


def replaced(text: str, changes: dict[str, str]) -> str:
    """The file with other ports and paths; each change finds its place exactly once."""
    for old, new in changes.items():
        assert text.count(old) == 1, f"the document shows {old!r} once"
        text = text.replace(old, new)
    return text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def caddy(folder: Path, door: int) -> Proxy:
    """Caddy with automatic HTTPS for localhost: its own CA, its own store."""
    port, admin, plain = free_port(), free_port(), free_port()
    ours = f"{{\n\thttp_port {plain}\n\tskip_install_trust\n\tadmin localhost:{admin}\n"
    changes = {
        "{\n\tadmin localhost:2019\n": ours,
        "\nradio.example {": f"\nlocalhost:{port} {{",
        "127.0.0.1:8080": f"127.0.0.1:{door}",
    }
    file = folder / "Caddyfile"
    file.write_text(replaced(shown("behind-caddy.md"), changes))
    named = ["--adapter", "caddyfile", "--config", str(file)]
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
    reload_by = [str(CADDY), "reload", "--force", "--address", f"localhost:{admin}", *named]
    authority = folder / "caddy/pki/authorities/local/root.crt"
    command = [str(CADDY), "run", *named]
    return Proxy(command, {**os.environ, **homes}, folder, port, authority, reload_by)


def haproxy(folder: Path, door: int, certificate: dict[str, str]) -> Proxy:
    """HAProxy in HTTP mode: it ends TLS."""
    port = free_port()
    both = folder / "radio.pem"
    both.write_text("".join(Path(name).read_text() for name in certificate.values()))
    changes = {
        ":443 ssl": f"127.0.0.1:{port} ssl",
        "/etc/haproxy/radio.pem": str(both),
        "127.0.0.1:8080": f"127.0.0.1:{door}",
    }
    return _haproxy(folder, port, certificate, replaced(shown("behind-haproxy.md", 1), changes))


def haproxy_tcp(folder: Path, door: int, certificate: dict[str, str]) -> Proxy:
    """HAProxy in TCP mode: TLS goes through, a PROXY header comes first."""
    port = free_port()
    changes = {":443": f"127.0.0.1:{port}", "127.0.0.1:8443": f"127.0.0.1:{door}"}
    return _haproxy(folder, port, certificate, replaced(shown("behind-haproxy.md"), changes))


def _haproxy(folder: Path, port: int, certificate: dict[str, str], text: str) -> Proxy:
    file = folder / "haproxy.cfg"
    file.write_text(text)
    command = [HAPROXY or "haproxy", "-W", "-f", str(file)]
    authority = Path(certificate["tls_cert"])
    return Proxy(command, dict(os.environ), folder, port, authority, signal.SIGUSR2)
