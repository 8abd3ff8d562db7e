"""Ports come from the range, and when it is used up the operator is told what to do."""

import socket

import pytest

from stentor.config import Settings
from stentor.errors import Refused, Unavailable
from stentor.stage.ports import Ports


def test_a_private_node_is_reached_from_this_machine_only() -> None:
    for listen in ("127.0.0.1:8080", "localhost:8080", "[::1]:8080"):
        ports = Ports.of(Settings(listen=listen))
        assert ports.addresses[0] == "127.0.0.1"
        assert ports.private
        assert all(ports.admits(host) for host in (*ports.addresses, "127.0.0.5"))
        assert not any(ports.admits(host) for host in ("203.0.113.5", "10.0.0.1", "1270.0.0.1"))
        with ports.open() as opened, socket.socket(type=socket.SOCK_DGRAM) as sender:
            opened.settimeout(1)
            for address in ports.addresses:
                sender.sendto(address.encode(), (address, opened.getsockname()[1]))
                assert opened.recv(100) == address.encode()


def test_a_node_behind_a_proxy_is_no_private_one() -> None:
    for settings in (
        Settings(public_url="https://spaces.example.org"),
        Settings(udp_public="203.0.113.5"),
        Settings(udp_listen="127.0.0.1"),
    ):
        assert not Ports.of(settings).private
    assert Ports.of(Settings(udp_public="203.0.113.5")).addresses == ["203.0.113.5"]
    ports = Ports.of(Settings(udp_listen="127.0.0.1"))
    assert (ports.host, ports.addresses) == ("127.0.0.1", ["127.0.0.1"])


def test_a_public_node_is_everywhere_and_tells_its_own_addresses() -> None:
    ports = Ports.of(Settings(listen="0.0.0.0:443"))
    assert ports.host in {"::", "0.0.0.0"}
    assert ports.addresses
    assert ports.admits("203.0.113.5")
    assert not any(text.startswith(("fe80", "::", "0.")) for text in ports.addresses)


def test_what_the_operator_says_counts() -> None:
    settings = Settings(
        listen="0.0.0.0:443", udp_listen="127.0.0.7", udp_public="203.0.113.5, 2001:db8::5"
    )
    ports = Ports.of(settings)
    assert (ports.host, ports.addresses) == ("127.0.0.7", ["203.0.113.5", "2001:db8::5"])
    with ports.open() as opened:
        assert opened.getsockname()[0] == "127.0.0.7"
        assert opened.getsockname()[1] in settings.udp_range
    for wrong in (Settings(udp_public="example.org"), Settings(udp_listen="eth0")):
        with pytest.raises(Refused, match="not an IP address"):
            Ports.of(wrong)


def test_all_addresses_of_ipv4_and_ipv6_are_served_by_one_socket() -> None:
    ports = Ports.of(Settings(listen="0.0.0.0:443"))
    with ports.open() as opened, socket.socket(type=socket.SOCK_DGRAM) as sender:
        opened.setblocking(True)
        sender.sendto(b"hello", ("127.0.0.1", opened.getsockname()[1]))
        seen = "::ffff:127.0.0.1" if socket.has_dualstack_ipv6() else "127.0.0.1"
        assert opened.recvfrom(10)[1][0] == seen


def test_a_used_up_range_names_itself_and_heals() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    ports = Ports.of(Settings(udp_ports=f"{free}-{free}"))
    taken = ports.open()
    with pytest.raises(Unavailable) as caught:
        ports.open()
    assert caught.value.code == "stage.no_udp"
    assert f"{free}-{free}" in caught.value.sentence
    assert "firewall" in caught.value.sentence
    taken.close()
    ports.open().close()
