"""Deployments that are patched, or go back to a revision."""

from typing import Any

from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import DEPLOYMENT
from tests.support.bodies import text_of
from tests.support.inverses.case import NAME, Case
from tests.support.inverses.pods import container_names, containers, in_container, in_pods, workload
from tests.support.parameters import keyed


@st.composite
def patched(draw: st.DrawFn) -> Case:
    """Return a Deployment that is patched in one of three ways, here and there."""
    body = draw(workload(DEPLOYMENT))
    name = draw(st.sampled_from(container_names(body)))
    form = draw(st.sampled_from(["strategic", "merge", "json"]))
    note = {"metadata": {"annotations": {"patched": "yes"}}}
    patch: Any
    match form:
        case "strategic":
            patch = in_container(
                name,
                env=[{"name": "PATCHED", "value": "1"}],
                readinessProbe={"httpGet": {"port": 80}},
            )
            owned = in_container(name, env=[{"name": "PATCHED", "value": "2"}])
        case "merge":
            patch = in_pods({"terminationGracePeriodSeconds": 5, "nodeSelector": {"a": "z"}})
            owned = in_pods({"terminationGracePeriodSeconds": 6})
        case _:
            patch = [{"op": "add", "path": "/spec/minReadySeconds", "value": 2}]
            owned = {"spec": {"minReadySeconds": 3}}
    there = {"spec": {"minReadySeconds": 2}} if form == "json" else patch
    if form != "json" and draw(st.booleans()):
        patch = there = patch | note
    given = {
        "deployment": NAME,
        "patchType": form,
        "patch": text_of(patch),
    }
    return Case(
        action=Action.PATCH_DEPLOYMENT,
        kind=DEPLOYMENT,
        body=body,
        parameters=keyed(Action.PATCH_DEPLOYMENT, given),
        there=there
        if form != "strategic"
        else in_container(name, env=[{"name": "PATCHED", "value": "1"}]),
        owned=owned,
        beside={"metadata": {"annotations": {"theirs": "1"}}},
    )


@st.composite
def revision(draw: st.DrawFn) -> Case:
    """Return a Deployment of two revisions that goes back to the first one."""
    body, other = draw(workload(DEPLOYMENT)), draw(containers())
    first, *_ = body["spec"]["template"]["spec"]["containers"]
    added = [{"name": "added", "image": "registry.example/added:1"}, *other]
    wanted = draw(st.sampled_from([0, 1]))
    return Case(
        action=Action.ROLLBACK_DEPLOYMENT,
        kind=DEPLOYMENT,
        body=body,
        parameters=keyed(Action.ROLLBACK_DEPLOYMENT, {"deployment": NAME, "revision": wanted}),
        later={
            "spec": {
                "template": {
                    "metadata": {"annotations": {"second": "1"}},
                    "spec": {"containers": added, "nodeSelector": {"second": "1"}},
                }
            }
        },
        there={
            "spec": {
                "template": {
                    "metadata": {"annotations": {"second": None}},
                    "spec": {"containers": [first], "nodeSelector": {"second": None}},
                }
            }
        },
        owned=in_pods({"nodeSelector": {"second": "theirs"}}),
    )
