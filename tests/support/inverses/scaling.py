"""What is scaled, and what scales."""

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import HORIZONTAL_POD_AUTOSCALER, Kind
from tests.support.bodies import object_of
from tests.support.inverses.case import NAME, Case
from tests.support.inverses.pods import workload
from tests.support.inverses.values import metadata
from tests.support.parameters import keyed

if TYPE_CHECKING:
    from shared.kube.port import Object


@st.composite
def scaled(draw: st.DrawFn, action: Action, kind: Kind, named_by: str) -> Case:
    """Return a workload that is scaled; its pods are gone soon."""
    before, after = draw(st.permutations([0, 1, 2]))[:2]
    body = draw(workload(kind, replicas=before))
    # Its pods are to be scheduled.
    body["spec"]["template"]["spec"].pop("nodeSelector", None)
    return Case(
        action=action,
        kind=kind,
        body=body,
        parameters=keyed(action, {named_by: NAME, "replicas": after}),
        there={"spec": {"replicas": after}},
        owned={"spec": {"replicas": 3}},
    )


@st.composite
def autoscaler(draw: st.DrawFn) -> Case:
    """Return an autoscaler that gets other bounds."""
    fewest, most = draw(st.one_of(st.none(), st.integers(1, 3))), draw(st.integers(3, 6))
    spec: Object = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"},
        "maxReplicas": most,
    }
    if fewest:
        spec["minReplicas"] = fewest
    higher = draw(st.integers(7, 9))
    given: Object = {"hpa": NAME, "maxReplicas": higher}
    lower = draw(st.one_of(st.none(), st.integers(1, 3)))
    if lower:
        given["minReplicas"] = lower
    return Case(
        action=Action.UPDATE_HPA,
        kind=HORIZONTAL_POD_AUTOSCALER,
        body=object_of(HORIZONTAL_POD_AUTOSCALER, draw(metadata()), spec=spec),
        parameters=keyed(Action.UPDATE_HPA, given),
        there={"spec": {"maxReplicas": higher} | ({"minReplicas": lower} if lower else {})},
        owned={"spec": {"maxReplicas": 10}},
    )
