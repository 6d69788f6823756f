"""The privileged process: liveness of every tunnel, and Pointsman's nexthops and routes in the kernel."""
