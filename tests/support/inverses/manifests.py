"""Manifests of what is there, and of what is not."""

from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import CONFIG_MAP, DEPLOYMENT, SERVICE, Kind
from shared.kube.port import Object
from tests.support.bodies import object_of, text_of
from tests.support.inverses.case import Case
from tests.support.inverses.pods import workload
from tests.support.inverses.values import file_keys, labels, maps, metadata, texts
from tests.support.parameters import keyed


@st.composite
def manifest(draw: st.DrawFn) -> Case:
    """Return a manifest of something that is there, or is not."""
    kind = draw(st.sampled_from([CONFIG_MAP, SERVICE, DEPLOYMENT]))
    wanted = draw(_wanted(kind))
    body = draw(st.one_of(st.none(), standing(kind)))
    owned: Object
    match kind.kind:
        case "ConfigMap":
            owned = {"data": {"ours": "theirs"}}
        case "Service":
            owned = {"spec": {"sessionAffinity": "None"}}
        case _:
            owned = {"spec": {"minReadySeconds": 9}}
    given = {"manifest": text_of(wanted), "forceConflicts": True}
    return Case(
        action=Action.APPLY_MANIFEST,
        kind=kind,
        body=body,
        parameters=keyed(Action.APPLY_MANIFEST, given),
        there={key: wanted[key] for key in ("metadata", "data") if key in wanted},
        owned=owned,
        beside={"metadata": {"annotations": {"beside": "it"}}},
    )


@st.composite
def standing(draw: st.DrawFn, kind: Kind) -> Object:
    """Return an object that is there before the act."""
    match kind.kind:
        case "ConfigMap":
            return object_of(kind, draw(metadata()), data={"theirs": "1"})
        case "Service":
            spec = {"selector": {"old": "1"}, "ports": [{"port": 80}]}
            return object_of(kind, draw(metadata()), spec=spec)
        case _:
            return draw(workload(DEPLOYMENT))


@st.composite
def _wanted(draw: st.DrawFn, kind: Kind) -> Object:
    meta = draw(metadata())
    match kind.kind:
        case "ConfigMap":
            return object_of(kind, meta, data={"ours": "1"} | draw(maps(texts, file_keys)))
        case "Service":
            spec = {
                "selector": draw(labels) or {"a": "b"},
                "sessionAffinity": "ClientIP",
                "type": draw(st.sampled_from(["ClusterIP", "NodePort"])),
                "ports": [{"port": 80, "targetPort": draw(st.sampled_from([80, 8080]))}],
            }
            return object_of(kind, meta, spec=spec)
        case _:
            body = draw(workload(DEPLOYMENT))
            return body | {"metadata": meta, "spec": body["spec"] | {"minReadySeconds": 4}}
