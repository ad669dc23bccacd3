"""Jobs that cannot or must not run are refused before any step does."""

from typing import Any, Final

import msgspec
import pytest

from services.planner.core.adjusting import revised
from services.planner.core.defects import Reason
from services.planner.core.job_templates import Jobs, needs_jobs, templates_of
from services.planner.core.validate import validate
from shared.api.enums import Action
from shared.api.parameters import Custom, FailoverDatabase, Parameters
from shared.api.workflow_spec import (
    AdaptiveOrchestration,
    Adjustment,
    Insertion,
    Step,
    StepRollback,
)
from shared.effects.catalogue import with_parameters
from shared.limits import Limits
from tests.support.builders import NOW, make_workflow, notify_step, planned
from tests.support.jobs import pod_template, with_container

STEPS: Final = "spec.workflowDefinition.steps"
MISSING: Final = "there is no PodTemplate failover-database in namespace default"


def failover(name: str = "a", **fields: Any) -> Step:
    parameters = FailoverDatabase(database="orders", **fields)
    return Step(
        name=name,
        action="failover_database",
        parameters=with_parameters(Action.FAILOVER_DATABASE, parameters),
    )


def custom(**fields: Any) -> Step:
    return Step(name="a", action="custom", parameters=Parameters(custom=Custom(**fields)))


def undone_by(step: Step) -> Step:
    undo = StepRollback(action=step.action, parameters=step.parameters)
    return msgspec.structs.replace(notify_step("a"), rollback=undo)


def told(step: Step, jobs: Jobs) -> list[tuple[str, str]]:
    defects = validate(make_workflow([step]), jobs=jobs)
    assert {defect.reason for defect in defects} <= {Reason.INVALID_PARAMETERS}
    return [(defect.path, defect.message) for defect in defects]


def test_a_missing_template_is_named_with_the_reason_why_one_is_needed() -> None:
    jobs = Jobs(templates={"failover-database": MISSING})

    assert told(failover(), jobs) == [
        (
            f"{STEPS}[a].parameters.failoverDatabase.template",
            (
                f"{MISSING}: failover_database needs one, since a plain cluster has no database to "
                "act on; create it, or name another one in template"
            ),
        )
    ]
    assert told(failover(template="other"), jobs) == []


def test_a_template_that_asks_for_too_much_is_refused_with_its_field() -> None:
    jobs = Jobs(templates={"failover-database": pod_template(hostNetwork=True)})

    [(path, message)] = told(failover(), jobs)

    assert path == f"{STEPS}[a].parameters.failoverDatabase.template"
    assert message.startswith(
        "PodTemplate failover-database in namespace default: template.spec.hostNetwork: "
    )


def test_a_template_and_the_config_of_a_step_may_not_set_the_same() -> None:
    template = with_container(env=[{"name": "LEVEL", "value": "1"}])
    jobs = Jobs(templates={"mine": template})

    [(_, message)] = told(custom(template="mine", config={"LEVEL": "9"}), jobs)

    assert "env[LEVEL]: the config of the workflow gives it too" in message
    assert told(custom(template="mine", config={"OTHER": "9"}), jobs) == []


def test_a_command_needs_an_image_and_a_template_none() -> None:
    jobs = Jobs(image="no image is configured", templates={"mine": pod_template("mine")})

    assert told(custom(custom_command=["tool"]), jobs) == [
        (f"{STEPS}[a].parameters.custom.customCommand", "no image is configured")
    ]
    assert told(custom(template="mine"), jobs) == []
    assert told(custom(custom_command=["tool"]), Jobs()) == []


def test_without_the_account_no_job_runs() -> None:
    jobs = Jobs(account="there is no ServiceAccount mendflow-job")

    assert told(custom(custom_command=["tool"]), jobs) == [
        (f"{STEPS}[a].action", "there is no ServiceAccount mendflow-job")
    ]
    assert told(notify_step("a"), jobs) == []


def test_an_undo_is_judged_like_a_step() -> None:
    step = undone_by(failover())

    [(path, _)] = told(step, Jobs(templates={"failover-database": MISSING}))

    assert path == f"{STEPS}[a].rollback.parameters.failoverDatabase.template"
    assert templates_of(make_workflow([step]).spec) == ["failover-database"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"MENDFLOW_X": "1"}, "'MENDFLOW_X' begins with MENDFLOW_"),
        ({"a-b": "1"}, "'a-b' is no name of a variable"),
        ({"PATH": "1"}, "'PATH' would decide"),
    ],
)
def test_config_that_no_process_can_be_given_is_refused(config: dict[str, str], said: str) -> None:
    [(path, message)] = told(custom(template="mine", config=config), Jobs())

    assert path == f"{STEPS}[a].parameters.custom.config"
    assert message.startswith(said)


def test_templates_are_those_of_all_possible_steps_whose_name_is_known() -> None:
    inserted = Insertion(step=failover("late", template="later"))
    workflow = make_workflow(
        [
            failover(),
            failover("b", template="${vars.which}"),
            msgspec.structs.replace(custom(custom_command=["tool"]), name="c"),
        ]
    )
    spec = msgspec.structs.replace(
        workflow.spec,
        adaptive_orchestration=AdaptiveOrchestration(
            adjustments=[Adjustment(name="more", insert=[inserted])]
        ),
    )

    assert templates_of(spec) == ["failover-database", "later"]
    assert needs_jobs(spec)
    assert not needs_jobs(make_workflow([notify_step("a")]).spec)


def test_an_adjustment_that_inserts_a_job_that_cannot_run_is_refused() -> None:
    workflow = make_workflow([notify_step("a")])
    adjustment = Adjustment(name="more", insert=[Insertion(step=failover("late"))])
    spec = msgspec.structs.replace(
        workflow.spec, adaptive_orchestration=AdaptiveOrchestration(adjustments=[adjustment])
    )
    running = planned(msgspec.structs.replace(workflow, spec=spec))

    status = revised(
        running, Limits(), now=NOW, jobs=Jobs(templates={"failover-database": MISSING})
    )

    assert status is not None
    (entry,) = status.adaptive_adjustments
    assert not entry.accepted
    assert entry.reason.startswith("insert[0].step.parameters.failoverDatabase.template: there is")
