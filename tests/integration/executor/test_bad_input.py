"""What cannot or must not be done: which error it ends in, and that nothing is half done."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from services.executor.capture import Captures, mutation_of
from shared.api.enums import Action, ErrorType, ExecutionPhase
from shared.api.groups import CONFIG_MAP, DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, SECRET
from shared.api.parameters import ActionParameters, UpdateConfigmap
from shared.errors import ConflictError, PermanentError
from shared.kube.port import Object
from shared.limits import GitOps
from tests.integration.kube.conftest import Connect
from tests.support.acts import Act, Acts
from tests.support.bad_input.row import DATA, REFUSED, Row
from tests.support.bad_input.rows import ROWS
from tests.support.bad_input.workloads import a_deployment
from tests.support.bodies import encoded, object_of, text_of
from tests.support.kubectl import Kubectl, eventually
from tests.support.namespaces import empty_namespace
from tests.support.parameters import parameters_for
from tests.support.partial import comparable

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

POLICY: Final = "mendflow-tests-refuse"


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Kubectl:
    """A namespace that refuses marked ConfigMaps, and in which there may be no volumes."""
    kubectl = empty_namespace(cluster, "bad-input")
    kubectl.apply(_quota(kubectl.namespace))
    for body in _policy(kubectl.namespace):
        kubectl.apply(body)
    marked = object_of(CONFIG_MAP, {"name": "probe", "labels": REFUSED})
    eventually(
        lambda: kubectl.run("create", "--dry-run=server", "-f", "-", stdin=text_of(marked)).stderr,
        lambda said: "not in this house" in said,
    )
    eventually(
        lambda: kubectl.get("resourcequota", "none"), lambda live: "hard" in live.get("status", {})
    )
    return kubectl


@pytest.fixture
async def acts(connect: Connect, space: Kubectl) -> Acts:
    """Steps of one workflow in that namespace."""
    ours = await connect(manager="mendflow-executor")
    return await Acts.begin(ours, await connect(manager="somebody"), space.namespace)


def _quota(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": namespace},
        "spec": {"hard": {"services.nodeports": "0", "count/networkpolicies.networking.k8s.io": 0}},
    }


def _policy(namespace: str) -> list[Object]:
    api = "admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["configmaps"],
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    refusal = {
        "expression": "!has(object.metadata.labels) || !('example.com/refused' in "
        "object.metadata.labels)",
        "message": "not in this house",
    }
    return [
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": POLICY},
            "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [refusal]},
        },
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": POLICY},
            "spec": {
                "policyName": POLICY,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": here},
            },
        },
    ]


@pytest.mark.parametrize(("row"), ROWS, ids=[row.title.replace(" ", "-") for row in ROWS])
async def test_a_step_that_cannot_be_done_says_why_and_changes_nothing(
    row: Row, acts: Acts
) -> None:
    name = acts.fresh_name()
    case = row.named(name)
    if case.body is not None:
        await acts.make(case.kind, case.body)
        if case.kind == DEPLOYMENT:
            await _seen(acts, name)
    before = await acts.read(case.kind, name)

    act = await acts.act(case.action, parameters_for(case.action, case.given))

    _failed(act, case.error, case.words.replace("bad-input", acts.namespace))
    after = await acts.read(case.kind, name)
    assert _kept_as_it_is(before) == _kept_as_it_is(after)
    assert act.execution.status.effects == []


async def test_negative_replicas_are_refused_by_the_definition(acts: Acts) -> None:
    given = parameters_for(Action.SCALE_DEPLOYMENT, {"deployment": "x", "replicas": 1})

    with pytest.raises(PermanentError, match="replicas"):
        await acts.order(Action.SCALE_DEPLOYMENT, msgspec.structs.replace(given, replicas=-1))


Between = Callable[[Acts, str], Awaitable[Object]]


async def _replace(acts: Acts, name: str) -> Object:
    await acts.remove(CONFIG_MAP, name)
    return await acts.make(CONFIG_MAP, object_of(CONFIG_MAP, {"name": name}, **DATA))


async def _take(acts: Acts, name: str) -> Object:
    return await acts.change(CONFIG_MAP, name, {"data": {"a": "theirs"}})


@pytest.mark.parametrize(
    ("between", "words"),
    [(_replace, "was replaced by another"), (_take, "somebody changed data.a at the same time")],
    ids=["another object", "another value"],
)
async def test_what_changes_between_capture_and_act_is_left_alone(
    between: Between, words: str, acts: Acts
) -> None:
    name = acts.fresh_name()
    await acts.make(CONFIG_MAP, object_of(CONFIG_MAP, {"name": name}, **DATA))
    wanted = UpdateConfigmap(config_map=name, data={"a": "2"})
    act = await (await acts.order(Action.UPDATE_CONFIGMAP, wanted)).claim()
    theirs = await between(acts, name)

    await act.carry_out()

    _failed(act, ErrorType.RESOURCE_CONFLICT, words)
    assert await acts.read(CONFIG_MAP, name) == theirs
    assert act.execution.status.effects == []


async def test_a_json_patch_of_what_has_moved_since_is_to_be_looked_at_again(acts: Acts) -> None:
    name = acts.fresh_name()
    body = msgspec.json.decode(text_of(a_deployment()).replace("NAME", name))
    await acts.make(DEPLOYMENT, body)
    patch = '[{"op": "add", "path": "/spec/minReadySeconds", "value": 3}]'
    given = {"deployment": name, "patchType": "json", "patch": patch}
    act = await acts.order(Action.PATCH_DEPLOYMENT, parameters_for(Action.PATCH_DEPLOYMENT, given))
    stale, mutation = await acts.read(DEPLOYMENT, name), mutation_of(act.execution)
    assert mutation is not None
    await acts.change(DEPLOYMENT, name, {"metadata": {"labels": {"moved": "yes"}}})
    context = acts.context
    captures = Captures(acts.cluster, context.executions, clock=context.clock, gitops=GitOps.REFUSE)

    with pytest.raises(ConflictError):
        await captures.inverse(act.execution, mutation, stale)


async def test_what_a_manifest_made_and_somebody_replaced_is_not_deleted(acts: Acts) -> None:
    name = acts.fresh_name()
    act = await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": "2"}))
    assert act.execution.status.phase is ExecutionPhase.COMPLETED, act.execution.status
    await acts.remove(CONFIG_MAP, name)
    theirs = await acts.make(CONFIG_MAP, object_of(CONFIG_MAP, {"name": name}, data={"a": "2"}))

    undo = await act.undone()

    assert undo.status.phase is ExecutionPhase.FAILED
    assert "was replaced by another" in undo.status.message
    assert await acts.read(CONFIG_MAP, name) == theirs


async def test_fields_of_others_are_taken_over_when_asked_for(acts: Acts) -> None:
    name = acts.fresh_name()
    await acts.make(CONFIG_MAP, object_of(CONFIG_MAP, {"name": name}, **DATA))

    act = await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": "2"}, force=True))

    assert act.execution.status.phase is ExecutionPhase.COMPLETED, act.execution.status
    live = await acts.read(CONFIG_MAP, name)
    assert live is not None
    assert live["data"] == {"a": "2"}


@pytest.mark.parametrize("value", ["\U0001f680", "\x7f\x98\u2028\ufeff", "\u00e9\n\t\"'\\"])
async def test_every_character_of_a_manifest_arrives(value: str, acts: Acts) -> None:
    name = acts.fresh_name()
    await acts.make(CONFIG_MAP, object_of(CONFIG_MAP, {"name": name}))

    act = await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": value}))

    live = await acts.read(CONFIG_MAP, name)
    assert live is not None
    assert live.get("data") == {"a": value}, act.execution.status


async def test_what_we_wrote_ourselves_stands_in_no_manifests_way(acts: Acts) -> None:
    name = acts.fresh_name()
    await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": "2"}))
    act = await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": "3"}))
    assert act.execution.status.phase is ExecutionPhase.COMPLETED, act.execution.status
    undo = await act.undone()
    assert undo.status.phase is ExecutionPhase.COMPLETED, undo.status

    again = await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": "4"}))

    assert again.execution.status.phase is ExecutionPhase.COMPLETED, again.execution.status.message


async def test_a_lost_secret_with_the_state_before_is_named(acts: Acts) -> None:
    name = acts.fresh_name()
    await acts.make(SECRET, object_of(SECRET, {"name": name}, data={"a": encoded("1")}))
    rotate = parameters_for(Action.ROTATE_SECRETS, {"secret": name, "keys": ["a"]})
    act = await acts.act(Action.ROTATE_SECRETS, rotate)
    kept, before = act.captured.kept_in, await acts.read(SECRET, name)
    await acts.remove(SECRET, kept)

    undo = await act.undone()

    assert undo.status.phase is ExecutionPhase.FAILED
    assert undo.status.message == f"Secret {kept} with the state before is gone"
    assert await acts.read(SECRET, name) == before


def _manifest(name: str, data: dict[str, str], *, force: bool = False) -> ActionParameters:
    text = text_of(object_of(CONFIG_MAP, {"name": name}, data=data))
    given = {"manifest": text, "forceConflicts": force}
    return parameters_for(Action.APPLY_MANIFEST, given)


def _failed(act: Act, error: ErrorType, words: str) -> None:
    status = act.execution.status
    assert status.execution_results is not None
    assert status.phase is ExecutionPhase.FAILED, status
    assert words in status.message
    assert status.execution_results.error_type is error


async def _seen(acts: Acts, name: str) -> None:
    """Wait until the controller has numbered the first revision."""
    while True:
        live = await acts.read(DEPLOYMENT, name)
        if live is not None and "annotations" in live["metadata"]:
            return


def _kept_as_it_is(live: Object | None) -> Object | None:
    """Return what nobody but controllers may have changed."""
    by_controllers = {DEPLOYMENT.kind, HORIZONTAL_POD_AUTOSCALER.kind}
    return comparable(live) if live is not None and live["kind"] in by_controllers else live
