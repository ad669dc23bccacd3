"""Rego evaluated plainly, in one process beside the test: no bounds, for texts that we trust."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any, Final, Self

from shared.policy.port import Failure, Policy, Verdict

_SERVE: Final = """
import json, os, sys, regopy
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    modules, data, query = json.loads(line)
    interpreter = regopy.Interpreter()
    try:
        for place, text in enumerate(modules):
            interpreter.add_module(str(place), text)
        interpreter.set_input(data)
        said = {"answer": str(interpreter.query(query))}
    except Exception as error:
        said = {"error": str(error)[:200]}
    print(json.dumps(said), file=answers, flush=True)
"""


class PlainEngine:
    """A `PolicyEngine` for as long as its process lives."""

    _process: Process

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _SERVE, stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await self._process.communicate()

    async def decide(self, policy: Policy, data: dict[str, Any], *, tenant: str) -> Verdict:
        """Return whether the rule is true; reasons are not read."""
        del tenant
        said = await self._asked(policy, data)
        if "error" in said:
            return Verdict(allowed=False, reasons=(said["error"],), failure=Failure.ERROR)
        allowed = '"bindings":{"x":true}' in said["answer"]
        return Verdict(allowed=allowed, reasons=() if allowed else ("it is not true",))

    async def defects(self, policy: Policy) -> tuple[str, ...]:
        """Return what the parser says."""
        said = await self._asked(policy, {})
        return (said["error"],) if "error" in said else ()

    async def _asked(self, policy: Policy, data: dict[str, Any]) -> dict[str, str]:
        modules = [policy.module, *policy.libraries]
        request = json.dumps([modules, data, f"x = data.{policy.package}.{policy.rule}"])
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(request.encode() + b"\n")
            await self._process.stdin.drain()
            said: dict[str, str] = json.loads(await self._process.stdout.readline())
        return said
