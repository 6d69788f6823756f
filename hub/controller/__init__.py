"""The unprivileged loop: observe, decide, publish, record."""
