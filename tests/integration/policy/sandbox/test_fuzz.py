"""A few hundred policies that nobody wrote; `make fuzz` runs many more."""

from tests.fuzz.policies import run

COUNT = 400


async def test_whatever_is_written_only_the_interpreter_allows() -> None:
    ends = await run(COUNT, seed=4)

    assert sum(ends.values()) == COUNT
    assert {"allowed", "denied", "PolicyError", "PolicyRefused"} <= set(ends)
