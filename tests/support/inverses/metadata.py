"""Labels and annotations, and the label that cuts a pod off."""

from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import CONFIG_MAP, POD, SERVICE
from shared.api.meta import QUARANTINE_LABEL
from tests.support.bodies import object_of
from tests.support.inverses.case import NAME, Case
from tests.support.inverses.manifests import standing
from tests.support.inverses.pods import containers
from tests.support.inverses.values import label_values, maps, metadata, texts
from tests.support.parameters import keyed


@st.composite
def marked(draw: st.DrawFn, action: Action) -> Case:
    """Return an object that gets and loses labels or annotations."""
    field = "labels" if action is Action.LABEL_RESOURCE else "annotations"
    values = label_values if field == "labels" else texts
    kind = draw(st.sampled_from([CONFIG_MAP, SERVICE]))
    removed = draw(st.lists(st.sampled_from(["a", "b", "d"]), unique=True))
    drawn = draw(maps(values))
    sets = {key: each for key, each in drawn.items() if key not in removed} or {"new": "1"}
    body = draw(standing(kind))
    own = draw(maps(values))
    if own:
        body["metadata"][field] = own
    given = {"kind": kind.kind, "name": NAME, field: sets, "remove": removed}
    return Case(
        action=action,
        kind=kind,
        body=body,
        parameters=keyed(action, given),
        there={"metadata": {field: sets | dict.fromkeys(removed)}},
        owned={"metadata": {field: {min(sets): "theirs-alone"}}},
        beside={"metadata": {field: {"beside": "it"}}},
    )


@st.composite
def quarantined(draw: st.DrawFn) -> Case:
    """Return a pod that nobody runs, and that is cut off."""
    spec = {"schedulerName": "nobody", "containers": draw(containers(most=1))}
    return Case(
        action=Action.QUARANTINE_POD,
        kind=POD,
        body=object_of(POD, draw(metadata()), spec=spec),
        parameters=keyed(Action.QUARANTINE_POD, {"pod": NAME}),
        there={},
        owned={"metadata": {"labels": {QUARANTINE_LABEL: "theirs"}}},
    )
