"""The rules of the door: who may come in, when, and what it costs to ask. Pure.

Values in, values out: times, random bytes and keys are arguments, so that the simulation runs the
very code that gates and usher run. `stentor.gate.policy` decides one join at a gate,
`stentor.gate.usher` folds the reports of all gates and edges into one notice for each Space, and
`stentor.gate.capacity` says how many an edge can hold.
"""
