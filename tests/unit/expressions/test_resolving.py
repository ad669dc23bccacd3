"""What a value makes of parameters: nothing that planning would have refused."""

import msgspec
import pytest

from shared.api.parameters import ApplyManifest, DeletePod, Parameters
from shared.api.workflow import WorkflowExecution
from shared.expressions.errors import ExpressionError
from shared.expressions.resolving import resolved
from tests.support.builders import make_workflow, scale_step

MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: ${vars.value}}"


def _workflow(value: str) -> WorkflowExecution:
    workflow = make_workflow([scale_step("a")])
    definition = msgspec.structs.replace(
        workflow.spec.workflow_definition, variables={"value": value}
    )
    spec = msgspec.structs.replace(workflow.spec, workflow_definition=definition)
    return msgspec.structs.replace(workflow, spec=spec)


def test_a_value_takes_its_place() -> None:
    given = Parameters(apply_manifest=ApplyManifest(manifest=MANIFEST))

    done = resolved(_workflow("plain"), given).apply_manifest

    assert done is not None
    assert done.manifest.endswith("data: {key: plain}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x}\nkind: Secret #", "use update_secret"),
        ("x}\nmetadata: {name: a, finalizers: [b]} #", "finalizers cannot be applied"),
        ("x}\nmetadata: {name: a, namespace: other} #", "may only act in namespace 'default'"),
        ("[", "it is no YAML"),
    ],
    ids=["kind", "finalizer", "namespace", "rubbish"],
)
def test_a_value_makes_nothing_that_planning_would_have_refused(value: str, message: str) -> None:
    given = Parameters(apply_manifest=ApplyManifest(manifest=MANIFEST))

    with pytest.raises(ExpressionError, match=message):
        resolved(_workflow(value), given)


@pytest.mark.parametrize("value", ["web\n", "web/../api", "Web"])
def test_a_value_is_no_name_that_the_api_server_would_refuse(value: str) -> None:
    """A block in YAML ends with a line break; the step then fails, and says which field it was."""
    given = Parameters(delete_pod=DeletePod(pod="${vars.value}"))

    with pytest.raises(ExpressionError, match=r"deletePod\.pod: no name of an object; use"):
        resolved(_workflow(value), given)
