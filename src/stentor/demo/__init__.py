"""The demo: a whole evening with real processes, real voices and real listeners, and its proof.

The drills of `bench/` are made of the same pieces.
"""
