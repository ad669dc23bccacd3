"""What can go wrong with a local cluster, each message saying what to do next."""

from pathlib import Path

TAIL_LINES = 20


class LocalClusterError(Exception):
    """Root of everything that `deploy.local` raises on purpose."""


class BuildError(LocalClusterError):
    """A program could neither be found nor built."""


class StartError(LocalClusterError):
    """A component died, or did not become ready in time."""


def tail(log: Path, *, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, or a word that says there are none."""
    if not log.exists():
        return "(no log)"
    found = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(found) or "(the log is empty)"


def describe_start_failure(*, component: str, what: str, log: Path) -> str:
    """Say which component failed, what its log ends with and where to look further.

    Args:
        component: The name of the component.
        what: What happened, as the rest of a sentence that starts with the name.
        log: Where the component writes its log.
    """
    text = tail(log)
    return (
        f"{component} {what}; the end of {log}:\n\n{text}\n\nWhat to do: {_advice(text, log=log)}"
    )


def _advice(text: str, *, log: Path) -> str:
    """Match the usual causes; what is not known gets the full log."""
    if "address already in use" in text:
        return "another program took the port in the meantime; start again, new ports are chosen."
    if "no space left" in text:
        return f"the disk that holds {log.parent} is full; free some space and start again."
    if "unknown flag" in text or "flag provided but not defined" in text:
        return (
            "the program is another version than this launcher knows; unset KUBEBUILDER_ASSETS, "
            "or run `python -m deploy.local clean-cache` and start again."
        )
    return f"read all of {log}; a busy machine may only need another try."
