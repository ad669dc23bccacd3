"""Parameters of the actions on the network."""

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.api.actions.common import InNamespace, ObjectName


class UpdateNetworkPolicy(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Change the rules of a NetworkPolicy."""

    networkpolicy: ObjectName
    rules: Annotated[
        str,
        Meta(
            min_length=2,
            max_length=32768,
            description="Fields of its spec to replace, as YAML: ingress, egress, policyTypes, "
            "podSelector.",
        ),
    ]


class RestartNetwork(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Restart the DaemonSet of that name in kube-system; safety policies deny it by default."""

    component: ObjectName
