"""`python -m hub.controller`: the controller alone, for systemd."""

from hub.controller.main import main

raise SystemExit(main())
