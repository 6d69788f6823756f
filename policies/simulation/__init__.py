"""Simulation: the real core on a virtual clock, with a hub, lines and a branch that do at once what they are told.

For what a policy decides, and not for how fast: what takes time in a network takes a fixed, short one here.
"""
