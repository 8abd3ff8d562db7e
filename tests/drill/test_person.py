"""What a person does at the door, answer by answer."""

import json
import random

import msgspec
import pytest

from stentor.drill import answers
from stentor.drill.challenge import Solver
from stentor.drill.person import Ask, Person, Stand
from stentor.gate import challenge
from stentor.gate.places import Place
from stentor.gate.signing import day_keys
from stentor.tokens import Keyring

SPACE = "4f7q2k9x1mzd"


@pytest.fixture
def person() -> Person:
    return Person(1, SPACE, "127.0.0.1:80", 0.0, random.Random(1), lambda challenge: (42, 1.0))


def answer(
    person: Person, now: float, ask: Ask, status: int, head: str = "", **body: object
) -> None:
    person.answered(now, ask, 0.01, status, head, json.dumps(body).encode())


def test_the_page_comes_first_and_then_the_join(person: Person) -> None:
    assert person.next is Ask.PAGE
    assert person.request(Ask.PAGE).startswith(f"GET /s/{SPACE} HTTP/1.1\r\n".encode())
    answer(person, 0.0, Ask.PAGE, 200)
    assert (person.next, person.due) == (Ask.JOIN, 0.0)


def test_a_ticket_is_shown_and_renewed(person: Person) -> None:
    cookie = "\r\nSet-Cookie: stentor-ticket=abc; Path=/s/x; HttpOnly"
    answer(person, 1.0, Ask.JOIN, 200, cookie, renew_after_s=60)
    assert person.next is Ask.STREAM
    assert b"Cookie: stentor-ticket=abc" in person.request(Ask.STREAM)
    assert person.stream_began(1.1, 200, "", b"")
    assert person.renew_at == 61.0
    answer(person, 61.0, Ask.RENEW, 200, "\r\nset-cookie: stentor-ticket=def; HttpOnly")
    assert b"stentor-ticket=def" in person.request(Ask.STREAM)
    assert person.renewals == 1


def test_who_holds_a_place_waits_for_the_mark(person: Person) -> None:
    cookie = "\r\nSet-Cookie: stentor-place=p1; HttpOnly"
    answer(person, 1.0, Ask.JOIN, 202, cookie, turn_us=500, poll_after_s=4)
    assert person.stand is Stand.WAITING
    assert person.next is Ask.MARK
    assert 1 + 3 <= person.due <= 1 + 5
    answer(person, 5.0, Ask.MARK, 200, mode="places", admitting_us=499)
    assert person.next is Ask.MARK
    answer(person, 9.0, Ask.MARK, 200, mode="places", admitting_us=500)
    assert (person.next, person.due) == (Ask.JOIN, 9.0)
    assert b"stentor-place=p1" in person.request(Ask.JOIN)


def test_a_challenge_is_solved_or_waited_out(person: Person) -> None:
    answer(person, 1.0, Ask.JOIN, 428, challenge={"salt": "c1"})
    said = json.loads(person.request(Ask.JOIN).partition(b"\r\n\r\n")[2])
    assert said == {"challenge": "c1", "solution": 42}
    person.solve = None
    answer(person, 2.0, Ask.JOIN, 428, challenge={"salt": "c1"})
    assert json.loads(person.request(Ask.JOIN).partition(b"\r\n\r\n")[2]) == {"patience": True}


def test_who_is_told_no_asks_again_when_they_were_told_to(person: Person) -> None:
    answer(person, 1.0, Ask.JOIN, 503, "\r\nRetry-After: 20", code="door.closed")
    assert person.stand is Stand.TURNED_AWAY
    assert 1 + 15 <= person.due <= 1 + 25
    assert person.told == {"join 503 door.closed": 1}


def test_a_line_that_breaks_is_taken_up_again(person: Person) -> None:
    answer(person, 1.0, Ask.JOIN, 200, renew_after_s=60)
    person.stream_began(1.0, 200, "", b"")
    person.hearing.cursor = "1.77"
    person.lost(5.0, Ask.STREAM)
    assert (person.next, person.breaks) == (Ask.STREAM, 1)
    assert b"?cursor=1.77" in person.request(Ask.STREAM)


def test_answers_are_whole_or_awaited() -> None:
    data = b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\nConnection: close\r\n\r\n{}"
    assert answers.whole(data) is None
    found = answers.whole(data + b"\r\n")
    assert found is not None
    assert (found.head.status, found.body, found.head.closes) == (202, b"{}\r\n", True)
    assert answers.whole(b"HTTP/1.1 200 OK\r\n\r\nabc") is None
    assert answers.whole(b"HTTP/1.1 200 OK\r\n\r\nabc", ended=True) is not None


def test_challenges_are_looked_up_as_they_would_be_searched() -> None:
    keys = day_keys(Keyring("1", {"1": bytes(32)}), 1_000_000.0)
    asked = challenge.ask(Place(SPACE, 7, 8), 8, keys, 1_000_000.0)
    known = Solver({kid.hex(): key.hex() for kid, key in keys.valid.items()})
    document = msgspec.to_builtins(asked)
    assert known.solve(document) == Solver({}).solve(document)
    assert challenge.paid(asked.salt, known.solve(document)[0], SPACE, keys.valid, 1_000_000.0)
    with pytest.raises(ValueError, match="another node"):
        known.solve(document | {"salt": "x" + asked.salt})
