"""What executions say they changed, beside what the API server wrote down.

Every granted request of the executor stands in the ledger of exactly one execution, and every
record that was answered stands for exactly one request: nothing more, nothing less. A sender
that was killed may leave gaps in what a record says, never in whether there is one.
"""

import json
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from services.executor.core import effects
from shared.api import groups
from shared.api.execution import EffectRecord, KubernetesExecution
from shared.api.groups import EVENT, KUBERNETES_EXECUTION, LEASE, WORKFLOW_EXECUTION, Kind
from shared.kube.objects import decoded

Object = dict[str, Any]

EXECUTOR: Final = "mendflow-executor"
_OURS: Final = {kind.plural for kind in (WORKFLOW_EXECUTION, KUBERNETES_EXECUTION, LEASE, EVENT)}
_VERBS: Final = {"create", "update", "patch", "delete", "deletecollection"}
_KINDS: Final = {kind.plural: kind for kind in vars(groups).values() if isinstance(kind, Kind)}
_FIELDS: Final = ("uid", "resource_version_before", "resource_version_after", "digest")
_WRITTEN_S: Final = 5.0


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A granted request of the executor, as the API server wrote it down."""

    record: EffectRecord
    """What should stand in a ledger; empty is what the log does not tell."""
    namespace: str

    def __str__(self) -> str:
        """Return it as people say it."""
        return _told(self.record)


class AuditedRequests:
    """The requests of the executor that changed something, from now on."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = log.stat().st_size

    def read(self, namespace: str, *, others: Iterable[str] = ()) -> list[Request]:
        """Return those in a namespace so far, and those on some objects elsewhere."""
        named = set(others)
        with self._log.open("rb") as log:
            log.seek(self._offset)
            lines = log.read().split(b"\n")[:-1]
        marker = f'"userAgent":"{EXECUTOR}"'.encode()
        entries = (json.loads(line) for line in lines if marker in line)
        found = [_request(entry) for entry in entries if _is_change(entry)]
        return [each for each in found if each.namespace == namespace or each.record.name in named]

    def differences(
        self,
        namespace: str,
        executions: Sequence[Object],
        *,
        others: Iterable[str] = (),
        exact: bool = False,
        has_gaps: bool = False,
    ) -> list[str]:
        """Return how the ledgers of a namespace differ from the log, which may lag a bit behind.

        Args:
            namespace: of the executions.
            executions: all that there are, as they were read.
            others: names of the objects elsewhere that they are about.
            exact: nobody was killed, so that every record tells everything.
            has_gaps: the API server was killed, so that the log may lack what it had granted.
        """
        named, known = list(others), [decoded(each, KubernetesExecution) for each in executions]
        deadline = time.monotonic() + _WRITTEN_S
        while True:
            requests = self.read(namespace, others=named)
            found = differences(requests, known, exact=exact, has_gaps=has_gaps)
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.1)


def differences(
    requests: Sequence[Request],
    executions: Sequence[KubernetesExecution],
    *,
    exact: bool = False,
    has_gaps: bool = False,
) -> list[str]:
    """Return what one side knows and the other does not; nothing when the ledgers are right.

    Args:
        requests: what the API server wrote down.
        executions: with their ledgers.
        exact: nobody was killed, so that every record tells everything.
        has_gaps: what the API server granted when it was killed may not be written down.
    """
    records = [(each.metadata.name, one) for each in executions for one in each.status.effects]
    unseen = list(requests)
    for fits in (_is_told_by, *(() if exact else (_may_be_told_by,))):
        for request in list(unseen):
            found = next((each for each in records if fits(request.record, each[1])), None)
            if found is not None:
                records.remove(found)
                unseen.remove(request)
    made_up = [
        (name, record) for name, record in records if (record.answered or exact) and not has_gaps
    ]
    return [
        *(f"in no ledger: {request}" for request in unseen),
        *(f"never asked for, says {name}: {_told(record)}" for name, record in made_up),
    ]


def _is_told_by(logged: EffectRecord, record: EffectRecord) -> bool:
    """Return whether a record says all that the log does."""
    pairs = [(getattr(logged, field), getattr(record, field)) for field in _FIELDS]
    return record.answered and _is_alike(logged, record) and all(a in ("", b) for a, b in pairs)


def _may_be_told_by(logged: EffectRecord, record: EffectRecord) -> bool:
    """Return whether a record says nothing else than the log does."""
    pairs = [(getattr(logged, field), getattr(record, field)) for field in _FIELDS]
    return _is_alike(logged, record) and all(a == b or "" in (a, b) for a, b in pairs)


def _is_alike(logged: EffectRecord, record: EffectRecord) -> bool:
    wanted = (logged.verb, logged.kind, logged.name)
    return wanted == (record.verb, record.kind, record.name)


def _is_change(entry: Object) -> bool:
    granted = entry.get("responseStatus", {}).get("code", 500) < 300
    foreign = entry.get("objectRef", {}).get("resource", "") not in _OURS
    tried = "dryRun=" in entry["requestURI"]
    return entry["verb"] in _VERBS and granted and foreign and not tried


def _request(entry: Object) -> Request:
    reference = entry["objectRef"]
    kind = _KINDS[reference["resource"]]
    sent, answer = entry.get("requestObject") or {}, entry.get("responseObject") or {}
    options = sent.get("deleteOptions", {}) if reference.get("subresource") == "eviction" else sent
    asked = sent.get("metadata", {}) | options.get("preconditions", {})
    verb = "evict" if reference.get("subresource") == "eviction" else entry["verb"]
    made = {} if verb == "evict" else answer.get("metadata", {})
    # Of what is created, the log shows it with all defaults filled in.
    as_sent = bool(sent) and verb == "patch"
    record = EffectRecord(
        verb=verb,
        kind=kind.kind,
        name=reference.get("name") or made.get("name", ""),
        uid=made.get("uid") or asked.get("uid", ""),
        resource_version_before=asked.get("resourceVersion", ""),
        resource_version_after=made.get("resourceVersion", ""),
        digest=effects.digest(kind, sent) if as_sent else "",
    )
    return Request(record=record, namespace=reference.get("namespace", ""))


def _told(record: EffectRecord) -> str:
    fields = msgspec.to_builtins(record, order="deterministic")
    return re.sub(r"[{}'\"]", "", str({key: each for key, each in fields.items() if each}))
