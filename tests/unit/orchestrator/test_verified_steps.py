"""The token of a step whose effect is still to be verified."""

import msgspec
import pytest

from services.orchestrator.core import settle
from services.orchestrator.core.decide import decide
from shared.api.enums import ExecutionPhase, StepPhase
from shared.api.execution import KubernetesExecution
from shared.api.meta import NamedRef
from shared.api.workflow import WorkflowExecution
from tests.support.builders import NOW, by_name, execution_of, forward_name, scale_step
from tests.support.verifying import condition, done, started, verified_step


def decided(
    workflow: WorkflowExecution, *executions: KubernetesExecution, limit: int = 1
) -> WorkflowExecution:
    status = decide(workflow, by_name(*executions), now=NOW, limit=limit)
    return msgspec.structs.replace(workflow, status=status or workflow.status)


def one_verified_and_one_waiting() -> WorkflowExecution:
    workflow = started(verified_step("a", condition("ready")), scale_step("b"))
    steps = [
        msgspec.structs.replace(s, phase=StepPhase.PENDING, attempts=0) if s.name == "b" else s
        for s in workflow.status.steps
    ]
    tokens = {"a": workflow.status.tokens["a"]}
    status = msgspec.structs.replace(workflow.status, steps=steps, tokens=tokens)
    return msgspec.structs.replace(workflow, status=status)


def test_a_step_keeps_its_token_until_it_is_verified() -> None:
    running = one_verified_and_one_waiting()
    ended = execution_of(running, "a", phase=ExecutionPhase.COMPLETED)

    for workflow in (running, done(running, "a")):
        assert set(decided(workflow, ended).status.tokens) == {"a"}


def test_a_step_that_is_verified_holds_up_no_other_one_below_the_limit() -> None:
    running = one_verified_and_one_waiting()
    ended = execution_of(running, "a", phase=ExecutionPhase.COMPLETED)

    assert set(decided(done(running, "a"), ended, limit=2).status.tokens) == {"a", "b"}


@pytest.mark.parametrize("uid", ["", "uid-gone"], ids=["never noted", "noted"])
def test_nobody_repeats_or_looks_for_what_a_deleted_execution_did_once_that_is_known(
    uid: str,
) -> None:
    verifying = done(one_verified_and_one_waiting(), "a")
    ref = NamedRef(name=forward_name(verifying, "a"), namespace="default", uid=uid)
    steps = [
        msgspec.structs.replace(s, execution_ref=ref) if s.name == "a" else s
        for s in verifying.status.steps
    ]
    status = msgspec.structs.replace(verifying.status, steps=steps)
    workflow = msgspec.structs.replace(verifying, status=status)

    assert settle.orders(workflow, {}) == []
    after = decided(workflow)

    assert set(after.status.tokens) == {"b"}
    assert after.status.steps[0] == steps[0]


def test_an_execution_that_an_old_read_did_not_find_is_not_taken_for_deleted() -> None:
    verifying = done(one_verified_and_one_waiting(), "a")

    status = decide(verifying, {}, now=NOW, limit=1, read_after="0")

    assert set((status or verifying.status).tokens) == {"a"}
