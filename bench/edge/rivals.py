"""The servers Stentor is compared with: the C limit, Icecast and nginx, each on core 0."""

import os
import pwd
import shutil
import socket
import sys
from pathlib import Path

from bench.edge import source, tools
from bench.edge.processes import CLIENT_CORE, SERVER_CORE, Server, start, until_listening
from bench.edge.programme import BITRATE
from stentor.errors import Unavailable

ICECAST = """
<icecast>
  <limits>
    <clients>19000</clients><sources>2</sources><queue-size>524288</queue-size>
    <client-timeout>60</client-timeout><header-timeout>60</header-timeout>
    <source-timeout>10</source-timeout><burst-size>{burst}</burst-size>
  </limits>
  <authentication>
    <source-password>{password}</source-password><admin-password>{password}</admin-password>
  </authentication>
  <hostname>localhost</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <fileserve>0</fileserve>
  <paths>
    <basedir>{folder}</basedir><logdir>{folder}</logdir><webroot>{folder}</webroot>
    <adminroot>{folder}</adminroot>
  </paths>
  <logging><errorlog>error.log</errorlog><accesslog>access.log</accesslog><loglevel>1</loglevel>
  </logging>
  <security><chroot>0</chroot></security>
</icecast>
"""
NGINX = """
worker_processes 1; worker_rlimit_nofile 20000; daemon off; pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 19000; }}
http {{
  access_log off; sendfile on; tcp_nopush on; types {{ text/html html; }}
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}; }}
}}
"""


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


def c_limit(interval_ms: int, certificate: tuple[Path, Path] | None = None) -> Server:
    """The C program that does nothing but send; with a certificate, over TLS."""
    port = free_port()
    program = str(tools.program("limit"))
    arguments = ["--port", str(port), "--interval-ms", str(interval_ms)]
    if certificate:
        arguments += ["--cert", str(certificate[0]), "--key", str(certificate[1])]
    process = start(
        [program, *arguments, "--bits-per-s", str(BITRATE)], core=SERVER_CORE, silent=True
    )
    until_listening(port, process)
    return Server("c", port, [process])


def icecast(interval_ms: int, folder: Path) -> Server:
    """Icecast with a source of the same bits at the same interval.

    What it sends at once to a newcomer is one interval's bytes: the first byte has not to wait.

    Raises:
        Unavailable: `bench.missing`: it is not installed.
    """
    program = found("icecast2")
    port = free_port()
    burst = BITRATE * interval_ms // 8_000
    config = folder / "icecast.xml"
    config.write_text(
        ICECAST.format(port=port, password=source.PASSWORD, folder=folder, burst=burst)
    )
    user = harmless_user(folder)
    process = start([program, "-c", str(config)], core=SERVER_CORE, user=user, silent=True)
    until_listening(port, process)
    command = [sys.executable, "-m", "bench.edge.source", str(port), str(interval_ms)]
    feeding = start(command, core=CLIENT_CORE, awaits="ready")
    return Server("icecast", port, [process], [feeding])


def nginx(page: bytes, folder: Path) -> Server:
    """One worker of nginx and one static page, `/page.html`.

    Raises:
        Unavailable: `bench.missing`: it is not installed.
    """
    program = found("nginx")
    port = free_port()
    (folder / "page.html").write_bytes(page)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(port=port, folder=folder))
    harmless_user(folder)
    errors = ["-e", str(folder / "error.log")]
    process = start([program, "-c", str(config), *errors], core=SERVER_CORE, silent=True)
    until_listening(port, process)
    return Server("nginx", port, [process])


def found(name: str) -> str:
    """Where a program is.

    Raises:
        Unavailable: `bench.missing`: it is not installed.
    """
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if not path:
        raise Unavailable("bench.missing", f"{name} is missing: scripts/packages.sh bench (root)")
    return path


def harmless_user(folder: Path) -> str | None:
    """Whom a program that refuses to be root runs as; the folder is given to them."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    folder.chmod(0o755)
    for path in (folder, *folder.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return "nobody"
