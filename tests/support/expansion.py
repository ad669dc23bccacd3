"""How a kubelet reads `$(NAME)` in commands and values, after Kubernetes' expansion package."""

from collections.abc import Mapping


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Return what a process gets of a text."""
    done, at = "", 0
    while at < len(text):
        rest = text[at + 1 :]
        if text[at] != "$" or not rest:
            done, at = done + text[at], at + 1
        elif rest[0] == "$":
            done, at = done + "$", at + 2
        elif rest[0] == "(" and ")" in rest:
            name = rest[1 : rest.index(")")]
            done, at = done + variables.get(name, f"$({name})"), at + len(name) + 3
        else:
            done, at = done + text[at : at + 2], at + 2
    return done
