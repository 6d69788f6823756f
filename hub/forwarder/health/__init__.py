"""What the forwarder measures of tunnels that live: lost probes, round trips, counters, handshakes, path MTU."""
