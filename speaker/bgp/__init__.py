"""ExaBGP: its configuration, API text and JSON events; the ledger of what was sent; relay and launcher."""
