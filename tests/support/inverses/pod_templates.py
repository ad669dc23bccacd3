"""One field of the pods of a workload."""

from typing import Final

from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import DEPLOYMENT, STATEFUL_SET
from tests.support.inverses.case import NAME, Case
from tests.support.inverses.pods import ENV, container_names, in_container, in_pods, workload
from tests.support.parameters import keyed


@st.composite
def image(draw: st.DrawFn) -> Case:
    """Return a Deployment of which one container gets another image."""
    body = draw(workload(DEPLOYMENT))
    name = draw(st.sampled_from(container_names(body)))
    given = {"deployment": NAME, "container": name, "newImage": "registry.example/new:2"}
    return Case(
        action=Action.UPDATE_IMAGE,
        kind=DEPLOYMENT,
        body=body,
        parameters=keyed(Action.UPDATE_IMAGE, given),
        there=in_container(name, image="registry.example/new:2"),
        owned=in_container(name, image="registry.example/theirs:3"),
        beside=in_container(name, env=[{"name": "THEIRS", "value": "1"}]),
    )


_THEIRS: Final = {"cpuLimit": "3", "memoryLimit": "3Gi", "cpuRequest": "1", "memoryRequest": "1Gi"}


@st.composite
def resources(draw: st.DrawFn) -> Case:
    """Return a Deployment of which one container gets more."""
    body = draw(workload(DEPLOYMENT))
    name = draw(st.sampled_from(container_names(body)))
    amounts = {"cpuLimit": "2", "memoryLimit": "2Gi", "cpuRequest": "1500m", "memoryRequest": "2Gi"}
    asked = draw(st.lists(st.sampled_from(sorted(amounts)), min_size=1, unique=True))
    first = asked[0]
    resource, part = (
        first[:-5] if first.endswith("Limit") else first[:-7],
        ("limits" if first.endswith("Limit") else "requests"),
    )
    # Requests without limits would be more than the limits that are there.
    asked += [f"{each[:-7]}Limit" for each in asked if each.endswith("Request")]
    given = {"deployment": NAME, "container": name} | {each: amounts[each] for each in asked}
    return Case(
        action=Action.INCREASE_RESOURCES,
        kind=DEPLOYMENT,
        body=body,
        parameters=keyed(Action.INCREASE_RESOURCES, given),
        there=in_container(name, resources={part: {resource: amounts[first]}}),
        owned=in_container(name, resources={part: {resource: _THEIRS[first]}}),
        beside=in_container(name, image="registry.example/theirs:3"),
    )


@st.composite
def debug(draw: st.DrawFn) -> Case:
    """Return a Deployment that logs more."""
    body = draw(workload(DEPLOYMENT))
    name = draw(st.sampled_from(container_names(body)))
    given = {"deployment": NAME, "container": name, "logLevel": "all-of-it"}
    return Case(
        action=Action.ENABLE_DEBUG_MODE,
        kind=DEPLOYMENT,
        body=body,
        parameters=keyed(Action.ENABLE_DEBUG_MODE, given),
        there=in_container(name, env=[{"name": ENV, "value": "all-of-it"}]),
        owned=in_container(name, env=[{"name": ENV, "value": "nothing"}]),
        beside=in_container(name, env=[{"name": "THEIRS", "value": "1"}]),
    )


@st.composite
def migration(draw: st.DrawFn) -> Case:
    """Return a workload that is moved to a node."""
    kind = draw(st.sampled_from([DEPLOYMENT, STATEFUL_SET]))
    given = {"workload": NAME, "kind": kind.kind, "targetNode": "node-7"}
    return Case(
        action=Action.MIGRATE_WORKLOAD,
        kind=kind,
        body=draw(workload(kind)),
        parameters=keyed(Action.MIGRATE_WORKLOAD, given),
        there=in_pods({"nodeSelector": {"kubernetes.io/hostname": "node-7"}}),
        owned=in_pods({"nodeSelector": {"kubernetes.io/hostname": "node-8"}}),
        beside=in_pods({"nodeSelector": {"theirs": "1"}}),
    )
