"""What becomes of a ConfigMap: all of it, or nothing and the reasons."""

import asyncio
from typing import Any

import pytest

from shared.policy.library import Library
from shared.policy.loading import MAX_KEYS, MAX_TEXT, loaded
from shared.policy.port import Policy, Verdict
from shared.policy.shipped import defaults

GOOD = "package safety.{0}\nimport rego.v1\ndefault allow := false\n"


class Reader:
    """Finds a defect in every text that says `wrong`, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Policy] = []
        self.most = 0
        self._busy = 0

    async def decide(self, policy: Policy, data: dict[str, Any], *, tenant: str) -> Verdict:
        raise NotImplementedError

    async def defects(self, policy: Policy) -> tuple[str, ...]:
        self.asked.append(policy)
        self._busy += 1
        self.most = max(self.most, self._busy)
        await asyncio.sleep(0)
        self._busy -= 1
        texts = (policy.module, *policy.libraries)
        return ("line 3: wrong", "and more") if any("wrong" in text for text in texts) else ()


async def _library(data: dict[str, object], **labels: str) -> Library:
    result = await loaded(data, labels, engine=Reader())
    assert isinstance(result, Library), result
    return result


async def _problems(data: dict[str, object]) -> dict[str, str]:
    result = await loaded(data, {}, engine=Reader())
    assert isinstance(result, dict)
    return result


async def test_an_empty_one_leaves_what_ships() -> None:
    library = await _library({}, version="v2")

    assert library.safety == defaults().safety
    assert library.revision.startswith("v2-")


async def test_row_89_the_label_is_in_the_revision() -> None:
    data: dict[str, object] = {"safety_mine.rego": GOOD.format("mine")}

    assert (await _library(data, version="2026.11")).revision.startswith("2026.11-")
    assert (await _library(data)).revision.startswith("unversioned-")
    one, two = await _library(data, version="a"), await _library(data, version="b")
    assert one.revision.split("-")[1] == two.revision.split("-")[1]


async def test_what_is_loaded_is_asked_first() -> None:
    reader = Reader()
    data = {
        "lib_mine.rego": "package lib.mine\nimport rego.v1\n",
        "safety_mine.rego": GOOD.format("mine") + "import data.lib.mine\n",
        "any_preconditions.rego": "package precondition.any\none := true\n",
    }

    assert isinstance(await loaded(data, {}, engine=reader), Library)
    by_name = {policy.name: policy for policy in reader.asked}
    assert set(by_name) == set(data)
    assert by_name["safety_mine.rego"].rule == "allow"
    assert by_name["any_preconditions.rego"].rule == "one"
    assert data["lib_mine.rego"] in by_name["safety_mine.rego"].libraries
    assert by_name["lib_mine.rego"].libraries == (data["lib_mine.rego"],)


async def test_a_library_is_asked_beside_those_it_imports() -> None:
    reader = Reader()
    one, two = "package lib.one\nx := 1\n", "package lib.two\nimport data.lib.one\n"

    assert isinstance(
        await loaded({"lib_1.rego": one, "lib_2.rego": two}, {}, engine=reader), Library
    )
    by_name = {policy.name: policy for policy in reader.asked}
    assert by_name["lib_1.rego"].libraries == (one,)
    assert by_name["lib_2.rego"].libraries[0] == two
    assert one in by_name["lib_2.rego"].libraries


async def test_a_bad_library_is_not_blamed_on_those_who_import_it() -> None:
    data: dict[str, object] = {
        "lib_mine.rego": "package lib.mine\nwrong\n",
        "safety_mine.rego": GOOD.format("mine") + "import data.lib.mine\n",
    }

    assert await _problems(data) == {"lib_mine.rego": "line 3: wrong; and more"}


async def test_row_86_one_bad_key_keeps_all_out() -> None:
    data: dict[str, object] = {
        "safety_mine.rego": GOOD.format("mine"),
        "safety_other.rego": GOOD.format("other") + "wrong",
        "README.md": "nothing",
        "safety_bytes.rego": b"",
    }

    assert await _problems(data) == {
        "README.md": "a key must end in .rego",
        "safety_bytes.rego": "not text",
        "safety_other.rego": "line 3: wrong; and more",
    }


async def test_two_keys_of_one_meaning_are_refused() -> None:
    text = "package precondition.scale_deployment.ok\n"
    data: dict[str, object] = {"ok.rego": text, "scale_deployment_ok.rego": text}

    assert await _problems(data) == {"scale_deployment_ok.rego": "ok.rego already defines the same"}


async def test_two_libraries_of_one_package_are_refused() -> None:
    data: dict[str, object] = {"lib_a.rego": "package lib.a\n", "lib_b.rego": "package lib.a\n"}

    assert await _problems(data) == {"lib_b.rego": "lib_a.rego already defines the same"}


async def test_tests_beside_the_policies_are_left_out() -> None:
    library = await _library({"safety_mine_test.rego": "package safety.mine\nwrong"})

    assert library.safety == defaults().safety


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        (
            {f"safety_{i}.rego": "" for i in range(MAX_KEYS + 1)},
            {"data": "513 keys; 512 is the most"},
        ),
        (
            {"safety_a.rego": "x" * 10_000_000},
            {"safety_a.rego": "10000000 bytes; a policy has 65536 at most"},
        ),
        (
            {f"safety_{i}.rego": "x" * MAX_TEXT for i in range(17)},
            {"data": "1114112 bytes in all; 1048576 is the most"},
        ),
    ],
)
async def test_too_much_is_refused_before_it_is_read(
    data: dict[str, object], problems: dict[str, str]
) -> None:
    assert await _problems(data) == problems


async def test_the_engine_is_not_flooded() -> None:
    reader = Reader()
    data = {f"safety_p{i}.rego": GOOD.format(f"p{i}") for i in range(100)}

    assert isinstance(await loaded(data, {}, engine=reader), Library)
    assert len(reader.asked) == 100
    assert reader.most == 4
