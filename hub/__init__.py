"""Everything with a socket, a file or a clock: the processes of the hub, their command line, and the lab."""
