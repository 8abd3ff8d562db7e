"""What a TLS handshake costs the server, resumed or not, by certificate, version and curve.

    python -m bench.edge.handshakes [--rounds 500]

In memory, without a network: only the server's half is timed, on the terms of the door
(`stentor.edge.certificate`). Accepting and waking cost another 50 to 100 us each. Prints a table
and one JSON line last.
"""

import argparse
import json
import ssl
import statistics
import tempfile
import time
from pathlib import Path

from stentor.clock import SystemClock
from stentor.config import Settings
from stentor.edge.certificate import Certificate
from tests.certificates import make_certificate

VERSIONS = {"1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}
CURVES = {"X25519": None, "P-256": "prime256v1"}
"""What the client offers first: browsers X25519 (and a post-quantum hybrid OpenSSL 3.5 knows)."""


def client(version: ssl.TLSVersion, curve: str | None) -> ssl.SSLContext:
    """A client that looks at no certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = made.maximum_version = version
    if curve is not None:
        made.set_ecdh_curve(curve)
    return made


def handshake(
    server: ssl.SSLContext, theirs: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, float]:
    """One handshake: the client's end, and the seconds the server had work."""
    to_server, from_server, to_client, from_client = (ssl.MemoryBIO() for _ in range(4))
    guest = theirs.wrap_bio(to_client, from_client, session=session)
    began = time.perf_counter()
    host = server.wrap_bio(to_server, from_server, server_side=True)
    spent = time.perf_counter() - began
    for _ in range(2):
        _step(guest.do_handshake)
        to_server.write(from_client.read())
        began = time.perf_counter()
        _step(host.do_handshake)
        spent += time.perf_counter() - began
        to_client.write(from_server.read())
    _step(guest.do_handshake)
    _step(guest.read)  # a ticket of TLS 1.3 comes with what is read first
    return guest, spent


def _step(step: object) -> None:
    try:
        step()
    except ssl.SSLWantReadError:
        return


def measure(folder: Path, rounds: int) -> list[dict[str, object]]:
    """Every combination, medians in microseconds."""
    rows: list[dict[str, object]] = []
    for kind in ("P-256", "RSA-2048"):
        home = folder / kind
        home.mkdir()
        files = make_certificate(home, 1, with_rsa=kind != "P-256")
        server = Certificate(Settings(**files), SystemClock()).context
        assert server is not None
        for version, number in VERSIONS.items():
            for curve, name in CURVES.items():
                theirs = client(number, name)
                new = [handshake(server, theirs)[1] for _ in range(rounds)]
                session = handshake(server, theirs)[0].session
                again = [handshake(server, theirs, session) for _ in range(rounds)]
                assert all(guest.session_reused for guest, _ in again)
                figures = (new, [spent for _, spent in again])
                new_us, resumed_us = (round(statistics.median(each) * 1e6) for each in figures)
                rows.append(
                    {
                        "certificate": kind,
                        "tls": version,
                        "curve": curve,
                        "new_us": new_us,
                        "resumed_us": resumed_us,
                    }
                )
    return rows


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=500)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), asked.parse_args().rounds)
    print(f"{'certificate':12}{'TLS':6}{'curve':9}{'new us':>8}{'resumed us':>12}")
    for row in rows:
        print("{certificate:12}{tls:6}{curve:9}{new_us:8}{resumed_us:12}".format(**row))
    print(json.dumps({"openssl": ssl.OPENSSL_VERSION, "rows": rows}))


if __name__ == "__main__":
    main()
