"""B3, B4 and B5: tickets used twice, forged tickets, and every way around tickets."""

import base64
import random
from collections import Counter
from typing import Any

from bench.drill.callers import Call, Callers, get, post, sources
from bench.drill.case import CLOCK, Found
from bench.drill.evening import Evening, evening
from stentor.demo.telling import Telling
from stentor.gate import places, signing, tickets
from stentor.gate.places import Place
from stentor.gate.signing import DayKeys
from stentor.gate.tickets import Ticket

TRIALS = 10_000
TICKETS = 200
USES = TRIALS // TICKETS
FEW_USES = 5
"""A ticket may move that often within a minute (MOVES_PER_MINUTE)."""
BATCH = 20
"""Tickets tried at once: 1,000 connections."""
SETTLE_S = 1.5
LOOK_S = 1.0
VALID_S = 90
SKEW_S = 20
ANSWER_S = 15.0
SHORTLY = "expired two minutes ago"
"""No right to listen; to join it is worth a place at the front, as for whoever was asleep."""


def keys_of(there: Evening) -> DayKeys:
    """The node's keys, as whoever runs it has them."""
    return signing.day_keys(there.place.paths.keyring(), _now_s())


def _now_s() -> float:
    return CLOCK.wall_time() / 1e9


async def b3(telling: Telling) -> Found:
    """A ticket from fifty sources at once, ten thousand times, on two edges."""
    found = Found()
    async with evening(telling, edges=2, capacity=0, live=True) as there:
        callers = Callers(there.place.host, there.place.port)
        chance = random.Random(3)
        tried, twice, alone = 0, 0, 0
        statuses: Counter[int] = Counter()
        try:
            for first in range(0, TICKETS, BATCH):
                batch = await _batch(there, callers, chance, USES)
                for alive in await _alive(callers, batch):
                    twice += max(0, alive - 1)
                tried += sum(map(len, batch))
                statuses.update(one.status for calls in batch for one in calls)
                _hang_up(callers, batch)
                telling.say(f"{tried:,} uses of {first + BATCH} tickets: {twice} streams too many")
            batch = await _batch(there, callers, chance, FEW_USES)
            alone = sum(alive == 1 for alive in await _alive(callers, batch))
        finally:
            callers.close()
    found.figures = {
        "trials": tried,
        "double_streams": twice,
        "tickets": TICKETS,
        "tickets_used_a_few_times": BATCH,
        "of_them_with_one_stream": alone,
        "edges": 2,
        "statuses": dict(statuses),
    }
    found.checks = {
        f"{tried:,} uses of {TICKETS} tickets": tried >= TRIALS,
        f"{twice} streams beside the one a ticket has": twice == 0,
        f"{alone} of {BATCH} tickets that moved {FEW_USES - 1} times have one stream": (
            alone == BATCH
        ),
    }
    return found


async def _alive(callers: Callers, batch: list[list[Call]]) -> list[int]:
    """How many streams of each ticket are given sound now."""
    began = CLOCK.now()
    await callers.run(LOOK_S)
    return [sum(one.last_at > began and not one.done for one in calls) for calls in batch]


def _hang_up(callers: Callers, batch: list[list[Call]]) -> None:
    for calls in batch:
        callers.hang_up(calls)


async def _batch(
    there: Evening, callers: Callers, chance: random.Random, uses: int
) -> list[list[Call]]:
    """Some tickets, each used by all sources at once; after a moment."""
    keys = keys_of(there)
    expires_at_s = int(_now_s()) + VALID_S
    texts = [
        tickets.issue(Ticket(there.space, chance.getrandbits(64), expires_at_s), keys)
        for _ in range(BATCH)
    ]
    batch: list[list[Call]] = [[] for _ in texts]
    path = f"/s/{there.space}/live/opus"
    for source in sources(uses):
        for calls, text in zip(batch, texts, strict=True):
            calls.append(callers.call(get(path, f"Stentor-Ticket: {text}"), source))
        await callers.run(0.0)
    await callers.all([one for calls in batch for one in calls], ANSWER_S)
    await callers.run(SETTLE_S)
    return batch


async def places_only(there: Evening, callers: Callers) -> bool:
    """Wait until the door says that everybody waits for a turn; False when it does not."""
    until = CLOCK.now() + ANSWER_S
    while CLOCK.now() < until:
        call = callers.call(get(f"/s/{there.space}/admitting"), sources(1)[0])
        await callers.all([call], ANSWER_S)
        await callers.run(0.3)
        if b'"mode":"places"' in call.start:
            await callers.run(2.0)  # and so say all gates
            return True
    return False


def forgeries(there: Evening, keys: DayKeys, chance: random.Random) -> list[tuple[str, str]]:
    """(what is wrong with it, text) of every kind of ticket that is none."""
    now = int(_now_s())
    good = Ticket(there.space, chance.getrandbits(64), now + 60)
    text = tickets.issue(good, keys)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    stranger = DayKeys(keys.kid, chance.randbytes(32), keys.valid, keys.until_s)
    unknown = DayKeys(chance.randbytes(4), keys.key, keys.valid, keys.until_s)
    at, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
    flipped = bytearray(data)
    flipped[at] ^= bit
    longer = tickets.issue(Ticket(there.space, good.number, now + 7 * 86_400), stranger)
    return [
        ("another key", tickets.issue(good, stranger)),
        ("an unknown key", tickets.issue(good, unknown)),
        ("a bit flipped", _text(bytes(flipped))),
        ("cut short", _text(data[: chance.randrange(1, len(data))])),
        ("made longer", _text(data + chance.randbytes(4))),
        ("padded", text + "="),
        ("two at once", text + text),
        (SHORTLY, tickets.issue(Ticket(there.space, good.number, now - 120), keys)),
        ("expired", tickets.issue(Ticket(there.space, good.number, now - 300), keys)),
        ("long expired", tickets.issue(Ticket(there.space, good.number, now - 86_400), keys)),
        ("of another Space", tickets.issue(Ticket("4f7q2k9x1mzd", good.number, now + 60), keys)),
        ("a place as a ticket", places.issue(Place(there.space, good.number, now * 10**6), keys)),
        ("valid for ever", tickets.issue(Ticket(there.space, good.number, 2**32 - 1), keys)),
        ("for a week, another key", longer),
        ("chance", _text(chance.randbytes(len(data)))),
        ("nothing", "A" * len(text)),
        ("zeros", _text(bytes(len(data)))),
        ("a rank there is not", tickets.issue(Ticket(there.space, 1, now + 60, 250), keys)),
    ]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def b4(telling: Telling) -> Found:
    """Forged tickets, in every way one could be, ten thousand of them."""
    found, chance = Found(), random.Random(4)
    async with evening(telling, "--waiting-room", "always", live=True) as there:
        callers, keys = Callers(there.place.host, there.place.port), keys_of(there)
        passed: Counter[str] = Counter()
        statuses: Counter[str] = Counter()
        tried = 0
        try:
            waits = await places_only(there, callers)
            while tried < TRIALS:
                calls = []
                for number in range(30):
                    for name, text in forgeries(there, keys, chance):
                        source = sources(500)[(tried + number) % 500]
                        calls.append(_shown(there, callers, chance, name, text, source))
                await callers.all(calls, ANSWER_S)
                for one in calls:
                    kind, name = one.tag
                    tried += 1
                    statuses[f"{kind} {one.status}"] += 1
                    if one.sounds or (kind == "join" and one.status == 200):
                        passed[f"{kind}: {name}"] += 1
                callers.hang_up(calls)
                callers.calls.clear()
            skewed = await _skewed(there, callers, keys)
        finally:
            callers.close()
    found.figures = {
        "trials": tried,
        "passed": sum(passed.values()),
        "passed_how": dict(passed),
        "skew_accepted": skewed,
        "statuses": dict(statuses),
    }
    found.checks = {
        "the waiting room was open": waits,
        f"{tried:,} forgeries": tried >= TRIALS,
        f"{sum(passed.values())} of them passed": not passed,
        f"a ticket that expired {SKEW_S} s ago is still taken: clocks differ": skewed,
    }
    return found


def _shown(
    there: Evening, callers: Callers, chance: random.Random, name: str, text: str, source: str
) -> Call:
    """A forgery shown somewhere: in the cookie or the header, to the stream or to be renewed."""
    shown = chance.choice((f"Stentor-Ticket: {text}", f"Cookie: stentor-ticket={text}"))
    if name == SHORTLY or chance.random() < 0.5:
        said = get(f"/s/{there.space}/live/opus", shown)
        return callers.call(said, source, ("live", name))
    return callers.call(post(f"/s/{there.space}/join", "{}", shown), source, ("join", name))


async def _skewed(there: Evening, callers: Callers, keys: DayKeys) -> bool:
    """Whether a ticket that has just expired is taken."""
    text = tickets.issue(Ticket(there.space, 77, int(_now_s()) - SKEW_S), keys)
    path = f"/s/{there.space}/live/opus"
    call = callers.call(get(path, f"Stentor-Ticket: {text}"), sources(1)[0])
    await callers.all([call], ANSWER_S)
    return call.status == 200


def ways(space: str) -> list[tuple[str, bytes]]:
    """Every way to sound that needs no ticket, as far as one could think of."""
    base = f"/s/{space}"
    targets = [f"{base}/live/{name}" for name in ("opus", "opus-low", "aac", "OPUS", "opus/", "")]
    targets += [f"{base}/live/opus?{query}" for query in QUERIES]
    targets += [f"{base}/radio.{name}" for name in ("mp3", "aac", "ogg", "MP3")]
    targets += [f"{base}/hls/{name}" for name in HLS]
    targets += [f"{base}/replay/{name}.mp4" for name in ("opus", "opus-low", "aac")]
    targets += [one.format(space=space) for one in ODD]
    found = [(target, get(target)) for target in targets]
    for target in (f"{base}/live/opus", f"{base}/radio.mp3", f"{base}/hls/opus/0.m4s"):
        for method in ("HEAD", "POST", "PUT", "OPTIONS", "get", "TRACE", "CONNECT"):
            found.append((f"{method} {target}", get(target, "Content-Length: 0", method=method)))
        found.append((f"HTTP/1.0 {target}", get(target, version="1.0")))
        found += [(f"{target} {header}", get(target, header)) for header in HEADERS]
        found.append((f"absolute {target}", get(f"http://drill{target}")))
        smuggled = get(base, "Content-Length: 0") + get(target)
        found.append((f"behind a page {target}", smuggled))
    return found


QUERIES = ("cursor=1.0", "cursor=0.0", "from=0", "from=48000", "ticket=1", "cursor=1.5&x=1")
HLS = (
    "index.m3u8", "index-all.m3u8", "opus.m3u8", "aac.m3u8", "opus-low.m3u8", "opus-all.m3u8",
    "opus.m3u8?_HLS_msn=0", "opus.m3u8?_HLS_msn=1&_HLS_part=0", "opus/init.mp4", "opus/0.m4s",
    "opus/1.m4s", "opus/0.0.m4s", "opus/1.1.m4s", "aac/0.m4s", "opus-low/0.m4s", "opus/2.m4s",
)  # fmt: skip
ODD = (
    "/s/{space}/live/../live/opus", "/s/{space}/live/%6fpus", "//s/{space}/live/opus",
    "/s/./{space}/live/opus", "/S/{space}/live/opus", "/s/{space}//live/opus",
    "/s/{space}/hls/opus/%30.m4s", "/static/../s/{space}/live/opus", "/s/{space}/live/opus%00",
    "/s/{space}/live/opus;x=1", "/s/{space}/log", "/s/{space}/log/0", "/spaces/{space}/log",
    "/run/edge-0.sock", "/s/{space}/live/opus#x", "/api/spaces/{space}/audio",
)  # fmt: skip
HEADERS = (
    "X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1",
    "Stentor-Ticket:", "Stentor-Ticket: null", "Cookie: stentor-ticket=",
    "Cookie: stentor-ticket=x; stentor-ticket=y", "Range: bytes=0-", "Range: bytes=-1000",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "Authorization: Bearer x", "Stentor-Client: headers", "Icy-MetaData: 1", "Accept: audio/mp4",
    "X-HTTP-Method-Override: GET", "X-Original-URL: /s/x/live/opus", "Cookie: stentor-place=x",
    "Stentor-Host: 1", "Expect: 100-continue", "Transfer-Encoding: chunked",
)  # fmt: skip
WAIT_S = 4.0


async def b5(telling: Telling) -> Found:
    """Every path to audio, without a ticket, while only ticket holders are let in."""
    found = Found()
    async with evening(telling, "--waiting-room", "always", live=True) as there:
        callers = Callers(there.place.host, there.place.port)
        began = CLOCK.now()
        try:
            waits = await places_only(there, callers)
            await callers.run(6.0)  # the first media segments are complete
            everything = ways(there.space)
            spread = sources(len(everything))
            calls = [
                callers.call(said, source, name)
                for (name, said), source in zip(everything, spread, strict=True)
            ]
            await callers.all(calls, ANSWER_S)
            await callers.run(WAIT_S)
            got = sorted({f"{one.tag} -> {one.status}" for one in calls if one.sounds})
            proof = await _control(there, callers)
        finally:
            callers.close()
    figures: dict[str, Any] = {
        "ways": len(calls),
        "with_sound": got,
        "statuses": dict(Counter(str(one.status) for one in calls)),
        "with_a_ticket_it_sounds": proof,
        "seconds": round(CLOCK.now() - began, 1),
    }
    found.figures = figures
    found.checks = {
        "the waiting room was open": waits,
        f"{len(got)} of {len(calls)} ways led to sound without a ticket": not got,
        "with a ticket the same address sounds": proof,
    }
    return found


async def _control(there: Evening, callers: Callers) -> bool:
    """Whether there is sound to be had at all: with a ticket there must be."""
    ticket = Ticket(there.space, 5, int(_now_s()) + VALID_S)
    shown = f"Stentor-Ticket: {tickets.issue(ticket, keys_of(there))}"
    call = callers.call(get(f"/s/{there.space}/live/opus", shown), sources(1)[0])
    await callers.all([call], ANSWER_S)
    await callers.run(1.0)
    return call.sounds
