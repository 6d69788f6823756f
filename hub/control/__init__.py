"""The local sockets' first line, the JSON lines behind it, and where the sockets are."""
