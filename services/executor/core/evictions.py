"""Where each eviction stands: to be asked for, asked for, on its way out, gone.

    waiting -> asked -> leaving -> gone
       ^         |
       +---------+   refused by a budget, or lost: again later

Mutable, and without a clock or a cluster. What a list of the live pods shows wins over
what is remembered; a uid that was seen and is not in the list is gone for good.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from services.executor.core.pods import is_leaving, some, uid_of

Object = dict[str, Any]

_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 5.0
_GROWTH: Final = 1.5


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How many pods are to go, were told to, are gone, and are held back by a budget."""

    total: int
    evicted: int
    gone: int
    waiting_for_budget: int


def told(progress: Progress) -> str:
    """Return how far it is as people read it."""
    text = f"{progress.evicted} of {progress.total} pods evicted, {progress.gone} gone"
    held = progress.waiting_for_budget
    return f"{text}; {held} held back by disruption budgets" if held else text


class Eviction(msgspec.Struct, frozen=True, kw_only=True):
    """One pod that is to go."""

    name: str
    namespace: str
    uid: str
    tries: int = 0
    due: float = float("-inf")
    """When to ask, or to ask again, on a monotonic clock."""
    refusal: str = ""
    """What the budget said that holds it back."""

    def __str__(self) -> str:
        """Return the pod as people write it."""
        return f"{self.namespace}/{self.name}"


class Evictions:
    """The pods of one node that are to go."""

    def __init__(self, pods: Sequence[Object]) -> None:
        self._waiting: dict[str, Eviction] = {}
        self._asked: dict[str, Eviction] = {}
        self._leaving: dict[str, Eviction] = {}
        self._total = len(pods)
        for pod in pods:
            uid, meta = uid_of(pod), pod["metadata"]
            to = self._leaving if is_leaving(pod) else self._waiting
            to[uid] = Eviction(name=meta["name"], namespace=meta["namespace"], uid=uid)

    @property
    def to_ask(self) -> tuple[Eviction, ...]:
        """Return those that were not told to go."""
        return (*self._waiting.values(), *self._asked.values())

    @property
    def are_asked(self) -> bool:
        """Return whether all were told to go, and none of the requests is without an answer."""
        return not self.to_ask

    @property
    def are_done(self) -> bool:
        """Return whether all pods are gone."""
        return self.are_asked and not self._leaving

    @property
    def in_flight(self) -> int:
        """Return how many requests are without an answer."""
        return len(self._asked)

    def next_due(self) -> float | None:
        """Return when the next one is to be asked for, or None when none waits."""
        return min((each.due for each in self._waiting.values()), default=None)

    def take(self, now: float) -> Eviction | None:
        """Return the one to ask for now, if there is one; it is then asked for."""
        found = min(self._waiting.values(), key=lambda each: each.due, default=None)
        if found is None or found.due > now:
            return None
        self._asked[found.uid] = self._waiting.pop(found.uid)
        return found

    def accepted(self, eviction: Eviction) -> None:
        """The pod was told to go."""
        self._leaving[eviction.uid] = self._asked.pop(eviction.uid)

    def vanished(self, eviction: Eviction) -> None:
        """The pod was gone already."""
        del self._asked[eviction.uid]

    def postponed(self, eviction: Eviction, *, until: float, refusal: str = "") -> None:
        """It was not done, or that is not known: ask again at a time. A refusal says why."""
        again = msgspec.structs.replace(
            self._asked.pop(eviction.uid),
            tries=eviction.tries + 1,
            due=until,
            refusal=refusal,
        )
        self._waiting[again.uid] = again

    def see(self, pods: Iterable[Object]) -> None:
        """Take in what a list shows: who is gone, and who is leaving without our doing."""
        live = {uid_of(pod): is_leaving(pod) for pod in pods}
        for known in (self._waiting, self._leaving):
            for uid in [uid for uid in known if uid not in live]:
                del known[uid]
        for uid in [uid for uid in self._waiting if live[uid]]:
            self._leaving[uid] = self._waiting.pop(uid)

    def progress(self) -> Progress:
        """Return the counts."""
        unasked = len(self.to_ask)
        return Progress(
            total=self._total,
            evicted=self._total - unasked,
            gone=self._total - unasked - len(self._leaving),
            waiting_for_budget=len(self._refused()),
        )

    def held_by(self, refusal: str) -> int:
        """Return how many wait because a budget said this."""
        return sum(each.refusal == refusal for each in self._refused())

    def left(self) -> str:
        """Return how many are not gone, and what holds them back."""
        progress = self.progress()
        told = [f"{progress.total - progress.gone} of {progress.total} pods left"]
        held: dict[str, list[str]] = {}
        for each in self._refused():
            held.setdefault(each.refusal, []).append(str(each))
        # Names may be long, and a long message is cut: what is to be done about it comes first.
        told += [f"{refusal} ({some(names)})" for refusal, names in sorted(held.items())]
        if self._leaving:
            told.append(f"still ending: {some(map(str, self._leaving.values()))}")
        return "; ".join(told)

    def _refused(self) -> list[Eviction]:
        return [each for each in self.to_ask if each.refusal]


def wait_s(tries: int, retry_after_s: float | None) -> float:
    """Return how long a pod waits after being refused so often; the server may want longer."""
    if retry_after_s is not None:
        return max(_FIRST_WAIT_S, retry_after_s)
    return float(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * _GROWTH**tries))
