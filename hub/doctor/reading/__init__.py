"""Looking at the machine: thin, changes nothing, and never fails on what is missing or may not be read."""
