"""The vocabulary that all of Pointsman shares: identities, intent, view, desired, events."""
