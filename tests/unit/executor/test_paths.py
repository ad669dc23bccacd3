"""Fields of objects by path: the laws of reading, replacing, patching and comparing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.core import captures, paths
from services.executor.core.changes import State

Object = dict[str, Any]

keys = st.one_of(
    st.sampled_from(["name", "env", "containers", "labels", "annotations", "limits", "a"]),
    st.from_regex(r"[a-zA-Z0-9_./-]{1,6}", fullmatch=True),
)
scalars = st.one_of(st.booleans(), st.integers(-9, 9), st.text(max_size=4))
named = st.lists(
    st.fixed_dictionaries(
        {"name": st.text(min_size=1, max_size=4)}, optional={"value": st.text(max_size=3)}
    ),
    max_size=3,
    unique_by=lambda each: each["name"],
)
taints = st.lists(
    st.fixed_dictionaries(
        {"key": st.sampled_from(["a", "b.c/d"]), "effect": st.sampled_from(["X", "Y"])},
        optional={"value": st.text(max_size=3)},
    ),
    max_size=3,
)
values = st.recursive(
    st.one_of(scalars, named, taints),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(keys, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(keys, values, max_size=4)


@given(objects, objects)
def test_what_differs_put_back_is_what_was_there(before: Object, after: Object) -> None:
    found = list(paths.differences(before, after))
    back = paths.replaced(after, {path: was for path, was, _ in found})
    forth = paths.replaced(before, {path: now for path, _, now in found})

    assert _sparse(back) == _sparse(before)
    assert _sparse(forth) == _sparse(after)


@given(objects, objects)
def test_each_difference_reads_as_it_is_told(before: Object, after: Object) -> None:
    for path, was, now in paths.differences(before, after):
        assert paths.read(before, path) == was
        assert paths.read(after, path) == now
        assert was != now


@given(objects)
def test_an_object_does_not_differ_from_itself(found: Object) -> None:
    assert list(paths.differences(found, found)) == []
    assert paths.patch(found, found) == {}


@given(objects, objects)
def test_a_patch_leads_from_one_object_to_the_other(before: Object, after: Object) -> None:
    assert _patched(before, paths.patch(before, after)) == after


@given(objects)
def test_every_leaf_can_be_read(found: Object) -> None:
    for path in paths.leaves(found):
        assert path == "" or paths.read(found, path) != paths.ABSENT


@given(objects, keys, values)
def test_what_is_put_is_read_and_nothing_else_changes(found: Object, key: str, value: Any) -> None:
    path = paths.below("", key)

    changed = paths.replaced(found, {path: paths.text(value)})

    assert paths.read(changed, path) == paths.text(value)
    assert {k: v for k, v in changed.items() if k != key} == {
        k: v for k, v in found.items() if k != key
    }


def test_a_name_that_holds_brackets_is_told_apart_all_the_same() -> None:
    before = {"env": [{"name": "A]", "value": "1"}]}
    after = {"env": [{"name": "A]", "value": "2"}]}

    ((path, was, now),) = paths.differences(before, after)

    assert (paths.read(before, path), paths.read(after, path)) == (was, now)
    assert paths.replaced(after, {path: was}) == before


def test_a_map_that_was_not_there_is_told_key_by_key() -> None:
    live: Object = {"metadata": {"name": "x"}}
    tried = {"metadata": {"name": "x", "annotations": {"ours": "1"}}}

    state = captures.state_tried(live, tried)

    assert state.after == {"metadata.annotations.ours": '"1"'}
    assert state.before == {"metadata.annotations.ours": paths.ABSENT}


def test_a_selector_that_was_not_there_is_taken_out_whole() -> None:
    # An empty one selects everything, and none at all selects nothing.
    before: Object = {"spec": {"maxUnavailable": 1}}
    after: Object = {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}

    found = list(paths.differences(before, after))

    assert paths.replaced(after, {path: was for path, was, _ in found}) == before


def test_the_selector_of_a_service_is_told_key_by_key() -> None:
    after: Object = {"spec": {"selector": {"app": "web"}}}

    assert [path for path, _, _ in paths.differences({"spec": {}}, after)] == ["spec.selector.app"]


def test_what_the_services_stamp_is_nothing_that_a_step_changes() -> None:
    stamps = {"kubernaut.ai/last-operations": "x", "kubernaut.ai/locked-by": "y"}
    live = {"metadata": {"annotations": stamps}, "data": {"a": "1"}}
    tried: Object = {"metadata": {}, "data": {"a": "2"}}

    assert captures.state_tried(live, tried) == State(
        before={"data.a": '"1"'}, after={"data.a": '"2"'}
    )


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("spec.replicas", "2"),
        ("metadata.labels[example.com/a]", '"1"'),
        ("spec.containers[web].image", '"web:1"'),
        ("spec.taints[k:NoSchedule].value", '"v"'),
        ("spec.containers[other].image", paths.ABSENT),
        ("spec.nothing.at.all", paths.ABSENT),
    ],
)
def test_a_path_is_what_people_write(path: str, found: str) -> None:
    live = {
        "metadata": {"labels": {"example.com/a": "1"}},
        "spec": {
            "replicas": 2,
            "containers": [{"name": "web", "image": "web:1"}],
            "taints": [{"key": "k", "effect": "NoSchedule", "value": "v"}],
        },
    }

    assert paths.read(live, path) == found


def _sparse(found: Any) -> Any:
    """Return a value without the maps and lists that became empty."""
    if isinstance(found, dict):
        kept = {key: _sparse(each) for key, each in found.items()}
        return {key: each for key, each in kept.items() if each not in ({}, [])}
    if isinstance(found, list):
        return [_sparse(each) for each in found]
    return found


def _patched(target: Any, patch: Any) -> Any:
    """Apply a merge patch as RFC 7386 says."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, each in patch.items():
        if each is None:
            result.pop(key, None)
        else:
            result[key] = _patched(result.get(key), each)
    return result
