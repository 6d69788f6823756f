"""The hub's end of BGP: talking to the relay, writing announcements, reloading ExaBGP's configuration."""
