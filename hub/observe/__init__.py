"""What the controller observes beyond its tunnels: targets are asked and custom checks run; each only emits events."""
