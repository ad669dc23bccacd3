"""The cluster as an execution changes it: what each request did is written into its ledger.

A request whose answer was lost stays in the ledger as one that nobody answered. What leaves
no stamp of ours on its target is written down before it is made: deletions, evictions, what
is made around a target, and the mere taking of a lock.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

from services.executor.core import effects, operations
from services.executor.held import HeldClaim
from shared.api.execution import EffectRecord
from shared.api.groups import POD, Kind
from shared.effects.forms import Form
from shared.errors import ConflictError, PermanentError, TransientError
from shared.kube.errors import OVERLOAD, DisruptionBudgetError
from shared.kube.port import Change, Listing, Object, TargetCluster, Tried

_EVICT: Final = "evict"
_Key = tuple[str, str, str, str, str]


class _Unanswered:
    """What is known of the requests of one claim that have no answer to keep."""

    def __init__(self, records: Sequence[EffectRecord]) -> None:
        self.sent = {_key(each) for each in records if not each.answered}
        """Of these nobody knows whether they were carried out."""

    def is_unmade(self, record: EffectRecord) -> bool:
        """Return whether a request was refused, or never sent, and so is without effect."""
        return not record.answered and _key(record) not in self.sent


class LedgerCluster:
    """A cluster of which every change is written down."""

    def __init__(
        self,
        cluster: TargetCluster,
        claim: HeldClaim,
        *,
        unanswered: "_Unanswered | None" = None,
    ) -> None:
        self._cluster = cluster
        self._claim = claim
        self._unanswered = unanswered or _Unanswered(claim.now.status.effects)

    def unlimited(self) -> "LedgerCluster":
        """Return the same cluster and ledger without a limit of requests."""
        return LedgerCluster(self._cluster.unlimited(), self._claim, unanswered=self._unanswered)

    async def read(self, kind: Kind, name: str, *, namespace: str = "") -> Object | None:
        """Return the live object, or None when there is none."""
        return await self._cluster.read(kind, name, namespace=namespace)

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Return all objects."""
        return await self._cluster.list(kind, namespace=namespace, label_selector=label_selector)

    def watch(
        self, kind: Kind, *, namespace: str = "", name: str = "", resource_version: str = ""
    ) -> AsyncIterator[Change]:
        """Yield changes."""
        return self._cluster.watch(
            kind, namespace=namespace, name=name, resource_version=resource_version
        )

    async def dry_run(
        self,
        kind: Kind,
        name: str,
        body: Any,
        *,
        namespace: str = "",
        form: Form = Form.MERGE,
        force: bool = False,
    ) -> Tried:
        """Have a patch judged in full but not kept."""
        return await self._cluster.dry_run(
            kind, name, body, namespace=namespace, form=form, force=force
        )

    async def dry_create(self, kind: Kind, body: Object, *, namespace: str = "") -> Tried:
        """Have a creation judged in full but not kept."""
        return await self._cluster.dry_create(kind, body, namespace=namespace)

    async def pods_on(self, node: str) -> Listing:
        """Return all pods that are bound to a node."""
        return await self._cluster.pods_on(node)

    async def logs(self, pod: str, *, namespace: str, container: str, limit_bytes: int) -> str:
        """Return the end of what a container wrote."""
        return await self._cluster.logs(
            pod, namespace=namespace, container=container, limit_bytes=limit_bytes
        )

    async def create(self, kind: Kind, body: Object, *, namespace: str = "") -> Object:
        """Create an object, and write that down; before, if it bears no stamp of ours."""
        record = _record("create", kind, body["metadata"]["name"], body)
        await self._intend_unstamped(record, body)
        return await self._told(
            record, lambda: self._cluster.create(kind, body, namespace=namespace)
        )

    async def patch(
        self, kind: Kind, name: str, body: Object, *, namespace: str = "", subresource: str = ""
    ) -> Object:
        """Merge-patch an object, and write that down; before, if it sets no stamp of ours."""
        record = _record("patch", kind, name, body)
        await self._intend_unstamped(record, body)
        return await self._told(
            record,
            lambda: self._cluster.patch(
                kind, name, body, namespace=namespace, subresource=subresource
            ),
        )

    async def apply(
        self, kind: Kind, name: str, body: Object, *, namespace: str = "", force: bool = False
    ) -> Object:
        """Apply a manifest, and write that down."""
        record = _record("patch", kind, name, body)
        return await self._told(
            record,
            lambda: self._cluster.apply(kind, name, body, namespace=namespace, force=force),
        )

    async def delete(
        self,
        kind: Kind,
        name: str,
        *,
        uid: str,
        namespace: str = "",
        resource_version: str = "",
        grace_s: int | None = None,
    ) -> Object:
        """Delete an object, written down before."""
        record = EffectRecord(
            verb="delete",
            kind=kind.kind,
            name=name,
            uid=uid,
            resource_version_before=resource_version,
            answered=False,
        )
        await self.intend([record])
        return await self._told(
            record,
            lambda: self._cluster.delete(
                kind,
                name,
                uid=uid,
                namespace=namespace,
                resource_version=resource_version,
                grace_s=grace_s,
            ),
        )

    async def evict(self, name: str, *, uid: str, namespace: str, grace_s: int | None) -> None:
        """Ask for an eviction, which is to be written down before with `intend`."""

        async def ask() -> Object:
            await self._cluster.evict(name, uid=uid, namespace=namespace, grace_s=grace_s)
            return {}

        await self._told(eviction(name, uid), ask)

    async def intend(self, records: Sequence[EffectRecord]) -> None:
        """Write down what is going to be asked for, before it is.

        Raises FencedError, TransientError.
        """
        known = self._claim.now.status.effects
        new = [each for each in records if _position(known, each) is None]
        if new:
            self._claim.note(effects=[*known, *new])
            await self._claim.keep()

    async def _intend_unstamped(self, record: EffectRecord, body: Object) -> None:
        if not operations.read(body):
            await self.intend([record])

    async def _told(self, record: EffectRecord, send: Callable[[], Awaitable[Object]]) -> Object:
        """Make a request, and write down what became of it."""
        self._note(record)
        try:
            answer = await send()
        except (ConflictError, DisruptionBudgetError, PermanentError):
            self._drop(record)
            raise
        except TransientError as error:
            if error.reason == OVERLOAD:
                self._drop(record)
            else:
                self._unanswered.sent.add(_key(record))
            raise
        meta = answer.get("metadata", {})
        self._answer(record, meta.get("uid", record.uid), meta.get("resourceVersion", ""))
        return answer

    def forget_unmade(self) -> None:
        """Take out what was only meant to be asked for, once nothing more will be."""
        known = self._claim.now.status.effects
        kept = [each for each in known if not self._unanswered.is_unmade(each)]
        self._claim.note(effects=kept)

    def refute(self, kind: Kind, name: str, *, version: str) -> None:
        """Take out patches of an object that will never be made: it has another version.

        The taking of a lock stays: it leaves no stamp that would show whether it was made.
        """
        known = self._claim.now.status.effects
        kept = [
            each
            for each in known
            if each.answered
            or (each.verb, each.kind, each.name) != ("patch", kind.kind, name)
            or each.resource_version_before == version
            or effects.bears_no_change(each, kind)
        ]
        if len(kept) < len(known):
            self._claim.note(effects=kept)

    def saw(self, kind: Kind, live: Object, *, before: str) -> None:
        """Take note of a change of ours that shows on its target."""
        known, meta = self._claim.now.status.effects, live["metadata"]
        found = effects.seen(known, kind, name=meta["name"], uid=meta["uid"], before=before)
        self._claim.note(effects=found)

    def took(self, kind: Kind, live: Object) -> None:
        """Take note that a lock shows on its target, whose taker died before it was told so."""
        wanted = ("patch", kind.kind, live["metadata"]["name"], False)
        for each in reversed(self._claim.now.status.effects):
            if (each.verb, each.kind, each.name, each.answered) == wanted:
                self.saw(kind, live, before=each.resource_version_before)
                return

    def _note(self, record: EffectRecord) -> None:
        known = self._claim.now.status.effects
        if _position(known, record) is None:
            self._claim.note(effects=[*known, record])

    def _drop(self, record: EffectRecord) -> None:
        """Take out what was refused, unless it was sent before and may have been done then.

        An eviction may be asked for again, without being written down again: it stays for now.
        """
        if record.verb == _EVICT or _key(record) in self._unanswered.sent:
            return
        known = self._claim.now.status.effects
        position = _position(known, record)
        if position is not None:
            self._claim.note(effects=effects.without(known, position))

    def _answer(self, record: EffectRecord, uid: str, version: str) -> None:
        known = self._claim.now.status.effects
        position = _position(known, record)
        if position is not None:
            self._claim.note(effects=effects.answered(known, position, uid=uid, version=version))


def eviction(name: str, uid: str) -> EffectRecord:
    """Return the record of an eviction that was not answered yet."""
    return EffectRecord(verb=_EVICT, kind=POD.kind, name=name, uid=uid, answered=False)


def _record(verb: str, kind: Kind, name: str, body: Object) -> EffectRecord:
    meta = body.get("metadata", {})
    return EffectRecord(
        verb=verb,
        kind=kind.kind,
        name=name,
        uid=meta.get("uid", ""),
        resource_version_before=meta.get("resourceVersion", ""),
        digest=effects.digest(kind, body),
        answered=False,
    )


def _key(record: EffectRecord) -> _Key:
    """Return what tells a request from others, as it was sent."""
    version = record.resource_version_before
    return record.verb, record.kind, record.name, record.uid, version


def _position(known: list[EffectRecord], record: EffectRecord) -> int | None:
    """Return where a request that was not answered stands in the ledger."""
    wanted = _key(record)
    for position, each in enumerate(known):
        if _key(each) == wanted and not each.answered:
            return position
    return None
