"""Offers are read fast or refused with a reason; the answer is understood by others."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiortc import sdp as other
from hypothesis import given
from hypothesis import strategies as st

from stentor import limits
from stentor.errors import Refused
from stentor.stage import sdp

OFFERS = Path(__file__).parent / "offers"
CHROMIUM = (OFFERS / "chromium-156.sdp").read_text().replace("\n", "\r\n")
FIREFOX = (OFFERS / "firefox-153.sdp").read_text().replace("\n", "\r\n")
OURS = sdp.Answer(
    session=5,
    addresses=["192.0.2.10", "2001:db8::10"],
    port=40_000,
    ufrag="stage000",
    password="0" * 32,
    fingerprint=":".join(["AB"] * 32),
    ssrc=77,
    cname="name",
)
VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\na=sendrecv\r\n"
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\na=sctp-port:5000\r\n"


def without(*beginnings: str) -> str:
    lines = CHROMIUM.split("\r\n")
    return "\r\n".join(line for line in lines if not line.startswith(beginnings))


def answer(text: str) -> other.SessionDescription:
    """Our answer, as another implementation reads it."""
    return other.SessionDescription.parse(sdp.write_answer(sdp.read_offer(text), OURS))


def refusal(text: str) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        sdp.read_offer(text)
    return caught.value.code, caught.value.sentence


def test_the_offer_of_a_browser_is_read() -> None:
    offer = sdp.read_offer(CHROMIUM)
    assert offer.payload_type == 111
    assert offer.both_ways
    assert offer.bundled
    assert offer.ufrag == "ukYy"
    assert offer.ssrcs == {947485255}
    ((algorithm, value),) = offer.fingerprints
    assert (algorithm, value[:5], len(value)) == ("sha-256", "7E:F0", 95)


def test_the_offer_of_another_browser_is_read() -> None:
    """Its fingerprint stands at the session, and its lines end as they like."""
    for text in (FIREFOX, FIREFOX.replace("\r\n", "\n")):
        offer = sdp.read_offer(text)
        assert (offer.payload_type, offer.both_ways, offer.bundled) == (109, True, True)
        assert (offer.ufrag, offer.ssrcs) == ("8f3a1216", {73979810})
        assert [value[:5] for _, value in offer.fingerprints] == ["3D:E3"]
        assert answer(text).media[0].rtp.codecs[0].payloadType == 109


def test_the_answer_says_what_we_are() -> None:
    read = answer(CHROMIUM)
    assert [str(group) for group in read.group] == ["BUNDLE 0"]
    (audio,) = read.media
    assert (audio.kind, audio.port, audio.direction) == ("audio", 40_000, "sendrecv")
    assert audio.profile == "UDP/TLS/RTP/SAVPF"
    assert (audio.rtp.muxId, audio.rtcp_mux, audio.msid) == ("0", True, "stentor mix")
    assert audio.ice.iceLite
    assert (audio.ice.usernameFragment, audio.ice.password) == ("stage000", "0" * 32)
    assert audio.dtls.role == "server"
    assert audio.dtls.fingerprints[0].value == OURS.fingerprint
    assert [codec.name for codec in audio.rtp.codecs] == ["opus"]
    assert audio.rtp.codecs[0].payloadType == 111
    parameters = audio.rtp.codecs[0].parameters
    assert parameters["useinbandfec"] == 1
    assert (parameters["minptime"], parameters["stereo"]) == (10, 0)
    assert (parameters["usedtx"], parameters["maxaveragebitrate"]) == ("0", "40000")
    assert [(c.ip, c.port, c.type) for c in audio.ice_candidates] == [
        ("192.0.2.10", 40_000, "host"),
        ("2001:db8::10", 40_000, "host"),
    ]
    assert audio.ice_candidates[0].priority > audio.ice_candidates[1].priority
    assert audio.ice_candidates_complete
    assert audio.ssrc[0].ssrc == 77


def test_a_speaker_who_only_sends_is_only_received() -> None:
    read = answer(CHROMIUM.replace("a=sendrecv", "a=sendonly"))
    assert read.media[0].direction == "recvonly"
    assert read.media[0].ssrc == []


def test_other_sections_are_refused_in_place() -> None:
    head, body = CHROMIUM.split("m=audio", 1)
    head = head.replace("BUNDLE 0", "BUNDLE v 0 d")
    offer = f"{head}{VIDEO}m=audio{body}{DATA}{VIDEO.replace(':v', ':w')}"
    text = sdp.write_answer(sdp.read_offer(offer), OURS)
    assert "m=video 0 UDP/TLS/RTP/SAVPF 96 97\r\n" in text
    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n" in text
    assert "a=group:BUNDLE 0\r\n" in text
    read = other.SessionDescription.parse(text)
    assert [media.port for media in read.media] == [0, 40_000, 0, 0]
    assert [media.rtp.muxId for media in read.media] == ["v", "0", "d", "w"]


def test_what_stands_at_the_session_counts_for_the_section() -> None:
    moved = [
        line for line in CHROMIUM.split("\r\n") if line[:12] in {"a=ice-ufrag:", "a=ice-pwd:gG"}
    ]
    moved += [line for line in CHROMIUM.split("\r\n") if line.startswith(("a=fing", "a=setup"))]
    text = without("a=ice-", "a=fingerprint", "a=setup")
    head, body = text.split("m=audio", 1)
    offer = sdp.read_offer(head + "\r\n".join(moved) + "\r\nm=audio" + body)
    assert (offer.ufrag, len(offer.fingerprints)) == ("ukYy", 1)


def test_a_bundled_section_takes_what_the_first_one_says() -> None:
    head, body = CHROMIUM.split("m=audio", 1)
    lines = ("a=ice-", "a=fingerprint", "a=setup")
    moved = "\r\n".join(line for line in body.split("\r\n") if line.startswith(lines))
    rest = "\r\n".join(line for line in body.split("\r\n") if not line.startswith(lines))
    rest = rest.replace(" 38485 ", " 0 ", 1) + "a=bundle-only\r\n"
    text = head.replace("BUNDLE 0", "BUNDLE v 0") + VIDEO + moved + "\r\nm=audio" + rest
    assert sdp.read_offer(text).ufrag == "ukYy"


def test_a_group_of_nothing_is_no_bundle() -> None:
    text = CHROMIUM.replace("a=group:BUNDLE 0", "a=group:BUNDLE \r\na=group:BUNDLE 0")
    assert sdp.read_offer(text).bundled
    assert not sdp.read_offer(CHROMIUM.replace("BUNDLE 0", "BUNDLE ")).bundled


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "v=1\r\n",
        CHROMIUM.replace("v=0\r\n", ""),
        CHROMIUM.replace("s=-", "s"),
        CHROMIUM.replace("s=-", "s=\0"),
        CHROMIUM.replace("s=-", "s=\x1b[31m"),
        CHROMIUM.replace("t=0 0", ""),
        CHROMIUM.replace("m=audio 38485", "m=audio"),
        CHROMIUM.replace("m=audio 38485", "m=audio 99999"),
        CHROMIUM.replace("m=audio 38485", "m=audio -1"),
        CHROMIUM.replace("a=mid:0", "a=mid:0 a"),
        CHROMIUM.replace("a=mid:0", "a=mid:"),
        CHROMIUM.replace("7E:F0", "7E:F"),
        CHROMIUM.replace("sha-256 ", "sha-256"),
        CHROMIUM.replace("ukYy", "uk Yy"),
        CHROMIUM.replace("ukYy", "uk"),
        CHROMIUM.replace("gGSgg", "<gGS"),
    ],
)
def test_malformed_offers_are_refused(text: str) -> None:
    code, sentence = refusal(text)
    assert code == "sdp.malformed"
    assert "cannot be read" in sentence


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("v=0\r\ns=-\r\n", "no audio section"),
        ("v=0\r\ns=-\r\n" + VIDEO, "no audio section"),
        (without("a=rtpmap:111"), "Opus"),
        (CHROMIUM.replace("111 63", "63"), "Opus"),
        (CHROMIUM.replace("a=sendrecv", "a=recvonly"), "sends"),
        (CHROMIUM.replace("a=sendrecv", "a=inactive"), "sends"),
        (CHROMIUM.replace("m=audio 38485", "m=audio 0"), "no audio section"),
        (CHROMIUM.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "no audio section"),
        (without("a=fingerprint"), "fingerprint"),
        (CHROMIUM.replace("sha-256", "md5"), "fingerprint"),
        (without("a=ice-ufrag"), "ICE credentials"),
        (without("a=ice-pwd"), "ICE credentials"),
        (without("a=rtcp-mux"), "rtcp-mux"),
        (CHROMIUM.replace("actpass", "passive"), "DTLS client"),
        (CHROMIUM.replace("t=0 0", "t=0 0\r\na=ice-lite"), "ICE-lite"),
    ],
)
def test_offers_we_cannot_use_are_refused_with_the_reason(text: str, why: str) -> None:
    code, sentence = refusal(text)
    assert code == "sdp.unusable"
    assert why in sentence


CANDIDATE = "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n"
BOMBS: list[Callable[[], str]] = [
    lambda: CHROMIUM + "a=x\r\n" * 500_000,
    lambda: "v=0\r\n" + "a" * 1_000_000,
    lambda: CHROMIUM + CANDIDATE * 5_000,
    lambda: CHROMIUM + "a=\r\n" * limits.SDP_LINES_MAX,
    lambda: CHROMIUM + "m=audio 9 RTP/AVP 0\r\n" * 300,
    lambda: CHROMIUM + "é" * (limits.SDP_BYTES_MAX // 2),
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_before_they_are_read(bomb: Callable[[], str]) -> None:
    text = bomb()
    began = time.perf_counter()
    code, _ = refusal(text)
    assert code == "sdp.too_large"
    assert time.perf_counter() - began < 0.005


def test_the_largest_offer_is_read_fast() -> None:
    hostile = [
        CHROMIUM + "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n" * 300,
        CHROMIUM + "a=rtpmap:" + "1" * 10_000 + "\r\n",
        CHROMIUM + "a=fingerprint:sha-256 " + "AB:" * 4_000 + "\r\n",
        CHROMIUM + "a=ssrc:1 a\r\n" * 300,
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF" + " 1" * 8_000 + "\r\n",
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 1" + " " * 8_000 + "\r\n",
        "v=0\r\n" + "a=group:BUNDLE" + " 0" * 4_000 + "\r\n" + CHROMIUM[5:],
    ]
    for text in hostile:
        best = 1.0
        for _ in range(3):
            began = time.perf_counter()
            try:
                sdp.read_offer(text[: limits.SDP_BYTES_MAX])
            except Refused as refused:
                assert refused.code.startswith("sdp.")
            best = min(best, time.perf_counter() - began)
        assert best < 0.005, text[:60]


@given(st.text(max_size=300))
def test_no_text_raises_anything_else(text: str) -> None:
    for offer in (text, "v=0\r\n" + text, CHROMIUM + text, CHROMIUM[:300] + text + CHROMIUM[300:]):
        try:
            sdp.write_answer(sdp.read_offer(offer), OURS)
        except Refused as refused:
            assert refused.code.startswith("sdp.")


@given(st.data())
def test_no_changed_line_raises_anything_else(data: st.DataObject) -> None:
    lines = CHROMIUM.split("\r\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    cut = data.draw(st.integers(0, len(lines[at])))
    lines[at] = lines[at][:cut] + data.draw(st.text("0123456789:=a BUNDLE/", max_size=8))
    try:
        sdp.write_answer(sdp.read_offer("\r\n".join(lines)), OURS)
    except Refused as refused:
        assert refused.code.startswith("sdp.")
