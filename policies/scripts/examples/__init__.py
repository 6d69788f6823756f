"""Policy scripts that are useful as they are: copy one into `policies/` of the configuration, and change it there."""
