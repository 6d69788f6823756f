"""The protocols, without sockets but for the relay: BGP through ExaBGP, and BFD.

Knows the model, not the policy, and nothing of the kernel.
"""
