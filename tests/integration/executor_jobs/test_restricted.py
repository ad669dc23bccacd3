"""Whatever a template may ask for, the pods of its Job are let into a restricted namespace."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.executor.core.changes import RefusedError
from services.executor.core.job_building import from_template
from shared.api.enums import Action
from shared.api.groups import POD
from shared.effects import pod_templates
from shared.errors import PermanentError
from tests.integration.executor_jobs.conftest import Ground
from tests.support.jobs import FAILOVER, Object, claim_of, pod_template

EXAMPLES: Final = 150


def _mostly(harmless: Sequence[Any], *harmful: Any) -> st.SearchStrategy[Any]:
    """Choose what a template may ask for, and once in a while what it may not."""
    return st.sampled_from([*harmless, *([None] * 10 * len(harmful)), *harmful])


_profile = _mostly((None, "RuntimeDefault", "Localhost"), "Unconfined")
_user = _mostly((None, 1000, 65532), 0)
_capabilities = _mostly(
    (None, {"drop": ["ALL"]}, {"drop": ["NET_RAW"]}, {"add": ["NET_BIND_SERVICE"]}),
    {"add": ["SYS_ADMIN"]},
)
_volume = st.sampled_from(
    [
        {"emptyDir": {}},
        {"configMap": {"name": "c"}},
        {"secret": {"secretName": "s"}},
        {"persistentVolumeClaim": {"claimName": "p"}},
        {"csi": {"driver": "d.example"}},
        {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ]
)
_harmful_volume = _mostly((), {"hostPath": {"path": "/"}}, {"nfs": {"server": "s", "path": "/"}})
_volumes = st.builds(
    lambda harmless, harmful: [*harmless, *filter(None, [harmful])],
    st.lists(_volume, max_size=2),
    _harmful_volume,
)


def _profile_of(kind: str | None) -> Object | None:
    if kind is None:
        return None
    return {"type": kind} | ({"localhostProfile": "own.json"} if kind == "Localhost" else {})


def _set(**fields: Any) -> Object:
    return {key: value for key, value in fields.items() if value is not None}


_pod_context = st.builds(
    _set,
    runAsNonRoot=_mostly((True,), False),
    runAsUser=_user,
    seccompProfile=_profile.map(_profile_of),
    appArmorProfile=_profile.map(_profile_of),
)
_context = st.builds(
    _set,
    allowPrivilegeEscalation=_mostly((False,), True),
    privileged=_mostly((False,), True),
    readOnlyRootFilesystem=st.booleans(),
    runAsNonRoot=_mostly((True,), False),
    runAsUser=_user,
    capabilities=_capabilities,
    seccompProfile=_profile.map(_profile_of),
    procMount=_mostly(("Default",), "Unmasked"),
)


@st.composite
def _templates(draw: st.DrawFn) -> Object:
    def container(name: str) -> Object:
        port: Object = {"containerPort": 80} | _set(hostPort=draw(_mostly((), 80)))
        return {
            "name": name,
            "image": "registry.example/tool:1",
            "securityContext": draw(_context),
            "ports": [port] if draw(st.booleans()) else [],
        }

    spec: Object = {
        "containers": [container(f"c{n}") for n in range(draw(st.integers(1, 2)))],
        "initContainers": [container(f"i{n}") for n in range(draw(st.integers(0, 1)))],
        "securityContext": draw(_pod_context),
        "volumes": [{"name": f"v{n}", **each} for n, each in enumerate(draw(_volumes))],
    }
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        spec |= _set(**{field: draw(_mostly((False,), True))})
    return pod_template(**spec)


def _pods_of_jobs() -> tuple[list[Object], list[Object]]:
    """Return the pods of Jobs that were built, and templates that were refused."""
    pods: list[Object] = []
    refused: list[Object] = []
    claim = claim_of()

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(_templates())
    def build(template: Object) -> None:
        try:
            job = from_template(claim, Action.FAILOVER_DATABASE, FAILOVER, template)
        except RefusedError:
            refused.append(template)
            return
        made = job["spec"]["template"]
        pods.append({"metadata": made["metadata"] | {"generateName": "p-"}, "spec": made["spec"]})

    build()
    return pods, refused


async def test_pods_of_every_job_that_is_built_are_restricted(ground: Ground) -> None:
    pods, refused = _pods_of_jobs()
    gate = asyncio.Semaphore(20)

    async def admitted(pod: Object) -> str:
        async with gate:
            try:
                await ground.api.dry_create(POD, pod, namespace=ground.namespace)
            except PermanentError as error:
                return f"{error}: {pod}"
        return ""

    assert [each for each in await asyncio.gather(*map(admitted, pods)) if each] == []
    assert len(pods) > EXAMPLES // 20
    assert len(refused) > EXAMPLES // 20


async def test_the_namespace_refuses_what_templates_may_not_ask_for(ground: Ground) -> None:
    """The other way round: a Job that nobody judged would be held up there."""
    template = pod_template(hostNetwork=True)
    assert list(pod_templates.problems_of(template))
    pod = {"metadata": {"name": "p"}, "spec": template["template"]["spec"]}

    with pytest.raises(PermanentError, match="restricted") as caught:
        await ground.api.dry_create(POD, pod, namespace=ground.namespace)

    assert caught.value.reason == "Forbidden"
