"""Writes, by the API server's own count."""

import re
from typing import Final

from tests.support.kubectl import Kubectl

_OBJECTS: Final = re.compile(
    r'resource="(?:workflowexecutions|kubernetesexecutions)".*verb="(?:POST|PUT|PATCH|APPLY|DELETE)"'
)
_EFFECTS: Final = re.compile(r'resource="deployments".*subresource="".*verb="PATCH"')


def our_writes(kubectl: Kubectl) -> float:
    """Return how many writes to our objects, and effects on Deployments, were served so far.

    What was refused as late, or only tried, was not written. The Deployment controller puts
    its revision and status; only effects are patches.
    """
    lines = kubectl.ok("get", "--raw", "/metrics").splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith("apiserver_request_total{")
        and 'code="2' in line
        and 'dry_run=""' in line
        and (_OBJECTS.search(line) or _EFFECTS.search(line))
    )
