"""All cases, with the promise each is held to (the words are those of the promise, not ours)."""

from bench.drill import behind, crowds, flash, ladder, others, slow, source, syn, tickets
from bench.drill.case import Case

CASES = (
    Case(
        "B1", "20,000 people in 10 s around the start",
        "first part of the programme <= 1 s after the scheduled time; Space page p99 < 1 s; 0"
        " answers 5xx; everyone has audio or a place; 0 stalls of the admitted",
        flash.b1,
    ),
    Case(
        "B2", "the same, with ten times capacity of attackers without tickets",
        "honest admission >= 95 % of the quiet run's; admitted stalls 0; stage missing samples 0; a"
        " dropped speaker is back in <= 5 s and a host's start takes effect in <= 3 s meanwhile",
        flash.b2, 240.0,
    ),
    Case(
        "B3", "tickets used fifty times each, on two edges",
        "10,000 trials: 0 successes", tickets.b3, patient=True,
    ),
    Case("B4", "forged tickets", "10,000 trials: 0 successes", tickets.b4, patient=True),
    Case("B5", "every path to audio, without a ticket", "0 successes", tickets.b5, patient=True),
    Case(
        "B8", "5,000 bots that really listen, and 500 people",
        "bots from 20 prefixes: >= 95 % of people in within two leases; from 5,000: reported",
        crowds.b8, 400.0, patient=True,
    ),
    Case("B9", "slowloris", "page p99 < 1 s, admitted stalls 0", slow.b9),
    Case("B10", "slow reads", "page p99 < 1 s, admitted stalls 0", slow.b10),
    Case(
        "B11", "a SYN flood, in namespaces of its own", "page p99 < 1 s, admitted stalls 0", syn.b11
    ),
    Case(
        "B15", "an edge dies under its listeners", ">= 95 % of them admitted again, within 30 s",
        crowds.b15,
    ),
    Case(
        "B16", "2,000 people behind one address, then with a flooder behind it",
        ">= 95 % admitted, both times", crowds.b16, 240.0,
    ),
    Case(
        "B16K", "people behind the very host that floods, which the kernel keeps out already",
        ">= 95 % admitted, within 30 s", behind.b16k, 120.0,
    ),
    Case(
        "A3", "150,000 junk datagrams a second at the stage's port, for 30 s",
        "missing <= 60 ms per minute", slow.a3,
    ),
    Case(
        "D2", "up the ladder and down again",
        "steps in the documented order, each logged, 0 stalls of the admitted through step 5, and"
        " back",
        ladder.d2, 330.0, patient=True,
    ),
    Case(
        "G1", "reports of crowd, attack, both and own fault, 20 seeds each",
        "the leading evidence is right in >= 95 %, cannot tell in at most 10 %; every figure"
        " recomputed by an independent reader",
        others.g1, 600.0, patient=True,
    ),
    Case(
        "GATE", "a gate's answers beside nginx",
        "waiting page, ticket issue and refusal of a bad ticket >= 0.6 x nginx's static page",
        others.gate, 300.0,
    ),
    Case(
        "SOURCE", "one host that connects and asks without a pause",
        "with kernel refusal one flooding source costs the gate < 20 % of a core, honest joins p99"
        " <= 100 ms",
        source.source,
    ),
    Case(
        "SIM", "a million arrivals in 60 s on 20 edges, simulated",
        "Kolmogorov-Smirnov p >= 0.01 in >= 18 of 20 seeds; wait estimate off by <= 20 % (median);"
        " no visible waiting page older than 15 s",
        others.sim, 1_200.0, patient=True,
    ),
)  # fmt: skip

COMPUTING = {"G1": others.INCIDENTS, "SIM": others.SIMULATION}
"""Cases whose programs compute beside the patient ones."""
