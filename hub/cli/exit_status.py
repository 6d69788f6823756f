"""What the commands' exit statuses mean."""

DONE, REFUSED, USAGE, NOT_RUNNING, NOT_ALL_YET = 0, 1, 2, 3, 4
"""2 is argparse's own for wrong usage; 4 is what `apply` leaves when it is in force, but not all of it yet, and
`drain` when it is in force, but not seen to be idle in time."""
