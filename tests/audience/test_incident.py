"""The report of an incident: from drawn evenings on a real disk to figures, page and command."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench import incident_recount
from bench.incident.disk import evenings, write
from bench.incident.draw import Attack, Fault, Incident, draw
from stentor.audience.incident import cohorts, command, page, quiet, reading, replay, report, spans
from stentor.audience.incident.evidence import leading_of, ramp
from stentor.audience.incident.report import Report
from stentor.audience.ledger import Demand
from stentor.audience.marks import Mark
from stentor.errors import Corrupt, Refused
from stentor.paths import Paths

SPACE = "badn1ght0000"


def small(**changes: object) -> Incident:
    """A short evening with a few people, a usual evening before it, and whatever is changed."""
    incident = draw(1, "crowd")
    incident.minutes, incident.start_s, incident.edges, incident.history = 7.0, 240.0, 2, 1
    incident.capacity = incident.measured = 300
    incident.told, incident.room, incident.truth = False, True, []
    people = incident.people
    people.count, people.usual, people.pages, people.known = 160, 160, 0.97, 0.6
    people.burst, people.burst_s, people.stay_s, people.behind = 0.5, 30.0, 900.0, 0.2
    for name, value in changes.items():
        setattr(incident, name, value)
    return incident


def told(folder: Path, incident: Incident) -> Report:
    """The report of an evening, every figure of which an independent reader finds again."""
    made = command.make(Paths(folder), write(Paths(folder), incident))
    again = incident_recount.recount(folder, SPACE)
    assert incident_recount.differences(again, json.loads(msgspec.json.encode(made))) == []
    assert incident_recount.count_of(again) > 500
    return made


def test_a_quiet_evening_is_no_incident(tmp_path: Path) -> None:
    made = told(tmp_path, small())
    assert made.leading == ["nothing"]
    assert made.quiet_source == "earlier"
    assert made.outcomes["admitted"] == sum(made.outcomes.values()) >= 160
    assert all(promise.kept is not False for promise in made.promises)
    assert made.anchors
    assert all(anchor.agrees for anchor in made.anchors)


def test_a_crowd(tmp_path: Path) -> None:
    incident = small()
    incident.people.count = 1_500
    made = told(tmp_path, incident)
    assert made.leading == ["crowd"]
    played = {one.key: one for one in made.counterfactuals}
    assert played["without_suspects"].over_spans > 0
    assert played["without_crowd"].over_spans == 0


def test_an_attack_and_the_page_of_it(tmp_path: Path) -> None:
    bots = Attack("joins", 230.0, 410.0, 0, bots=900, prefixes=40, again_s=10.0)
    made = told(tmp_path, small(attacks=[bots]))
    assert made.leading == ["attack"]
    played = {one.key: one for one in made.counterfactuals}
    assert played["all"].over_spans > 0
    assert played["without_suspects"].over_spans == 0
    document = page.page_of(made).decode()
    assert "The evidence speaks for an attack." in document
    assert document.count("<figure") == 6
    assert document.count("<svg viewBox") == document.count("The same as a table")
    assert "style=" not in document  # what a Content-Security-Policy would not let pass
    assert "<script" not in document
    assert "What is not known" in document


def test_faults_of_our_own(tmp_path: Path) -> None:
    faults = [Fault("stage", 250.0, 410.0, 1.0), Fault("keys", 250.0, 410.0, 0.8)]
    made = told(tmp_path, small(faults=faults))
    assert made.leading == ["fault"]
    strong = {one.key for one in made.proofs if one.strength > 0.2}
    assert "fault.stage" in strong
    assert {promise.key for promise in made.promises if promise.kept is False} >= {"stage"}


def test_without_history_it_says_so(tmp_path: Path) -> None:
    incident = small(history=0, start_s=60.0)
    incident.people.count = 900
    made = told(tmp_path, incident)
    assert made.quiet_source in {"evening", "none"}
    assert made.expected_source == "none"
    assert any("how many to expect" in one for one in made.unknown)
    assert [space for space, _, _ in evenings(incident)] == [SPACE]


def test_the_command(tmp_path: Path) -> None:
    write(Paths(tmp_path), small())
    words = [sys.executable, "-m", "stentor", "report", "incident", SPACE, "--data", str(tmp_path)]

    def said(*more: str) -> str:
        done = subprocess.run([*words, *more], capture_output=True, text=True, check=True)
        return done.stdout

    out = tmp_path / "incident.html"
    assert "Nothing was rough" in said("--out", str(out))
    assert out.read_bytes().startswith(b"<!doctype html>")
    (tmp_path / "said.json").write_text(said("--json"))
    reader = str(Path(incident_recount.__file__))
    recount = [sys.executable, "-Es", reader, str(tmp_path), SPACE, str(tmp_path / "said.json")]
    done = subprocess.run(recount, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 differ" in done.stdout


def test_a_changed_ledger_is_seen(tmp_path: Path) -> None:
    write(Paths(tmp_path), small(history=0))
    (segment,) = Paths(tmp_path).ledger(SPACE).glob("*.seg")
    data = bytearray(segment.read_bytes())
    at = data.index(b'"waiting"') if b'"waiting"' in data else data.index(b'"listeners"')
    data[at + 12] ^= 1
    segment.write_bytes(data)
    with pytest.raises(Corrupt):
        command.make(Paths(tmp_path), SPACE)
    with pytest.raises(incident_recount.Wrong):
        incident_recount.recount(tmp_path, SPACE)


def test_a_space_without_a_ledger_has_no_report(tmp_path: Path) -> None:
    write(Paths(tmp_path), small(history=0))
    for segment in Paths(tmp_path).ledger(SPACE).iterdir():
        segment.unlink()
    with pytest.raises(Refused, match="no join ledger"):
        command.make(Paths(tmp_path), SPACE)
    assert not command.write_page(Paths(tmp_path), SPACE)


def test_marks_are_weighed_against_what_is_common() -> None:
    person, machine = 0, Mark.NEW | Mark.PAGELESS | Mark.STRANGE
    assert cohorts.kind_of(person, {}, 1_000) == "people"
    assert cohorts.kind_of(machine, {}, 1_000) == "suspects"
    everybody = {Mark.PAGELESS: 0.9, Mark.STRANGE: 0.9}
    assert cohorts.kind_of(machine, everybody, 0) == "people"
    assert cohorts.kind_of(-1, {}, 1_000) == "unclear"
    assert cohorts.kind_of(machine | Mark.VOUCHED, {}, 0) == "people"


def test_bad_tickets_of_people_say_nothing_of_who_came() -> None:
    ours = Demand(
        outcomes={"refused:ticket.invalid": 40, "admitted": 60},
        examined=100,
        cohorts={int(Mark.BAD): [0, 0, 0, 40, 0, 0], 0: [60, 0, 0, 0, 0, 0]},
        history=1_000,
    )
    assert cohorts.weighing([ours], {}, 10.0)[Mark.BAD] == 1.0
    theirs = Demand(
        outcomes={"refused:ticket.invalid": 4_000, "admitted": 60},
        examined=4_060,
        cohorts={int(Mark.BAD | Mark.NEW): [0, 0, 0, 4_000, 0, 0], 0: [60, 0, 0, 0, 0, 0]},
        history=1_000,
    )
    assert Mark.BAD not in cohorts.weighing([theirs], {}, 10.0)


def test_what_leads() -> None:
    assert leading_of({"crowd": 0.9, "attack": 0.1, "fault": 0.0}, 9) == ["crowd"]
    assert leading_of({"crowd": 0.5, "attack": 0.4, "fault": 0.0}, 9) == ["crowd", "attack"]
    assert leading_of({"crowd": 0.2, "attack": 0.1, "fault": 0.0}, 9) == []
    assert leading_of({"crowd": 0.9, "attack": 0.0, "fault": 0.0}, 1) == ["nothing"]
    assert [ramp(value, 1, 3) for value in (0, 2, 9)] == [0.0, 0.5, 1.0]


def test_the_replay_with_nothing_left_out_is_the_evening(tmp_path: Path) -> None:
    incident = small()
    incident.people.count = 900
    write(Paths(tmp_path), incident)
    read = reading.read(Paths(tmp_path), SPACE)
    usual = quiet.quiet_of(read.counted, read.earlier)
    all_spans = spans.spans_of(read, usual)
    rooms = [float(one.supply.capacity) for one in read.counted]
    played = replay.play(all_spans, rooms=rooms)
    for one, record in zip(played, read.counted, strict=True):
        assert one.seated == pytest.approx(record.supply.listeners, abs=60)
    assert report.report_of(read).peak_waiting > 100
