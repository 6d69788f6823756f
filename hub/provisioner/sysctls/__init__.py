"""Settings of the kernel without which the hub forwards nothing, or drops what comes back another way."""
