"""Rates, bans and standing: who is let through, who is not, and how much is remembered."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stentor.limits import (
    BAN_MAX_S,
    BAN_MIN_S,
    BAN_TRICKLE_PER_S,
    OFFENCE_SECONDS,
    OFFENCE_SECONDS_AGAIN,
    OFFENCES_PER_S,
    OFFENDER_FORGOTTEN_S,
    SHIELD_GENERATION_S,
    SHIELD_HOST_RATES,
    SHIELD_KEYS_MAX,
    SHIELD_PREFIX_FACTOR,
    STANDING_FACTOR,
    STANDING_PASSES,
)
from stentor.shield import HalfOpen, Shield, Verb, source_of
from stentor.shield.buckets import Buckets
from stentor.shield.offenders import Offenders
from stentor.shield.prefixes import bannable

CALM = frozenset[str]()
PER_S, BURST = SHIELD_HOST_RATES[Verb.CONNECTION]


def flood(shield: Shield, address: str, per_s: float, since: float, seconds: float) -> int:
    """New connections of one host without a pause; how many were let through."""
    count = round(per_s * seconds)
    return sum(shield.connected(address, since + number / per_s) for number in range(count))


@pytest.mark.parametrize(
    ("address", "host", "prefix"),
    [
        ("203.0.113.7", "203.0.113.7/32", "203.0.113.0/24"),
        ("2001:db8:1:2ff::9", "2001:db8:1:2ff::/64", "2001:db8:1:200::/56"),
        ("::ffff:203.0.113.7", "203.0.113.7/32", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/56"),
        ("", "unknown", "unknown"),
        ("nobody", "unknown", "unknown"),
        ("::x", "unknown", "unknown"),
    ],
)
def test_an_address_is_counted_as_host_and_prefix(address: str, host: str, prefix: str) -> None:
    assert source_of(address) == (host, prefix)


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1/32", "127.0.0.0/24", "::1/64", "::/56", "0.0.0.0/24", "224.0.0.1/32"),
        *("203.0.113.7/24", "203.0.113.7; drop", "", "unknown", "2001:db8::/48", "fe80::/64"),
        *("10.0.0.0/8", "10/8"),
    ],
)
def test_the_kernel_is_told_of_hosts_and_prefixes_of_others_only(text: str) -> None:
    assert bannable(text) is None


@given(st.ip_addresses().map(str))
def test_whoever_is_counted_and_is_somebody_can_be_told_to_the_kernel(address: str) -> None:
    for key in source_of(address):
        network = bannable(key)
        assert network is None or str(network) == key


@given(
    st.floats(1.0, 1_000.0),
    st.integers(1, 50),
    st.lists(st.floats(0.0, 2.0), min_size=1, max_size=200),
)
def test_a_bucket_lets_through_its_burst_and_its_rate_and_no_more(
    per_s: float, burst: int, pauses: list[float]
) -> None:
    buckets = Buckets([(per_s, burst)], 1.0, 8)
    now, taken, began = 1.0, 0, 1.0
    for pause in pauses:
        now += pause
        taken += buckets.take("a", 0, now)
    assert taken <= burst + (now - began) * per_s + 0.01
    assert taken >= min(len(pauses), burst)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 64))
def test_a_table_is_bounded_whatever_is_asked(seed: int, keys_max: int) -> None:
    chance = random.Random(seed)
    buckets = Buckets([(1.0, 2.0)], 1.0, keys_max)
    for number in range(400):
        buckets.take(str(chance.randrange(1_000)), 0, number * chance.random())
        assert len(buckets) <= 2 * keys_max


def test_who_never_stops_asking_is_not_forgotten_among_many() -> None:
    buckets = Buckets([(1.0, 1.0)], 1.0, 4)
    assert buckets.take("flood", 0, 0.0)
    for number in range(100):
        buckets.take(f"other {number}", 0, 0.001 * number)
        assert not buckets.take("flood", 0, 0.001 * number)


def test_what_is_not_heard_of_is_forgotten_within_two_generations() -> None:
    buckets = Buckets([(1.0, 1.0)], 1.0, 100)
    buckets.take("gone", 0, 1.0)
    buckets.take("a", 0, 2.0 + SHIELD_GENERATION_S)
    buckets.take("b", 0, 3.0 + 2 * SHIELD_GENERATION_S)
    assert len(buckets) == 2


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_nobody_honest_is_refused_at_normal_rates(seed: int) -> None:
    """2,000 people behind one address come to one gate within ten seconds: page, join, sound."""
    chance = random.Random(seed)
    shield = Shield(CALM)
    visits = []
    for number in range(2_000):
        moment = chance.uniform(0.0, 10.0)
        visits += [(moment, 0, number), (moment + 0.1, 1, number), (moment + 0.3, 2, number)]
    for moment, what, number in sorted(visits):
        assert shield.connected("198.51.100.9", moment)
        assert shield.asked("198.51.100.9", Verb.REQUEST, moment)
        if what == 1:
            assert shield.asked("198.51.100.9", Verb.JOIN, moment)
        elif what == 2:
            shield.vouched("198.51.100.9", number * 37, moment)
    assert not any(shield.counts().values())


def test_a_flood_is_limited_and_then_kept_out() -> None:
    shield = Shield(CALM)
    passed = flood(shield, "203.0.113.7", 5_000.0, 10.0, 10.0)
    assert passed <= BURST + PER_S * 10.0
    assert shield.news(20.0) == [("203.0.113.7/32", BAN_MIN_S)]
    assert flood(shield, "203.0.113.7", 1_000.0, 21.0, 5.0) <= 5 * BAN_TRICKLE_PER_S + 5
    assert shield.asked("203.0.113.7", Verb.JOIN, 21.0), "who got in is treated as anybody"
    assert shield.connected("203.0.113.7", 20.0 + BAN_MIN_S), "a ban ends"
    counted = shield.counts()
    assert counted["bans"] == 1
    assert counted["connections"] > OFFENCES_PER_S
    assert counted["shut_out"] > 0


def test_neighbours_of_a_flood_have_half_of_their_prefix() -> None:
    shield = Shield(CALM, bans=False)
    flood(shield, "203.0.113.7", 5_000.0, 10.0, 10.0)
    assert flood(shield, "203.0.113.8", 1_000.0, 20.0, 2.0) == 2_000
    assert SHIELD_PREFIX_FACTOR > 1.0


def test_a_prefix_whose_hosts_flood_together_is_kept_out() -> None:
    shield = Shield(CALM)
    news = []
    for number in range(80_000):
        now = 1.0 + number / 8_000.0
        shield.connected(f"203.0.113.{number % 250}", now)
        news += shield.news(now) if not number % 8_000 else []
    assert news == [("203.0.113.0/24", BAN_MIN_S)]
    assert flood(shield, "203.0.113.251", 1_000.0, 11.0, 1.0) <= 2 * BAN_TRICKLE_PER_S
    assert shield.connected("203.0.114.1", 11.0)


def banned_by(offenders: Offenders, now: float, per_s: int = 200) -> tuple[float, float]:
    """Offend until a ban comes of it: its length, and when it began."""
    for number in range(100 * per_s):
        at = now + number / per_s
        if ban_s := offenders.offended("a", at):
            return ban_s, at
    return 0.0, now


def test_bans_grow_and_are_forgotten() -> None:
    offenders = Offenders()
    now, lengths = 100.0, []
    for number in range(10):
        ban_s, began = banned_by(offenders, now)
        wanted_s = OFFENCE_SECONDS if not number else OFFENCE_SECONDS_AGAIN
        assert wanted_s - 1 <= began - now <= wanted_s
        assert offenders.is_banned("a", began)
        lengths.append(ban_s)
        now = began + ban_s
        assert not offenders.is_banned("a", now)
    assert lengths[:3] == [BAN_MIN_S, 2 * BAN_MIN_S, 4 * BAN_MIN_S]
    assert lengths[-1] == BAN_MAX_S
    offenders.forget(now + OFFENDER_FORGOTTEN_S + 1.0)
    assert not offenders.kept
    assert banned_by(offenders, now + OFFENDER_FORGOTTEN_S + 2.0)[0] == BAN_MIN_S


def test_a_machine_is_kept_out_sooner() -> None:
    offenders = Offenders()
    assert banned_by(offenders, 100.0, per_s=5_000)[1] < 101.5


def test_impatience_is_no_offence() -> None:
    assert not banned_by(Offenders(), 100.0, per_s=OFFENCES_PER_S - 1)[0]
    offenders = Offenders()
    for wave in range(50):  # a crowd that comes at once, and again after ten seconds
        for number in range(1_900):
            assert not offenders.offended("a", 10.0 * wave + number / 4_000)


def test_offenders_are_bounded() -> None:
    offenders = Offenders()
    for number in range(SHIELD_KEYS_MAX + 100):
        offenders.offended(str(number), 1.0)
    assert len(offenders._refused) == SHIELD_KEYS_MAX
    offenders.forget(100.0)
    assert not offenders._refused


def test_people_behind_the_address_of_a_flood_are_not_shut_out() -> None:
    shield = Shield(CALM)
    for number in range(STANDING_PASSES * 2):
        shield.vouched("198.51.100.9", number * 7, 1.0)
    flood(shield, "198.51.100.9", 50_000.0, 10.0, 8.0)
    assert not shield.news(20.0), "many people come from there: it is never kept out"
    rate = PER_S * STANDING_FACTOR
    assert flood(shield, "198.51.100.9", rate / 2, 20.0, 2.0) == rate


def test_people_behind_a_flood_that_was_first_come_by_good_standing() -> None:
    """The address is kept out already; what trickles in are floods and people alike."""
    shield = Shield(CALM)
    flood(shield, "198.51.100.9", 5_000.0, 10.0, 10.0)
    assert shield.news(20.0)
    chance, inside, now = random.Random(7), 0, 20.0
    while inside < STANDING_PASSES:  # every fifth connection is a person's
        now += 0.001
        if shield.connected("198.51.100.9", now) and chance.random() < 0.2:
            inside += 1
            shield.vouched("198.51.100.9", inside, now)
    assert now < 20.0 + BAN_MIN_S / 2
    assert shield.news(now) == [("198.51.100.9/32", 0.0)], "the kernel is told"
    assert shield.connected("198.51.100.9", now + 1.0)
    assert not shield.bans(now)


def test_one_pass_shown_often_is_not_many_people() -> None:
    shield = Shield(CALM)
    for _ in range(1_000):
        shield.vouched("198.51.100.9", 4_711, 1.0)
    flood(shield, "198.51.100.9", 5_000.0, 10.0, 10.0)
    assert shield.news(20.0)


def test_some_are_not_counted_and_some_only_refused() -> None:
    shield = Shield({"127.0.0.1"})
    assert flood(shield, "127.0.0.1", 50_000.0, 1.0, 1.0) == 50_000
    answered = sum(
        shield.asked("203.0.113.7", Verb.REQUEST, 1.0 + number / 50_000.0, behind=True)
        for number in range(200_000)
    )
    assert answered < 200_000 / 5, "whichever of them meets a token that has just come"
    assert not shield.news(6.0), "behind a listed proxy nobody is kept out"
    behind_proxies = Shield(CALM, bans=False)
    flood(behind_proxies, "203.0.113.7", 5_000.0, 10.0, 10.0)
    assert not behind_proxies.news(20.0)


def test_joins_over_their_rate_are_no_offence() -> None:
    shield = Shield(CALM)
    refused = sum(not shield.asked("203.0.113.7", Verb.JOIN, 1.0 + n / 5e3) for n in range(20_000))
    assert refused > 15_000
    assert not shield.news(10.0), "whoever joins too often is challenged"


def test_the_operator_may_forgive() -> None:
    shield = Shield(CALM)
    flood(shield, "203.0.113.7", 5_000.0, 10.0, 10.0)
    assert shield.bans(20.0)[0][0] == "203.0.113.7/32"
    shield.forgive("203.0.113.7/32")
    assert not shield.bans(20.0)
    assert shield.connected("203.0.113.7", 60.0)


def test_strangers_by_the_million_take_bounded_memory() -> None:
    shield = Shield(CALM)
    for number in range(3 * SHIELD_KEYS_MAX):
        address = f"2001:db8:{number >> 8:x}:{(number & 255) << 8:x}::1"
        assert shield.connected(address, 1.0 + number * 1e-5)
        shield.vouched(address, number, 1.0)
    held = [*shield._hosts._young, *shield._hosts._old, *shield._prefixes._young]
    assert len(held) <= 3 * SHIELD_KEYS_MAX
    assert len(shield._standing.kept) <= SHIELD_KEYS_MAX


def test_a_prefix_over_its_share_of_half_open_connections_loses_its_oldest() -> None:
    waiting: HalfOpen[int] = HalfOpen(2)
    assert waiting.hold("a", 1) is None
    assert waiting.hold("b", 9) is None
    assert waiting.hold("a", 2) is None
    assert waiting.hold("a", 3) == 1
    waiting.let_go("a", 1)  # it has been already
    waiting.let_go("a", 2)
    assert waiting.hold("a", 4) is None
    for one in (3, 4):
        waiting.let_go("a", one)
    waiting.let_go("b", 9)
    assert not len(waiting)
