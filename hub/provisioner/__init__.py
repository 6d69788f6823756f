"""The provisioner: makes the hub's ends of tunnels, pins them to uplinks, keeps keys, filters; root, and on demand.

It is told what is wanted as data, compares that with what is there, and touches only what differs and only what is
ours. It reads no YAML and nothing that comes from the network. Each slice (a folder here) cares for one kind of thing,
with the same file names: `plan.py` (pure: wanted and seen in, changes out), `seen.py` and `backend.py` (the machine).
"""
