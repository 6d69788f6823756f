"""The hub's firewall: who may reach the tunnels, what may come out of them, and from where the hub is managed.

It has a table of its own and drops only what concerns Pointsman; all else is left to whatever else filters there.
"""
