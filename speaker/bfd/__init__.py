"""Bidirectional Forwarding Detection (RFC 5880, 5881): packets and the session's state machine, without sockets."""
