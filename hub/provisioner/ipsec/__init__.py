"""The hub's ends of IPsec tunnels: IKE peers in strongSwan (through VICI), and the interfaces that are made of them.

A tunnel is, in this order: the hub's loopback address on `lo`, a route that keeps what is for the branch's loopback
from leaving in clear, the inner interface, the secret and the connection in charon. `docs/explanation/ipsec.md` says
why each is as it is.
"""
