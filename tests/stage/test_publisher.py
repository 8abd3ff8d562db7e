"""A speaker is received and heard over real sockets, until he leaves or is lost."""

import asyncio
import socket

import numpy as np
import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSrPacket
from aiortc.rtp import RtpPacket as OtherPacket

from stentor import limits
from stentor.config import Settings
from stentor.demo.network import Network
from stentor.demo.speaker import WhipSpeaker, packets_of
from stentor.errors import Refused, Unavailable
from stentor.stage.publisher import Publisher
from tests.fakes.raw_speaker import SSRC, RawSpeaker, fingerprint_of, hashes, identity
from tests.fakes.shifted_clock import ShiftedClock
from tests.fakes.whip_door import WhipDoor

TONE_HZ = 500


def tone(frames: int = 500, hz: float = TONE_HZ) -> list[bytes]:
    """Opus packets of a steady tone."""
    samples = np.arange(frames * limits.FRAME_SAMPLES)
    wave = 8_000 * np.sin(2 * np.pi * hz * samples / limits.SAMPLE_RATE)
    return packets_of(wave.astype(np.int16).reshape(frames, -1))


async def closing(publisher: Publisher) -> str:
    """Wait for the end; gives its reason."""
    ended = asyncio.Event()
    publisher.on_close = lambda _: ended.set()
    if not publisher.closed:
        await asyncio.wait_for(ended.wait(), 5)
    return publisher.close_reason


async def test_a_webrtc_client_is_received_and_hears_what_is_sent() -> None:
    packets = tone()
    async with WhipDoor() as door:
        speaker = WhipSpeaker(door.url, "token", lambda: packets)
        await speaker.publish()
        (publisher,) = door.publishers
        for number, packet in enumerate(packets[:75]):
            publisher.send(packet, 960 * number)
            await door.wait_packets(len(door.packets) + 1)  # paced by the speaker
        await speaker.wait_heard(50)
        assert publisher.connected
        assert publisher.last_packet_at == door.packets[-1][3]
        assert [payload for _, _, payload, _ in door.packets] == packets[: len(door.packets)]
        first = door.packets[0]
        for number, (sequence, timestamp, _, _) in enumerate(door.packets):
            assert sequence == (first[0] + number) & 0xFFFF
            assert timestamp == (first[1] + 960 * number) & 0xFFFF_FFFF
        heard = np.concatenate([frame.samples for frame in speaker.heard])[-24_000:]
        spectrum = np.abs(np.fft.rfft(heard))
        assert np.argmax(spectrum) * 2 == TONE_HZ
        stats = publisher.stats()
        assert (stats["packets_lost"], stats["packets_out"]) == (0, 75)
        assert stats["locked"]
        await speaker.leave()
        assert (publisher.closed, publisher.close_reason) == (True, "closed")
        assert not publisher.connected
        await asyncio.wait_for(speaker.gone.wait(), 2)


async def test_a_client_that_closes_has_left() -> None:
    async with WhipDoor() as door:
        speaker = WhipSpeaker(door.url, "token", tone, hears=False)
        await speaker.publish()
        await door.wait_packets(3)
        ending = asyncio.create_task(closing(door.publishers[0]))
        await speaker.disconnect()
        assert await ending == "left"


async def test_a_door_that_refuses_tells_the_speaker_why() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with WhipDoor(Settings(udp_ports=f"{port}")) as door:
            with pytest.raises(Refused) as caught:
                await WhipSpeaker(door.url, "token", tone).publish()
            assert caught.value.code == "stage.no_udp"
            speaker = RawSpeaker()
            speaker.close()
            with pytest.raises(Unavailable, match="firewall"):
                await door.publish(speaker.offer())
            with pytest.raises(Refused):
                await door.publish("v=0\r\n" * 300_000)
            assert door.publishers == []


async def test_reports_are_exchanged_and_a_bye_is_obeyed() -> None:
    clock = ShiftedClock()
    async with WhipDoor(clock=clock) as door:
        speaker = RawSpeaker()
        publisher = await door.publish(speaker.offer())
        await speaker.connect(publisher.answer)
        for sequence in (10, 11, 13):
            speaker.send(speaker.packet(sequence))
        await door.wait_packets(3)
        publisher.send(b"opus", 0)
        assert speaker.incoming is not None
        mix = OtherPacket.parse(speaker.incoming.unprotect(await speaker.receive()))
        assert (mix.payload, mix.marker, mix.payload_type) == (b"opus", 1, 111)
        clock.ahead_s += limits.RTCP_INTERVAL_S
        report, *_ = RtcpPacket.parse(speaker.incoming.unprotect_rtcp(await speaker.receive()))
        assert isinstance(report, RtcpSrPacket)
        assert (report.ssrc, report.sender_info.packet_count) == (mix.ssrc, 1)
        (block,) = report.reports
        assert (block.ssrc, block.packets_lost, block.highest_sequence) == (SSRC, 1, 13)
        # Half a second later the speaker says that he took a quarter of it.
        clock.ahead_s += 0.5
        middle = (report.sender_info.ntp_timestamp >> 16) & 0xFFFF_FFFF
        about = RtcpReceiverInfo(mix.ssrc, 0, 0, 0, 0, middle, 65_536 // 4)
        bye = bytes(RtcpByePacket([SSRC]))
        assert speaker.outgoing is not None
        ending = asyncio.create_task(closing(publisher))
        receiver = bytes(RtcpRrPacket(SSRC, [about]))
        speaker.send(speaker.outgoing.protect_rtcp(receiver + bye))
        assert await ending == "left"
        assert 0.25 <= publisher.stats()["round_trip_s"] < 0.75
        speaker.close()


async def test_speakers_of_ipv4_and_ipv6_come_to_the_same_socket() -> None:
    async with WhipDoor(Settings(listen="0.0.0.0:443", udp_public="127.0.0.1")) as door:
        speaker = RawSpeaker()
        publisher = await door.publish(speaker.offer())
        await speaker.connect(publisher.answer)
        answer = await speaker.check_passes()
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == speaker.socket.getsockname()
        speaker.send(speaker.packet(1))
        await door.wait_packets(1)
        publisher.send(b"mix", 0)
        assert (await speaker.receive())[0] == 0x80
        assert publisher.stats()["locked"]
        speaker.close()


async def test_who_does_not_connect_in_time_is_let_go() -> None:
    clock = ShiftedClock()
    async with WhipDoor(clock=clock) as door:
        speaker = RawSpeaker()
        publisher = await door.publish(speaker.offer())
        speaker.learn(publisher.answer)
        await speaker.check_passes()
        clock.ahead_s += limits.PUBLISH_TIMEOUT_S
        assert await closing(publisher) == "timeout"
        # The port is free again.
        with door.ports.open_at(speaker.stage[1]):
            speaker.close()


async def test_who_falls_silent_is_lost() -> None:
    clock = ShiftedClock()
    async with WhipDoor(clock=clock) as door:
        speaker = RawSpeaker()
        publisher = await door.publish(speaker.offer())
        await speaker.connect(publisher.answer)
        speaker.send(speaker.packet(1))
        await door.wait_packets(1)
        clock.ahead_s += limits.SPEAKER_LOST_S - 1
        speaker.send(speaker.check())  # consent (RFC 7675) is a sign of life as well
        await speaker.receive()
        clock.ahead_s += 2
        await asyncio.sleep(0.6)  # two looks at the clock
        assert not publisher.closed
        clock.ahead_s += limits.SPEAKER_LOST_S
        assert await closing(publisher) == "lost"
        speaker.close()


async def test_another_certificate_than_the_one_offered_is_the_end() -> None:
    async with WhipDoor() as door:
        speaker = RawSpeaker()
        other, _ = identity()
        offer = speaker.offer(fingerprint=fingerprint_of(other, hashes.SHA256()))
        publisher = await door.publish(offer)
        ending = asyncio.create_task(closing(publisher))
        connecting = asyncio.create_task(speaker.connect(publisher.answer))
        assert await ending == "closed"
        assert not publisher.connected
        connecting.cancel()
        speaker.close()


async def test_a_cut_network_mends_and_a_new_session_takes_over() -> None:
    network = Network()
    async with WhipDoor() as door:
        speaker = WhipSpeaker(door.url, "token", tone, hears=False, network=network)
        await speaker.publish()
        await door.wait_packets(10)
        network.cut()
        before = len(door.packets)
        await asyncio.sleep(0.2)
        assert len(door.packets) - before <= 1
        network.mend()
        await door.wait_packets(before + 10)
        assert door.publishers[0].stats()["packets_lost"] >= 8
        old = speaker.session
        await speaker.republish()
        assert speaker.session != old
        await door.wait_packets(len(door.packets) + 10)
        assert door.publishers[1].stats()["packets_in"] >= 5
        await speaker.leave()


async def test_a_speaker_whose_address_changes_is_followed() -> None:
    clock = ShiftedClock()
    async with WhipDoor(clock=clock) as door:
        speaker = RawSpeaker()
        publisher = await door.publish(speaker.offer())
        await speaker.connect(publisher.answer)
        speaker.send(speaker.packet(1))
        await door.wait_packets(1)
        assert publisher.stats()["locked"]
        speaker.move()
        clock.ahead_s += limits.PEER_SILENT_S
        while publisher.stats()["locked"]:
            await asyncio.sleep(0.01)
        speaker.send(speaker.packet(2))  # the new address has not proved itself yet
        speaker.send(speaker.check(nominate=False))
        await speaker.receive()
        speaker.send(speaker.packet(3))
        await door.wait_packets(2)
        assert [packet[0] for packet in door.packets] == [1, 3]
        publisher.send(b"mix", 0)
        assert (await speaker.receive())[0] == 0x80
        # Two addresses are known now; the socket is locked when the new one has settled.
        clock.ahead_s += limits.PEER_SETTLED_S
        while not publisher.stats()["locked"]:
            speaker.send(speaker.check())
            await asyncio.sleep(0.05)
        speaker.send(speaker.packet(4))
        await door.wait_packets(3)
        speaker.close()


async def test_an_outage_ends_with_the_first_packet() -> None:
    clock = ShiftedClock()
    async with WhipDoor(clock=clock) as door:
        speaker = RawSpeaker()
        publisher = await door.publish(speaker.offer())
        await speaker.connect(publisher.answer)
        clock.ahead_s += limits.PEER_SILENT_S
        while publisher.stats()["locked"]:
            await asyncio.sleep(0.01)
        speaker.send(speaker.packet(1))
        await door.wait_packets(1)
        while not publisher.stats()["locked"]:
            await asyncio.sleep(0.01)
        speaker.close()


@pytest.mark.parametrize("seed", range(3))
async def test_a_lossy_network_connects_all_the_same(seed: int) -> None:
    network = Network(loss=0.2, seed=seed)
    async with WhipDoor() as door:
        speaker = WhipSpeaker(door.url, "token", tone, hears=False, network=network)
        await speaker.publish()
        await door.wait_packets(20)
        assert network.lost
        await speaker.disconnect()
