"""Whether the far end of each tunnel answers: BFD, ICMP echo, and which tunnel a branch sends through."""
