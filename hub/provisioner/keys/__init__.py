"""The store of WireGuard's keys: files that only root may read, below the state directory, one folder a tunnel.

    keys/bandung/fiber/hub.key        the hub's private key          hub.pub      its public half
                       branch.key     the branch's private key       branch.pub   its public half
                       preshared.key  a secret of both ends, where one is wanted
                       made           when these were made (ISO 8601, UTC)
                       next/          the same, while keys are being exchanged: not in force yet

The hub makes the branch's keys too, because it writes both ends' text. A branch that made its own has no `branch.key`.
"""
