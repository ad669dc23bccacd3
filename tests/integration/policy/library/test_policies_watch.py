"""A running service follows its ConfigMap of policies, on a real API server."""

import asyncio
from collections.abc import Callable, Mapping

from shared.api.workflow_spec import StepCondition
from shared.policy.engine import WorkerEngine
from shared.policy.library import Library, Stage
from shared.policy.loading import loaded
from shared.policy.naming import CONFIG_MAP
from shared.policy.port import Policy
from shared.policy.shipped import defaults
from tests.support.kubectl import Kubectl, eventually
from tests.support.policies import WITHIN_S, Watched

KEY = "scale_deployment_ok.rego"
OK = """package precondition.scale_deployment.ok
import rego.v1
default allow := false
allow if input.n == {0}
"""


def _put(kubectl: Kubectl, version: str, data: Mapping[str, str]) -> None:
    metadata = {"name": CONFIG_MAP, "labels": {"version": version, "component": "policies"}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}
    kubectl.apply(body)


def _is(version: str) -> Callable[[Library], bool]:
    return lambda library: library.revision.startswith(f"{version}-")


def _events(kubectl: Kubectl, reason: str) -> list[str]:
    return [each["message"] for each in kubectl.items("events") if each["reason"] == reason]


async def _told(kubectl: Kubectl, reason: str) -> str:
    found: list[str] = await asyncio.to_thread(eventually, lambda: _events(kubectl, reason), bool)
    return found[0]


def _ok(library: Library) -> Policy:
    condition = StepCondition(type="ok", description="d")
    found = library.find(Stage.PRECONDITION, "scale_deployment", condition)
    assert isinstance(found, Policy), found
    return found


async def test_row_86_a_new_version_counts_and_a_bad_one_is_kept_out(
    kubectl: Kubectl, watched: Watched
) -> None:
    assert watched.live.current == defaults()
    _put(kubectl, "v1", {KEY: OK.format(1)})
    first = await watched.until(_is("v1"))
    assert (await watched.engine.decide(_ok(first), {"n": 1}, tenant="t")).allowed

    _put(kubectl, "v2", {KEY: "package precondition.scale_deployment.ok\nallow if {", "b": ""})
    message = await _told(kubectl, "InvalidPolicies")
    assert message.startswith(f"{first.revision} stays in force; b: a key must end in .rego; {KEY}")
    assert watched.live.current is first
    assert watched.counted("refused") == 1

    _put(kubectl, "v3", {KEY: OK.format(3)})
    third = await watched.until(_is("v3"))
    assert (await watched.engine.decide(_ok(third), {"n": 3}, tenant="t")).allowed
    assert not (await watched.engine.decide(_ok(first), {"n": 3}, tenant="t")).allowed
    assert watched.counted("taken") == 2


async def test_row_86_a_good_version_that_a_busy_machine_refused_counts_in_the_end(
    kubectl: Kubectl, watched: Watched
) -> None:
    watched.engine.gets_on = False
    _put(kubectl, "v1", {KEY: OK.format(1)})
    message = await _told(kubectl, "InvalidPolicies")
    assert message.endswith(f"{KEY}: took longer than it may")
    watched.engine.gets_on = True

    await watched.until(_is("v1"))
    assert (watched.counted("refused"), watched.counted("taken")) == (1, 1)


async def test_row_87_a_deleted_one_leaves_the_defaults_and_what_runs_undisturbed(
    kubectl: Kubectl, watched: Watched
) -> None:
    _put(kubectl, "v1", {KEY: OK.format(1)})
    held = await watched.until(_is("v1"))

    kubectl.ok("delete", "configmap", CONFIG_MAP)
    await watched.until(_is("builtin"))

    assert watched.live.current == defaults()
    assert (await watched.engine.decide(_ok(held), {"n": 1}, tenant="t")).allowed
    told = await _told(kubectl, "PoliciesDeleted")
    assert told == "the policies that ship are in force instead"
    assert watched.counted("defaults") == 1


async def test_row_88_one_version_is_checked_at_a_time_and_the_latest_wins(
    kubectl: Kubectl, watched: Watched
) -> None:
    watched.engine.may_answer.clear()
    for version in ("1", "2", "3"):
        _put(kubectl, f"v{version}", {KEY: OK.format(version)})
        if version == "1":
            async with asyncio.timeout(WITHIN_S):
                assert await watched.engine.asked.get() == OK.format(1)
    watched.engine.may_answer.set()

    await watched.until(_is("v3"))
    assert [revision.split("-")[0] for revision in watched.revisions] in (["v3"], ["v2", "v3"])


async def test_row_88_more_than_a_hundred_policies_are_swapped_at_once(
    kubectl: Kubectl, watched: Watched
) -> None:
    for version in ("1", "2"):
        data = {
            f"any_p{i}.rego": OK.format(version).replace("scale_deployment.ok", f"any.p{i}")
            for i in range(120)
        }
        _put(kubectl, f"v{version}", data)
        library = await watched.until(_is(f"v{version}"))
        mine = [library.keys[key].module for key in data]
        assert all(f"input.n == {version}" in module for module in mine)
    assert watched.counted("taken") == 2


async def test_everything_that_ships_passes_its_own_check(engine: WorkerEngine) -> None:
    library = defaults()
    policies = [*library.conditions.values(), *library.safety]

    assert {policy.name: await engine.defects(policy) for policy in policies} == {
        policy.name: () for policy in policies
    }


async def test_what_ships_may_stand_in_the_config_map_too(engine: WorkerEngine) -> None:
    library = defaults()
    data = {
        policy.name: policy.module for policy in (*library.conditions.values(), *library.safety)
    }
    data |= {f"lib_{i}.rego": text for i, text in enumerate(library.libraries)}

    again = await loaded(data, {"version": "v1"}, engine=engine)

    assert isinstance(again, Library), again
    assert again.safety == library.safety
