"""The door before crowds no machine here can bring: a seeded simulation of the very gate code.

Arrivals, patience, hidden tabs and attackers are made up, edges are counters and time is a number;
what decides about each join, moves the mark and walks the ladder is `stentor.gate`, unchanged.
`stentor.simulation.evening` plays, `stentor.simulation.verdict` judges.
"""
