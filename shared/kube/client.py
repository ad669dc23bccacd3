"""The cluster port over the official client's async transport.

Only connection and credentials come from the library: bodies are decoded by msgspec, which
costs a tenth of building model objects. Every request waits for the rate limiter and is
bounded in time on our side, because a frozen API server never answers.
"""

import asyncio
import copy
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from kubernetes.aio.client import ApiClient, ApiException, Configuration

from shared import jitter
from shared.api.groups import POD, Kind
from shared.clock import Clock
from shared.effects.forms import Form
from shared.errors import TransientError
from shared.kube.access import configuration_of
from shared.kube.errors import WatchExpiredError, conflicting_managers, translate
from shared.kube.outages import DOUBT_S, Outages
from shared.kube.port import Change, Listing, Object, Tried
from shared.kube.ratelimit import RateLimiter

_PAGE: Final = 500
_LOG_LINES: Final = 200
_LONG_LOG_LINES: Final = 20
"""As many of any length stay below the bytes: container runtimes part lines at 16 KiB."""
_LOG_BYTES: Final = 1024 * 1024
"""What is read of so many lines at most: a line has no limit of its own."""
_REQUEST_S: Final = 15.0
_WATCH_SERVER_S: Final = (240, 300)
_WATCH_SILENCE_S: Final = 90.0
"""Bookmarks arrive about once a minute; longer silence means a dead connection."""
_NO_CONNECTION: Final = (aiohttp.ClientError, TimeoutError, OSError)
_CONTROL: Final = re.compile("[\x7f-\x9f\ufeff\ufffe\uffff\u2028\u2029]")
_WARNING: Final = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')
"""A code, who warns, and the text as a quoted string (RFC 7234, section 5.5)."""

OnRequest = Callable[[str, str, int], None]
"""Told verb, resource and status code of every request."""


class _Answer(NamedTuple):
    code: int
    body: bytes
    retry_after: str
    warnings: list[str]


class ApiCluster:
    """Requests to one API server."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        field_manager: str,
        limiter: RateLimiter,
        on_request: OnRequest = lambda *_: None,
        request_s: float = _REQUEST_S,
        watch_silence_s: float = _WATCH_SILENCE_S,
        doubt_s: float = DOUBT_S,
    ) -> None:
        """Build it; enter it as a context before use.

        Args:
            configuration: where the API server is, and who we are there.
            field_manager: under which name our writes are kept, and our requests logged.
            limiter: what every request waits for.
            on_request: is told of every answered request.
            request_s: seconds after which a request is given up.
            watch_silence_s: seconds without a byte after which a watch is given up.
            doubt_s: seconds after an outage in which a missing right is not believed.
        """
        self._outages = Outages(doubt_s)
        self._configuration = configuration
        self._field_manager = field_manager
        self._limiter = limiter
        self._on_request = on_request
        self._request_s = request_s
        self._watch_silence_s = watch_silence_s
        self._api: ApiClient | None = None
        self.user = ""
        """On whose behalf; empty for our own."""

    def acting_as(self, user: str) -> Self:
        """Return the same connection for requests on behalf of another user.

        Raises:
            ValueError: when none is named: nobody's rights are not everybody's.
        """
        if not user:
            message = "say on whose behalf"
            raise ValueError(message)
        other = copy.copy(self)
        other.user = user
        return other

    def unlimited(self) -> Self:
        """Return the same connection for requests that another rule paces than our limit."""
        other = copy.copy(self)
        other._limiter = self._limiter.lifted()  # noqa: SLF001 - it is one of us
        return other

    def limit(self, *, qps: float, burst: int) -> None:
        """Let more or fewer requests through from now on."""
        self._limiter.adjust(qps=qps, burst=burst)

    @classmethod
    async def connect(
        cls,
        *,
        kubeconfig: str,
        context: str = "",
        field_manager: str,
        qps: float,
        burst: int,
        clock: Clock,
        on_wait: Callable[[float], None] = lambda _: None,
        on_request: OnRequest = lambda *_: None,
        request_s: float = _REQUEST_S,
        watch_silence_s: float = _WATCH_SILENCE_S,
        doubt_s: float = DOUBT_S,
    ) -> Self:
        """Return a cluster from a kubeconfig file, or from the pod's own account if empty.

        Raises:
            CannotStartError: when neither can be read.
        """
        configuration = await configuration_of(kubeconfig, context)
        configuration.connection_pool_maxsize = 128
        limiter = RateLimiter(qps=qps, burst=burst, clock=clock, on_wait=on_wait)
        return cls(
            configuration,
            field_manager=field_manager,
            limiter=limiter,
            on_request=on_request,
            request_s=request_s,
            watch_silence_s=watch_silence_s,
            doubt_s=doubt_s,
        )

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        self._api = ApiClient(configuration=self._configuration)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        if self._api is not None:
            await self._api.close()

    async def read(self, kind: Kind, name: str, *, namespace: str = "") -> Object | None:
        """Return the live object, or None when there is none."""
        path = _path(kind, namespace, name)
        answer = await self._send("GET", path, resource=kind.plural)
        if answer.code == 404:  # noqa: PLR2004 - HTTP
            return None
        return _decoded(answer, request=f"get {kind.plural} {name}")

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Return all objects, page after page; a page that expired starts the list over."""
        return await self._list(
            kind, namespace, {"labelSelector": label_selector} if label_selector else {}
        )

    async def _list(self, kind: Kind, namespace: str, selector: dict[str, str]) -> Listing:
        while True:
            try:
                return await self._list_once(kind, namespace, selector)
            except WatchExpiredError:
                await asyncio.sleep(0.1)

    async def _list_once(self, kind: Kind, namespace: str, selector: dict[str, str]) -> Listing:
        items: list[Object] = []
        query = {"limit": str(_PAGE)} | selector
        while True:
            answer = await self._send(
                "GET", _path(kind, namespace), query=query, resource=kind.plural
            )
            page = _decoded(answer, request=f"list {kind.plural}")
            items += page["items"]
            following = page["metadata"].get("continue")
            if not following:
                version = page["metadata"]["resourceVersion"]
                return Listing(items=items, resource_version=version)
            query["continue"] = following

    async def create(self, kind: Kind, body: Object, *, namespace: str = "") -> Object:
        """Create an object; AlreadyExistsError when the name is taken."""
        answer = await self._send(
            "POST",
            _path(kind, namespace),
            query={"fieldManager": self._field_manager},
            body=body,
            resource=kind.plural,
        )
        return _decoded(answer, request=f"create {kind.plural}")

    async def patch(
        self,
        kind: Kind,
        name: str,
        body: Object,
        *,
        namespace: str = "",
        subresource: str = "",
    ) -> Object:
        """Merge-patch an object; a resourceVersion in the body makes it a compare-and-swap."""
        answer = await self._send(
            "PATCH",
            _path(kind, namespace, name, subresource),
            query={"fieldManager": self._field_manager},
            body=body,
            resource=f"{kind.plural}/{subresource}" if subresource else kind.plural,
        )
        return _decoded(answer, request=f"patch {kind.plural} {name}")

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
        answer = await self._patch_as(
            form, kind, _path(kind, namespace, name), body, force=force, query={"dryRun": "All"}
        )
        done = _decoded(answer, request=f"patch {kind.plural} {name}")
        return Tried(object=done, warnings=_texts(answer.warnings))

    async def dry_create(self, kind: Kind, body: Object, *, namespace: str = "") -> Tried:
        """Have a creation judged in full but not kept."""
        answer = await self._send(
            "POST",
            _path(kind, namespace),
            query={"fieldManager": self._field_manager, "dryRun": "All"},
            body=body,
            resource=kind.plural,
        )
        done = _decoded(answer, request=f"create {kind.plural}")
        return Tried(object=done, warnings=_texts(answer.warnings))

    async def apply(
        self, kind: Kind, name: str, body: Object, *, namespace: str = "", force: bool = False
    ) -> Object:
        """Apply a manifest on the server; a resourceVersion in it makes it a compare-and-swap."""
        path = _path(kind, namespace, name)
        answer = await self._patch_as(Form.APPLY, kind, path, body, force=force)
        return _decoded(answer, request=f"apply {kind.plural} {name}")

    async def _patch_as(
        self,
        form: Form,
        kind: Kind,
        path: str,
        body: Any,
        *,
        force: bool,
        query: dict[str, str] | None = None,
    ) -> _Answer:
        """Patch; where an apply meets nobody's fields but ours, written otherwise, force it."""
        asked = {"fieldManager": self._field_manager} | (query or {}) | _forced(force)
        answer = await self._send(
            "PATCH", path, query=asked, body=body, resource=kind.plural, form=form
        )
        refused = answer.code == 409  # noqa: PLR2004 - HTTP
        if not refused or conflicting_managers(answer.body) != {self._field_manager}:
            return answer
        asked["force"] = "true"
        return await self._send(
            "PATCH", path, query=asked, body=body, resource=kind.plural, form=form
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
        """Delete the object of that uid, and of that version if one is named."""
        answer = await self._send(
            "DELETE",
            _path(kind, namespace, name),
            body=_deletion(uid, resource_version, grace_s),
            resource=kind.plural,
        )
        return _decoded(answer, request=f"delete {kind.plural} {name}")

    async def evict(self, name: str, *, uid: str, namespace: str, grace_s: int | None) -> None:
        """Ask for the eviction of the pod of that uid; its disruption budgets may refuse it."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": _deletion(uid, "", grace_s),
        }
        answer = await self._send(
            "POST", _path(POD, namespace, name, "eviction"), body=body, resource="pods/eviction"
        )
        _decoded(answer, request=f"evict pod {name}")

    async def pods_on(self, node: str) -> Listing:
        """Return all pods that are bound to a node."""
        return await self._list(POD, "", {"fieldSelector": f"spec.nodeName={node}"})

    async def logs(self, pod: str, *, namespace: str, container: str, limit_bytes: int) -> str:
        """Return the end of what a container wrote."""
        written = await self._log(pod, namespace, container, lines=_LOG_LINES)
        if len(written) >= _LOG_BYTES:
            # It is the end that is missing: the limit cuts the last lines behind.
            written = await self._log(pod, namespace, container, lines=_LONG_LOG_LINES)
        return written[-limit_bytes:].decode(errors="replace")

    async def _log(self, pod: str, namespace: str, container: str, *, lines: int) -> bytes:
        answer = await self._send(
            "GET",
            _path(POD, namespace, pod, "log"),
            query={
                "container": container,
                "tailLines": str(lines),
                "limitBytes": str(_LOG_BYTES),
            },
            resource="pods/log",
        )
        if answer.code >= 400:  # noqa: PLR2004 - HTTP
            raise translate(answer.code, answer.body, request=f"logs of pod {pod}")
        return answer.body

    async def watch(
        self, kind: Kind, *, namespace: str = "", name: str = "", resource_version: str = ""
    ) -> AsyncIterator[Change]:
        """Yield changes until the server or the silence limit ends the watch."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(jitter.between(*_WATCH_SERVER_S))),
            "resourceVersion": resource_version,
        } | ({"fieldSelector": f"metadata.name={name}"} if name else {})
        await self._limiter.wait()
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._request_s, sock_read=self._watch_silence_s
        )
        try:
            response = await self._open("GET", _path(kind, namespace), query, timeout=timeout)
        except _NO_CONNECTION as error:
            self._outages.saw()
            raise TransientError("ApiUnavailable", f"watch {kind.plural}: {error!r}") from error
        try:
            self._on_request("WATCH", kind.plural, response.status)
            if response.status >= 400:  # noqa: PLR2004 - HTTP
                body = await response.read()
                self._outages.doubt(response.status, body, request=f"watch {kind.plural}")
                raise translate(response.status, body, request=f"watch {kind.plural}")
            async for line in _lines(response):
                yield _change(line, request=f"watch {kind.plural}")
        except _NO_CONNECTION as error:
            self._outages.saw()
            raise TransientError("WatchEnded", str(error)) from error
        finally:
            response.close()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        resource: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        form: Form = Form.MERGE,
    ) -> _Answer:
        await self._limiter.wait()
        timeout = aiohttp.ClientTimeout(total=self._request_s)
        try:
            async with asyncio.timeout(self._request_s + 1):
                response = await self._open(
                    method, path, query or {}, timeout=timeout, body=body, form=form
                )
                data = await response.read()
        except _NO_CONNECTION as error:
            self._outages.saw()
            raise TransientError("ApiUnavailable", f"{method} {path}: {error!r}"[:256]) from error
        self._on_request(method, resource, response.status)
        self._outages.doubt(response.status, data, request=f"{method} {path}"[:128])
        headers = response.headers
        return _Answer(
            code=response.status,
            body=data,
            retry_after=headers.get("Retry-After", ""),
            warnings=headers.getall("Warning", []),
        )

    async def _open(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own settings object
        body: Any = None,
        form: Form = Form.MERGE,
    ) -> aiohttp.ClientResponse:
        if self._api is None:
            message = "the cluster was not entered as a context"
            raise RuntimeError(message)
        headers = {
            "Accept": "application/json",
            "Content-Type": str(form) if method == "PATCH" else "application/json",
            "User-Agent": self._field_manager,
        }
        if form is Form.APPLY:
            # The library would escape characters in halves, which YAML does not have.
            headers["Content-Type"] += "; charset=utf-8"
            body = _yaml(body)
        if self.user:
            headers["Impersonate-User"] = self.user
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], None, None, None)
        url = f"{self._configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            answer = await self._api.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=timeout
            )
        except ApiException as error:
            self._outages.saw()
            raise TransientError("ApiUnavailable", str(error)[:256]) from error
        response: aiohttp.ClientResponse = answer.response
        return response


def _path(kind: Kind, namespace: str = "", name: str = "", subresource: str = "") -> str:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    parts = [root]
    if namespace and kind.namespaced:
        parts.append(f"namespaces/{_segment(namespace)}")
    parts += [part for part in (kind.plural, _segment(name), subresource) if part]
    return "/".join(parts)


def _segment(name: str) -> str:
    """Return a name as one segment of a path: it never leads to another object."""
    return quote(name, safe="")


def _yaml(body: Any) -> bytes:
    """Return JSON that is YAML too: control characters escaped, all others as they are."""
    text = json.dumps(body, ensure_ascii=False)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _forced(force: bool) -> dict[str, str]:  # noqa: FBT001 - the flag of the request
    return {"force": "true"} if force else {}


def _deletion(uid: str, resource_version: str, grace_s: int | None) -> Object:
    preconditions = {"uid": uid}
    if resource_version:
        preconditions["resourceVersion"] = resource_version
    options: Object = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": preconditions,
        "propagationPolicy": "Background",
    }
    return options if grace_s is None else options | {"gracePeriodSeconds": grace_s}


def _decoded(answer: _Answer, *, request: str) -> Any:
    if answer.code >= 400:  # noqa: PLR2004 - HTTP
        raise translate(answer.code, answer.body, request=request, retry_after=answer.retry_after)
    return msgspec.json.decode(answer.body)


def _texts(warnings: list[str]) -> tuple[str, ...]:
    """Return what warnings say; one in another form is left out."""
    found = map(_WARNING.match, warnings)
    return tuple(re.sub(r"\\(.)", r"\1", match[1]) for match in found if match)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Split the stream at newlines; objects may be longer than any read buffer."""
    pending = bytearray()
    async for chunk in response.content.iter_any():
        pending += chunk
        while (end := pending.find(b"\n")) >= 0:
            line = bytes(pending[:end])
            del pending[: end + 1]
            if line:
                yield line


def _change(line: bytes, *, request: str) -> Change:
    raw = msgspec.json.decode(line)
    if raw["type"] == "ERROR":
        body = msgspec.json.encode(raw["object"])
        raise translate(int(raw["object"].get("code", 500)), body, request=request)
    return Change(type=raw["type"], object=raw["object"])
