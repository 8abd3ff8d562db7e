"""Measurements and drills on the whole product; each is a command of `make`."""
