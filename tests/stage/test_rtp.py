"""RTP and RTCP agree with another implementation, and no bytes break them."""

from aiortc import rtp as other
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from hypothesis import given
from hypothesis import strategies as st

from stentor.stage import rtp

words = st.integers(0, 2**32 - 1)


@given(st.integers(0, 127), st.integers(0, 65_535), words, words, st.binary(max_size=200))
def test_a_packet_comes_back_as_it_was(
    kind: int, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> None:
    packet = rtp.Packet(kind, sequence, timestamp, ssrc, payload)
    data = rtp.write(packet, marker=True)
    assert rtp.read(data) == packet
    assert rtp.ssrc_of(data) == ssrc
    theirs = other.RtpPacket.parse(data)
    assert theirs.marker == 1
    assert (theirs.payload_type, theirs.sequence_number) == (kind, sequence)
    assert (theirs.timestamp, theirs.ssrc, theirs.payload) == (timestamp, ssrc, payload)


def test_extensions_sources_and_padding_are_left_out() -> None:
    packet = other.RtpPacket(payload_type=111, sequence_number=7, timestamp=9, ssrc=5)
    packet.payload = b"opus"
    packet.csrc = [1, 2]
    packet.padding_size = 4
    packet.extensions.mid = "0"
    extensions = other.HeaderExtensionsMap()
    mid = RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid")
    extensions.configure(RTCRtpParameters(headerExtensions=[mid]))
    data = packet.serialize(extensions)
    assert data[0] == 0b1011_0010
    read = rtp.read(data)
    assert read == rtp.Packet(111, 7, 9, 5, b"opus")


def test_malformed_packets_are_nothing() -> None:
    good = rtp.write(rtp.Packet(111, 1, 1, 1, b"opus"))
    assert rtp.read(good[:11]) is None
    assert rtp.read(b"\x40" + good[1:]) is None
    assert rtp.read(b"\x8f" + good[1:]) is None  # 15 sources that are not there
    assert rtp.read(b"\x90" + good[1:12]) is None  # an extension that is not there
    assert rtp.read(b"\x90" + good[1:12] + b"\xbe\xde\xff\xff") is None
    assert rtp.read(b"\xa0" + good[1:] + b"\xff") is None  # more padding than packet
    assert rtp.read(b"\xa0" + good[1:] + b"\x00") is None


@given(st.binary(max_size=100))
def test_no_bytes_raise(data: bytes) -> None:
    rtp.read(b"\x90" + data)
    rtp.read(b"\xbf" + data)
    rtp.read_control(data)
    rtp.read_control(b"\x81\xc8" + data)
    rtp.read_control(b"\x9f\xcb" + data)


def test_rtcp_is_told_from_rtp() -> None:
    assert rtp.is_rtcp(b"\x80\xc8")
    assert not rtp.is_rtcp(b"\x80\x6f")
    assert not rtp.is_rtcp(b"\x80\xef")


def test_our_reports_are_understood_by_others() -> None:
    reception = rtp.Reception(99)
    for sequence in (65_534, 65_535, 1, 2, 2):
        reception.received(sequence, sequence * 960, 10.0 + sequence * 0.02)
    reception.reported(0xABCD_1234, 20.0)
    sent = rtp.Sent(rtp.ntp_time(1_000_000_000_000_000_000), 960, 3, 120)
    data = rtp.write_control(7, "name", sent, reception.report(20.5), leaving=True)
    report, description, bye = other.RtcpPacket.parse(data)
    assert isinstance(report, other.RtcpSrPacket)
    assert report.ssrc == 7
    assert report.sender_info.packet_count == 3
    assert report.sender_info.ntp_timestamp >> 32 == 1_000_000_000 + 2_208_988_800
    (block,) = report.reports
    assert (block.ssrc, block.highest_sequence) == (99, 65_536 + 2)
    assert (block.lsr, block.dlsr) == (0xABCD_1234, 32_768)
    assert isinstance(description, other.RtcpSdesPacket)
    assert description.chunks[0].items == [(1, b"name")]
    assert isinstance(bye, other.RtcpByePacket)
    assert bye.sources == [7]


def test_loss_is_counted_as_the_standard_counts_it() -> None:
    reception = rtp.Reception(99)
    for sequence in range(100):
        if sequence % 4:
            reception.received(sequence, sequence * 960, sequence * 0.02)
    assert (reception.expected, reception.lost) == (99, 24)
    (block,) = reports(reception.report(3.0))
    assert block.packets_lost == 24
    assert round(block.fraction_lost * 256) == 24 * 256 // 99
    for sequence in range(100, 110):
        reception.received(sequence, sequence * 960, sequence * 0.02)
    (block,) = reports(reception.report(4.0))
    assert (block.packets_lost, block.fraction_lost) == (24, 0.0)
    assert reception.jitter_s < 1e-6


def test_jitter_is_that_of_arrival() -> None:
    reception = rtp.Reception(99)
    for number in range(1_000):
        late = 0.010 if number % 2 else 0.0
        reception.received(number, number * 960 & 0xFFFF_FFFF, number * 0.02 + late)
    assert 0.009 < reception.jitter_s < 0.011


def test_the_way_there_and_back_is_measured() -> None:
    sent = rtp.ntp_time(5_000_000_000)
    middle = (sent >> 16) & 0xFFFF_FFFF
    report = rtp.Report(1, 0.0, 0, 0, middle, 65_536)
    assert rtp.round_trip_s(report, rtp.ntp_time(6_250_000_000)) == 0.25
    assert rtp.round_trip_s(report, rtp.ntp_time(5_900_000_000)) == 0.0
    assert rtp.round_trip_s(report._replace(last_report=0), sent) is None


def reports(block: bytes) -> tuple[rtp.Report, ...]:
    control = rtp.read_control(rtp.write_control(1, "a", None, block))
    assert control is not None
    return control.reports
