"""Policies for tests, from the rules that matter."""

from typing import Final

from shared.policy.port import Policy

PACKAGE: Final = "precondition.scale_deployment.tried"


def policy(rules: str, *, package: str = PACKAGE, is_deny: bool = False) -> Policy:
    """Return a policy whose module declares the package and holds the rules."""
    return Policy(
        name="tried",
        package=package,
        module=f"package {package}\n\nimport rego.v1\n\n{rules}\n",
        reasons="deny" if is_deny else "error_message",
        is_deny=is_deny,
    )
