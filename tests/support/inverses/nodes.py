"""Nodes, closed and opened, with and without taints."""

from typing import Final

from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import NODE
from shared.kube.port import Object
from tests.support.bodies import object_of
from tests.support.inverses.case import NAME, Case
from tests.support.inverses.values import label_values, metadata
from tests.support.parameters import keyed

effects: Final = st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"])


@st.composite
def cordoned(draw: st.DrawFn, action: Action) -> Case:
    """Return a node that is closed or opened, and was the other way before."""
    closes = action is Action.CORDON_NODE
    body = draw(_node())
    body["spec"] = {key: each for key, each in body["spec"].items() if key != "unschedulable"}
    if not closes:
        body["spec"]["unschedulable"] = True
    return Case(
        action=action,
        kind=NODE,
        body=body,
        parameters=keyed(action, {"node": NAME}),
        there={"spec": {"unschedulable": True if closes else None}},
        owned={},
    )


@st.composite
def tainted(draw: st.DrawFn, action: Action) -> Case:
    """Return a node that gets a taint, or loses one."""
    body = draw(_node())
    known = body["spec"].get("taints") or []
    fresh = st.fixed_dictionaries({"key": st.sampled_from(["a", "new"]), "effect": effects})
    taint = draw(st.one_of(st.sampled_from(known), fresh) if known else fresh)
    place = {"key": taint["key"], "effect": taint["effect"]}
    if action is Action.TAINT_NODE:
        there = [place | {"value": "ours"}]
        given = {"node": NAME, "value": "ours", **place}
    else:
        if not any(place.items() <= each.items() for each in known):
            body["spec"]["taints"] = [*known, place | {"value": "theirs-before"}]
        there, given = [], {"node": NAME, **place}
    return Case(
        action=action,
        kind=NODE,
        body=body,
        parameters=keyed(action, given),
        there={"spec": {"taints": there}} if there else {},
        owned={"spec": {"taints": [place | {"value": "theirs"}]}},
        beside={"spec": {"taints": [{"key": "beside", "effect": "NoSchedule", "value": "it"}]}},
    )


@st.composite
def _node(draw: st.DrawFn) -> Object:
    """Return a node with taints, cordoned or not."""
    places = draw(
        st.lists(
            st.tuples(st.sampled_from(["a", "b", "example.com/c"]), effects),
            max_size=3,
            unique=True,
        )
    )
    spec: Object = {}
    if places:
        spec["taints"] = [
            {"key": key, "effect": effect, "value": draw(label_values)} for key, effect in places
        ]
    if draw(st.booleans()):
        spec["unschedulable"] = True
    return object_of(NODE, draw(metadata()), spec=spec)
