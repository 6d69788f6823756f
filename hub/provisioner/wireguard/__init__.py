"""WireGuard on the hub: one interface a tunnel, with one peer. In the kernel where that can, else by wireguard-go.

An interface of ours carries an alias, `pointsman NETWORK TUNNEL`; what has none is somebody else's and left alone.
"""
