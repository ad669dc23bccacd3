"""What stops the demo, in words that say what to do."""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""
