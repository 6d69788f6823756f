"""The largest TCP segment that is asked for through a tunnel: what fits into it whole."""
