"""`stentor drill`: a rehearsal before the show, with real sockets, and what it shows on paper.

Attacks are aimed at this machine alone: `target.py` refuses everything else.
"""
