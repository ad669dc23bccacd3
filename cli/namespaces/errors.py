"""What ends `mendflow namespace`, in words that say what to do."""


class NamespaceError(Exception):
    """What was asked for makes no sense; the message says why and what to do."""
