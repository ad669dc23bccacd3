"""Jobs on a real control plane: how they end, and that nothing of them is left running."""

import asyncio
from typing import Any, Final

import pytest

from services.executor.core.changes import RefusedError
from services.executor.core.job_building import job_name
from services.executor.core.jobs import GONE
from services.executor.stop import Stop
from shared.api.enums import Action, ErrorType
from shared.api.groups import JOB, POD_TEMPLATE
from shared.api.parameters import Custom, FailoverDatabase
from shared.errors import PermanentError
from shared.telemetry.foreign_logs import KEPT_BYTES
from tests.integration.executor_jobs.conftest import Ground
from tests.support.expansion import expanded
from tests.support.jobs import Object, environment_of, pod_template

FAILOVER: Final = Action.FAILOVER_DATABASE
HOSTILE: Final = ("$(MENDFLOW_STEP) $$ $", "`id`; rm -rf / #", "'\"\\\n\x1b[31m", "--x=${Y}")


def _asks(template: str) -> FailoverDatabase:
    return FailoverDatabase(database="orders", template=template)


def _behaving(name: str, *, container: str = "main", **annotations: str) -> Object:
    """Return a PodTemplate whose pods behave as the annotations say."""
    body = pod_template(name)
    body["template"]["spec"]["containers"][0]["name"] = container
    marks = {f"mendflow.test/{key.replace('_', '-')}": each for key, each in annotations.items()}
    body["template"]["metadata"]["annotations"] = marks
    return body


async def _refused(work: Any) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await work
    return caught.value


async def test_a_job_completes_once_however_often_it_is_taken_up(ground: Ground) -> None:
    await ground.template(_behaving("completes", run_for="1s"))
    parameters = _asks("completes")
    claim = await ground.claim("completes", parameters)
    first, second = ground.runner(claim), ground.runner(claim)

    one, two = await asyncio.gather(
        first.run(parameters, FAILOVER), second.run(parameters, FAILOVER)
    )
    late = await ground.runner(claim, seconds=-1).run(parameters, FAILOVER)

    assert one == two == late
    assert one.done.result.success
    assert one.done.result.warnings == []
    assert one.logs == "hello from a fake container\ndone"
    assert one.job_name == job_name(claim.metadata.name) == first.job_name
    (job,) = await ground.jobs(claim)
    (pod,) = await ground.pods(claim)
    assert pod["status"]["phase"] == "Succeeded"
    assert pod["spec"]["serviceAccountName"] == "mendflow-job"
    assert job["metadata"]["ownerReferences"][0]["uid"] == claim.metadata.uid
    assert job["spec"]["podReplacementPolicy"] == "Failed"


async def test_a_failed_job_fails_its_step_and_leaves_its_log(ground: Ground) -> None:
    await ground.template(_behaving("fails", container="hostile", pod="fail"))
    parameters = _asks("fails")
    claim = await ground.claim("fails", parameters)
    runner = ground.runner(claim)

    error = await _refused(runner.run(parameters, FAILOVER))

    assert error.error is ErrorType.UNKNOWN_ERROR
    (pod,) = await ground.pods(claim)
    name = pod["metadata"]["name"]
    assert str(error) == (f"the Job failed; container hostile of pod {name} ended with exit code 1")
    assert runner.job_name == job_name(claim.metadata.name)
    assert len(runner.logs.encode()) <= KEPT_BYTES
    *_, url, header, login, colours, controls, template = runner.logs.splitlines()
    assert url == "connecting to postgres://[redacted]@db/orders"
    assert "abcdefgh" not in header
    assert login == "login with password=[redacted]"
    assert (colours, controls) == ("red and plain", "a\\x07bell and a \\u202ereversed word")
    assert template == "{{ .Secret }} ${env.HOME}"


async def test_a_job_that_is_not_wanted_any_more_runs_no_longer(ground: Ground) -> None:
    await ground.template(_behaving("endless", pod="never-ready"))
    parameters, stop = _asks("endless"), Stop()
    late, ended = await asyncio.gather(
        ground.claim("late", parameters), ground.claim("cancelled", parameters)
    )

    async def cancel() -> RefusedError:
        running = asyncio.create_task(
            _refused(ground.runner(ended, stop=stop).run(parameters, FAILOVER))
        )
        await ground.until_running(ended)
        stop.ask()
        return await running

    timely = ground.runner(late, seconds=2)
    timeout, cancelled = await asyncio.gather(_refused(timely.run(parameters, FAILOVER)), cancel())

    assert (timeout.error, cancelled.error) == (ErrorType.TIMEOUT, ErrorType.CANCELLED)
    assert "out of time while waiting for Job" in str(timeout)
    assert str(cancelled).startswith("the Job was stopped")
    assert timely.logs.startswith("hello")
    for claim in (late, ended):
        assert await ground.jobs(claim) == []
        assert await ground.pods(claim) == []


async def test_the_control_plane_ends_a_job_whose_executor_is_gone(ground: Ground) -> None:
    await ground.template(_behaving("forgotten", pod="never-ready"))
    parameters = _asks("forgotten")
    claim = await ground.claim("forgotten", parameters, longest="1s")

    error = await _refused(ground.runner(claim).run(parameters, FAILOVER))

    assert error.error is ErrorType.TIMEOUT
    assert str(error).startswith("the Job ran longer than its timeout")


async def test_a_job_that_somebody_deletes_is_of_unknown_outcome(ground: Ground) -> None:
    await ground.template(_behaving("deleted", pod="never-ready"))
    parameters = _asks("deleted")
    claim = await ground.claim("deleted", parameters)
    running = asyncio.create_task(_refused(ground.runner(claim).run(parameters, FAILOVER)))
    job = await ground.until_running(claim)
    meta = job["metadata"]

    await ground.api.delete(JOB, meta["name"], uid=meta["uid"], namespace=ground.namespace)

    error = await running
    assert error.error is ErrorType.UNKNOWN_ERROR
    assert str(error).startswith(GONE)
    assert await ground.pods(claim) == []


async def test_a_job_of_somebody_else_is_left_alone(ground: Ground) -> None:
    await ground.template(_behaving("taken"))
    parameters = _asks("taken")
    mine, other = await ground.claim("taken", parameters), await ground.claim("other", parameters)
    await ground.runner(other).run(parameters, FAILOVER)
    (job,) = await ground.jobs(other)
    name = job_name(mine.metadata.name)
    template = job["spec"]["template"]
    template["metadata"] = {}
    made = await ground.api.create(
        JOB,
        {"metadata": {"name": name}, "spec": {"suspend": True, "template": template}},
        namespace=ground.namespace,
    )

    error = await _refused(ground.runner(mine).run(parameters, FAILOVER))

    assert (error.error, error.reason) == (ErrorType.RESOURCE_CONFLICT, "NameCollision")
    left = await ground.api.read(JOB, name, namespace=ground.namespace)
    assert left is not None
    assert left["metadata"]["uid"] == made["metadata"]["uid"]


async def test_sec13_commands_and_config_reach_the_container_verbatim(ground: Ground) -> None:
    config = {f"VALUE_{number}": text for number, text in enumerate(HOSTILE)}
    parameters = Custom(custom_command=["tool", *HOSTILE], config=config)
    claim = await ground.claim("command", parameters, dry_run=True)
    runner = ground.runner(claim)

    outcome = await runner.run(parameters, Action.CUSTOM)

    assert outcome.done.result.success
    assert runner.dry_run is not None
    assert runner.dry_run.success
    (pod,) = await ground.pods(claim)
    (container,) = pod["spec"]["containers"]
    assert [expanded(word, {"MENDFLOW_STEP": "no"}) for word in container["command"]] == [
        "tool",
        *HOSTILE,
    ]
    told = {name: expanded(value, {}) for name, value in environment_of(container).items()}
    assert told.items() >= config.items()
    assert told["MENDFLOW_ACTION"] == "custom"


async def test_a_template_is_judged_again_before_it_runs(ground: Ground) -> None:
    await ground.template(pod_template("changed", hostNetwork=True))
    claim = await ground.claim("changed", _asks("changed"))
    runner = ground.runner(claim)

    changed = await _refused(runner.run(_asks("changed"), FAILOVER))
    gone = await _refused(runner.run(_asks("gone"), FAILOVER))

    assert changed.error is ErrorType.VALIDATION_ERROR
    assert "PodTemplate changed: template.spec.hostNetwork" in str(changed)
    assert gone.error is ErrorType.RESOURCE_NOT_FOUND
    assert await ground.jobs(claim) == []


async def test_what_the_dry_run_refuses_is_not_created(ground: Ground) -> None:
    body = await ground.template(pod_template("quoted"))
    parameters = _asks("quoted")
    claim = await ground.claim("quoted", parameters, dry_run=True)
    # As a PodTemplate it is valid, as a Job it is not: its label belongs to the Job controller.
    labels = {"template": {"metadata": {"labels": {"batch.kubernetes.io/job-name": "other"}}}}
    await ground.api.patch(
        POD_TEMPLATE, body["metadata"]["name"], labels, namespace=ground.namespace
    )
    runner = ground.runner(claim)

    with pytest.raises(PermanentError, match="dry run: ") as caught:
        await runner.run(parameters, FAILOVER)

    assert caught.value.reason == "Invalid"
    assert runner.dry_run is not None
    assert not runner.dry_run.success
    assert await ground.jobs(claim) == []
