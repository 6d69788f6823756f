"""Our own encoder and decoder for the few netlink messages of the hot path; standard library only.

pyroute2 has no nexthop objects and takes some 0.4 ms a route; here a message is one `struct.pack`. Everything is in the
byte order of the machine, as rtnetlink(7) has it.
"""
