"""Everything that is done to the door, and how each of it is to end. Pure.

Nobody here is dangerous alone; each offence is thousands of connections, or one that never stops.
"""

import ssl
from dataclasses import dataclass, field

from bench.abuse.talk import Talk, chunks, get, post
from stentor import limits

LIVE_SPACE = "benchmark001"
PAST_SPACE = "past00000001"
LIVE = f"/s/{LIVE_SPACE}/live/opus"
REPLAY = f"/s/{PAST_SPACE}/replay/opus.mp4"
HEALTH = get("/healthz")
LATE_S = 4.0
"""A deadline may be so much late: attackers take a while to begin, and to notice the end."""


@dataclass(frozen=True, slots=True)
class Offence:
    """One way to hurt others.

    Attributes:
        bounds: names in `limits.py` of what ends it.
        statuses: what it is to hear; empty: nothing.
        count: connections at once.
        rate: connections a second.
        closes_s: when the door is to close what it has not: between these seconds; None: nobody
            waits for that.
        seconds: how long it goes on.
        tls: done to a door that speaks TLS.
        network: its attackers come from 127.NETWORK.x.y.
    """

    name: str
    bounds: tuple[str, ...]
    statuses: frozenset[int]
    count: int
    rate: int
    talk: Talk
    closes_s: tuple[float, float] | None = None
    seconds: float = 4.0
    tls: bool = False
    network: int = 7
    bound: str = field(init=False)

    def __post_init__(self) -> None:
        told = ", ".join(f"{name} = {getattr(limits, name)}" for name in self.bounds)
        object.__setattr__(self, "bound", told)


def after(bound_s: float, early_s: float = 0.5, late_s: float = LATE_S) -> tuple[float, float]:
    """Closed about so long after its beginning."""
    return bound_s - early_s, bound_s + late_s


def hello() -> bytes:
    """The first flight of a TLS handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(inward, outward).do_handshake()
    except ssl.SSLWantReadError:
        return outward.read()
    raise AssertionError("a handshake takes two")


def _storm(name: str, bounds: tuple[str, ...], statuses: set[int], talk: Talk) -> Offence:
    """Many short visits: 400 at once, 1,000 a second."""
    return Offence(name, bounds, frozenset(statuses), 400, 1_000, talk)


def _once(says: bytes, leaves: str = "never") -> Talk:
    return Talk(says, leaves=leaves, again=True)


def _heads() -> list[Offence]:
    many = get("/healthz", *(f"X-{number}: y" for number in range(limits.HEADER_COUNT_MAX)))
    return [
        _storm(
            "10 kB heads",
            ("HEADER_BYTES_MAX",),
            {200},
            _once(get("/healthz", "X: " + "x" * 10_000), "answered"),
        ),
        _storm(
            "heads beyond the bound",
            ("HEADER_BYTES_MAX",),
            {431},
            _once(get("/healthz", "X: " + "x" * 17_000)),
        ),
        _storm("too many headers", ("HEADER_COUNT_MAX",), {431}, _once(many)),
        _storm(
            "heads of spaces",
            ("HEADER_BYTES_MAX",),
            {400},
            _once(get("/healthz", "X: " + " " * 16_000 + "\x01")),
        ),
        _storm("HTTP/1.0", (), {200}, _once(get("/healthz", version="1.0"))),
        _storm(
            "HEAD floods", (), {200}, _once(get(f"/s/{LIVE_SPACE}", method="HEAD") * 5, "answered")
        ),
        _storm("requests for nothing", (), {404}, _once(get("/s/nothing00000"), "answered")),
    ]


def _places() -> list[Offence]:
    return [
        _storm(
            "ranges beyond the end",
            (),
            {416},
            _once(get(REPLAY, "Range: bytes=99999999999-"), "answered"),
        ),
        _storm("negative cursors", (), {400}, _once(get(f"{LIVE}?cursor=-1.-1"), "answered")),
        _storm("negative beginnings", (), {400}, _once(get(f"{LIVE}?from=-48000"), "answered")),
        _storm(
            "malformed tickets",
            ("TICKET_BYTES_MAX",),
            {403},
            _once(get(LIVE, "Stentor-Ticket: " + "A" * 80), "answered"),
        ),
        _storm(
            "cursors beyond numbers",
            (),
            {400},
            _once(get(f"{LIVE}?cursor=9999999999.99999999999999999999"), "answered"),
        ),
        _storm(
            "resuming from the oldest, again and again",
            ("LOG_READS_PER_TURN",),
            {200},
            _once(get(f"{LIVE}?cursor=1.0"), "answered"),
        ),
    ]


def _players() -> list[Offence]:
    playlist = f"/s/{LIVE_SPACE}/hls/opus.m3u8"
    return [
        _storm("playlists, again and again", (), {200}, _once(get(playlist) * 5, "answered")),
        _storm(
            "playlists of a distant future",
            (),
            {400},
            _once(get(f"{playlist}?_HLS_msn=99999999999"), "answered"),
        ),
        _storm(
            "radio, again and again",
            ("TICKETLESS_SHARE",),
            {200},
            _once(get(f"/s/{LIVE_SPACE}/radio.mp3", "Icy-MetaData: 1"), "answered"),
        ),
    ]


def _bodies() -> list[Offence]:
    chunked = post("/api/login", "Transfer-Encoding: chunked")
    return [
        _storm(
            "huge chunked bodies",
            ("BODY_BYTES_MAX",),
            {413, 503},
            _once(chunked + chunks(16_000, 20)),
        ),
        _storm(
            "bodies of single bytes",
            ("CHUNKS_MAX",),
            {400, 503},
            _once(chunked + chunks(1, limits.CHUNKS_MAX + 10)),
        ),
        Offence(
            "bodies that stop",
            ("BODY_DEADLINE_S", "BODIES_MAX", "CLIENT_BODIES_MAX"),
            frozenset({408, 503}),
            2_000,
            1_000,
            Talk(post("/api/login", "Content-Length: 1000") + b"{"),
            (0.0, limits.BODY_DEADLINE_S + LATE_S),
            limits.BODY_DEADLINE_S + LATE_S,
        ),
    ]


def _patience() -> list[Offence]:
    slowly = get("/healthz")[:-2]
    return [
        Offence(
            "slowloris from 1,000 addresses",
            ("HEADER_DEADLINE_S",),
            frozenset({408}),
            5_000,
            2_500,
            Talk(slowly, b"X-a: b\r\n"),
            after(limits.HEADER_DEADLINE_S),
            limits.HEADER_DEADLINE_S + LATE_S + 2,
        ),
        Offence(
            "connections that say nothing",
            ("DEFER_ACCEPT_S", "HEADER_DEADLINE_S"),
            frozenset(),
            5_000,
            2_500,
            Talk(b""),
            # The kernel keeps them to itself for a while, and takes a second try for an answer.
            (0.0, limits.DEFER_ACCEPT_S + limits.HEADER_DEADLINE_S + LATE_S),
            limits.DEFER_ACCEPT_S + limits.HEADER_DEADLINE_S + LATE_S + 2,
        ),
        Offence(
            "listeners who stop reading",
            ("LISTENER_STUCK_S", "CLIENT_DEAD_MS"),
            frozenset(),
            300,
            1_000,
            Talk(get(LIVE), reads=0, receive_buffer=4_096),
            # First what the kernel keeps for them has to be full.
            after(limits.LISTENER_STUCK_S, late_s=8.0),
            limits.LISTENER_STUCK_S + 9.0,
        ),
        Offence(
            "replays that are not read",
            ("ANSWER_STUCK_S", "REPLAY_BLOCK_BYTES"),
            frozenset(),
            2_000,
            1_000,
            Talk(get(REPLAY) * 20, reads=0, receive_buffer=4_096),
            after(limits.ANSWER_STUCK_S),
            limits.ANSWER_STUCK_S + LATE_S + 2,
        ),
    ]


def _junk() -> list[Offence]:
    return [
        _storm(
            "junk behind a request",
            (),
            {200, 400},
            _once(HEALTH + b"\x16\x03\x01 what is this\r\n\r\n" + HEALTH),
        ),
        Offence(
            "requests without a pause",
            (),
            frozenset({200}),
            8,
            1_000,
            Talk(HEALTH * 100, floods=True),
        ),
        Offence(
            "empty lines without a pause",
            (),
            frozenset({400}),
            8,
            1_000,
            Talk(b"\r\n" * 10_000, floods=True, again=True),
        ),
        _storm("resets", (), set(), _once(HEALTH[:20], "reset")),
        Offence(
            "connected and gone",
            ("ACCEPTS_PER_WAKE",),
            frozenset(),
            400,
            2_000,
            _once(b"", "said"),
        ),
    ]


def _tls() -> list[Offence]:
    talk = Talk(hello())
    closes_s = after(limits.HEADER_DEADLINE_S)
    seconds = limits.HEADER_DEADLINE_S + LATE_S
    bounds = ("HEADER_DEADLINE_S",)
    return [
        Offence(
            "half-open TLS", bounds, frozenset(), 1_000, 500, talk, closes_s, seconds + 1, tls=True
        ),
        Offence(
            "HTTP where TLS is spoken", (), frozenset({400}), 400, 1_000, _once(HEALTH), tls=True
        ),
        Offence(
            "junk where TLS is spoken",
            (),
            frozenset(),
            400,
            1_000,
            _once(b"\x16\x03\x01\x00\x05hello" * 20),
            tls=True,
        ),
    ]


OFFENCES = [*_junk(), *_heads(), *_places(), *_players(), *_bodies(), *_patience(), *_tls()]

SLOW_READERS = Offence(
    "listeners who read too slowly",
    ("RING_PARTS", "CLIENT_DEAD_MS"),
    frozenset({200}),
    300,
    1_000,
    # More than what would be called nothing (LISTENER_STUCK_S), less than the sound takes.
    Talk(get(LIVE), reads=1_200, receive_buffer=65_536),
    # When they are two minutes behind, or once their windows have for 15 s been smaller than what
    # waits for them: the kernel takes that for death.
    (30.0, 300.0),
    300.0,
    network=8,
)
"""These go on during the whole drill."""
