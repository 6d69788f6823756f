"""What a plan is made of: health by other limits, what the core would do with it, what differs, and the guards."""
