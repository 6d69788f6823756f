"""Starts the provisioner as a process of its own."""

from hub.provisioner.main import main

raise SystemExit(main())
