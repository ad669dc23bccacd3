"""What ends a command on policies, in words that say what to do."""


class PolicyCommandError(Exception):
    """The command cannot do what it was asked; the message says why and what to do."""


class UsageError(PolicyCommandError):
    """What was asked for makes no sense, or names what is not there."""
