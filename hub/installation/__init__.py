"""Putting Pointsman's units, users and settings on a machine with systemd, and taking away exactly those again."""
