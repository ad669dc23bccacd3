"""Rules of the network."""

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import NETWORK_POLICY
from tests.support.bodies import object_of, text_of
from tests.support.inverses.case import NAME, Case
from tests.support.inverses.values import labels, metadata
from tests.support.parameters import keyed

if TYPE_CHECKING:
    from shared.kube.port import Object


@st.composite
def rules(draw: st.DrawFn) -> Case:
    """Return a NetworkPolicy that gets other rules."""
    spec: Object = {"podSelector": {"matchLabels": draw(labels)}, "policyTypes": ["Ingress"]}
    if draw(st.booleans()):
        spec["ingress"] = [{"ports": [{"port": 80}]}]
    wanted: Object = {"ingress": [{"ports": [{"port": 8080, "protocol": "TCP"}]}]}
    if draw(st.booleans()):
        wanted |= {"policyTypes": ["Ingress", "Egress"], "egress": []}
    if draw(st.booleans()):
        wanted["podSelector"] = {"matchLabels": {"ours": "1"}}
    return Case(
        action=Action.UPDATE_NETWORK_POLICY,
        kind=NETWORK_POLICY,
        body=object_of(NETWORK_POLICY, draw(metadata()), spec=spec),
        parameters=keyed(
            Action.UPDATE_NETWORK_POLICY,
            {"networkpolicy": NAME, "rules": text_of(wanted)},
        ),
        there={"spec": {"ingress": wanted["ingress"]}},
        owned={"spec": {"ingress": [{"ports": [{"port": 9090}]}]}},
    )
