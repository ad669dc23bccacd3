"""Deployments and StatefulSets with random pods, and parts of them."""

from typing import Any, Final

from hypothesis import strategies as st

from shared.api.groups import STATEFUL_SET, Kind
from shared.kube.port import Object
from tests.support.bodies import object_of
from tests.support.inverses.case import NAME
from tests.support.inverses.values import labels, metadata, names, notes, words

ENV: Final = "LOG_LEVEL"
"""Variable that says how much is logged; some containers have it."""


@st.composite
def workload(draw: st.DrawFn, kind: Kind, *, replicas: int = 0) -> Object:
    """Return a Deployment or StatefulSet with labels of its own on its pods."""
    own = {"app": NAME}
    template: Object = {
        "metadata": {"labels": own | draw(labels)},
        "spec": {"containers": draw(containers())},
    }
    pod_notes, selector = draw(notes), draw(st.one_of(st.none(), labels))
    if pod_notes:
        template["metadata"]["annotations"] = pod_notes
    if selector:
        template["spec"]["nodeSelector"] = selector
    spec = {"replicas": replicas, "selector": {"matchLabels": own}, "template": template}
    if kind == STATEFUL_SET:
        spec["serviceName"] = NAME
    return object_of(kind, draw(metadata()), spec=spec)


@st.composite
def containers(draw: st.DrawFn, *, most: int = 3) -> list[Object]:
    """Return containers with environment and resources, or without."""
    return [
        draw(container(name))
        for name in draw(st.lists(names, min_size=1, max_size=most, unique=True))
    ]


@st.composite
def container(draw: st.DrawFn, name: str) -> Object:
    """Return one container."""
    found: Object = {"name": name, "image": f"registry.example/{name}:1"}
    variables = draw(st.dictionaries(st.sampled_from([ENV, "A", "B_c", "x.y"]), words, max_size=3))
    if variables:
        found["env"] = [{"name": key, "value": each} for key, each in variables.items()]
    limits = draw(st.one_of(st.none(), st.sampled_from([("1", "1Gi"), ("500m", "128Mi")])))
    if limits:
        found["resources"] = {"limits": {"cpu": limits[0], "memory": limits[1]}}
    if draw(st.booleans()):
        found["ports"] = [{"name": "http", "containerPort": 8080}]
    return found


def in_container(name: str, **fields: Any) -> Object:
    """Return the part of a workload that is fields of one container."""
    return in_pods({"containers": [{"name": name, **fields}]})


def in_pods(spec: Object) -> Object:
    """Return the part of a workload that is fields of its pods."""
    return {"spec": {"template": {"spec": spec}}}


def container_names(body: Object) -> list[str]:
    """Return the names of the containers of a workload."""
    return [each["name"] for each in body["spec"]["template"]["spec"]["containers"]]
