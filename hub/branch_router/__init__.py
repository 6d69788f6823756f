"""The branch's end of the network as text to paste: what routes there, its tunnels, its pins, its firewall.

Pure: a `BranchEnd` and its secrets in, text out. Real branches get it by `pointsman router print`; the lab's branches
are made of the same text.
"""
