"""ConfigMaps and Secrets of which keys change."""

from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import CONFIG_MAP, SECRET
from tests.support.bodies import encoded, object_of
from tests.support.inverses.case import NAME, Case
from tests.support.inverses.values import file_keys, maps, metadata, texts
from tests.support.parameters import keyed


@st.composite
def config(draw: st.DrawFn) -> Case:
    """Return a ConfigMap of which keys are set and removed."""
    data, sets = draw(maps(texts, file_keys)), draw(maps(texts, file_keys))
    removed = list(draw(st.lists(st.sampled_from(["a", "b", "d"]), unique=True)))
    sets = {key: each for key, each in sets.items() if key not in removed} or {"new": "1"}
    first = min(sets)
    body = object_of(CONFIG_MAP, draw(metadata()))
    if data:
        body["data"] = data
    return Case(
        action=Action.UPDATE_CONFIGMAP,
        kind=CONFIG_MAP,
        body=body,
        parameters=keyed(
            Action.UPDATE_CONFIGMAP, {"configMap": NAME, "data": sets, "remove": removed}
        ),
        there={"data": sets | dict.fromkeys(removed)},
        owned={"data": {first: "theirs, and theirs alone"}},
        beside={"data": {"beside-it": "1"}},
    )


@st.composite
def secret_update(draw: st.DrawFn) -> Case:
    """Return a Secret of which keys are set and removed."""
    found = draw(config())
    given = found.parameters.update_configmap
    assert given is not None
    assert found.body is not None
    body = object_of(SECRET, found.body["metadata"])
    if "data" in found.body:
        body["data"] = {key: encoded(each) for key, each in found.body["data"].items()}
    sets = {key: encoded(each) for key, each in given.data.items()}
    return Case(
        action=Action.UPDATE_SECRET,
        kind=SECRET,
        body=body,
        parameters=keyed(
            Action.UPDATE_SECRET, {"secret": NAME, "data": sets, "remove": given.remove}
        ),
        there={"data": sets | dict.fromkeys(given.remove)},
        owned={"data": {min(sets): encoded("theirs, and theirs alone")}},
        beside={"data": {"beside-it": encoded("1")}},
    )


@st.composite
def rotation(draw: st.DrawFn) -> Case:
    """Return a Secret of which keys get new values."""
    data = draw(st.dictionaries(file_keys, texts, min_size=1, max_size=4))
    rotated = draw(st.lists(st.sampled_from(sorted(data)), min_size=1, unique=True))
    body = object_of(
        SECRET, draw(metadata()), data={key: encoded(each) for key, each in data.items()}
    )
    return Case(
        action=Action.ROTATE_SECRETS,
        kind=SECRET,
        body=body,
        parameters=keyed(Action.ROTATE_SECRETS, {"secret": NAME, "keys": rotated}),
        there={},
        owned={"data": {rotated[0]: encoded("theirs, and theirs alone")}},
        beside={"data": {"beside-it": encoded("1")}},
    )
