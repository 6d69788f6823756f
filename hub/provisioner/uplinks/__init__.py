"""Uplinks of the hub: each tunnel's outer packets leave by the uplink of the tunnel, and that is looked at again."""
