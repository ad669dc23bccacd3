"""`mendflow policy check` and `test` as people call them, with real workers."""

import sys
from pathlib import Path

import pytest

from cli.mendflow import main

HEAD = "package safety.mine\n\nimport rego.v1\n\n"
GOOD = HEAD + "default allow := false\n\nallow if input.n == 1\n"
TESTS = (
    HEAD
    + "test_one if allow with input.n as 1\n\ntest_two if {\n\tnot allow with input.n as 2\n}\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy and its tests, which pass."""
    (tmp_path / "safety_mine.rego").write_text(GOOD)
    (tmp_path / "safety_mine_test.rego").write_text(TESTS)
    return tmp_path


def test_a_policy_that_a_service_would_take(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "safety_mine.rego"

    assert main(["policy", "check", str(path)]) == 0
    assert f"{path}: ok, safety policy mine, new" in capsys.readouterr().out


def test_what_a_service_would_refuse_is_told_with_file_and_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "safety_mine.rego"
    path.write_text(GOOD + "\nallow if http.send({})\n")
    manifest = folder / "policies.yaml"
    manifest.write_text("kind: ConfigMap\nmetadata: {name: other}\ndata: {safety.rego: package a}")

    assert main(["policy", "check", str(path), str(manifest)]) == 1
    said = capsys.readouterr().out
    assert f"{path}: line 9: http.send is not a function that a policy may call" in said
    assert f"{manifest}: safety.rego: package a must begin with" in said


def test_a_file_that_is_not_there_is_a_question_of_usage(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "check", str(folder / "gone.rego")]) == 2
    assert "gone.rego: No such file" in capsys.readouterr().err


def test_tests_that_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "test", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "data.safety.mine.test_one: PASS",
        "data.safety.mine.test_two: PASS",
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("test_bad if allow\n", "test_bad: FAIL, test_bad is undefined"),
        ('test_bad := "yes"\n', "test_bad: FAIL, test_bad is neither true nor false"),
        (
            "test_bad := 1\n\ntest_bad := 2\n",
            "test_bad: FAIL, complete rules must not produce multiple outputs",
        ),
        ("test_bad if {\n\topa.runtime()\n}\n", "ERROR: line 12: opa.runtime is not a function"),
        ("test_bad if {\n", "ERROR: "),
    ],
    ids=["undefined", "no boolean", "conflict", "forbidden", "syntax"],
)
def test_one_that_fails_is_named_and_fails_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str], more: str, told: str
) -> None:
    with (folder / "safety_mine_test.rego").open("a") as file:
        file.write(f"\n{more}")

    assert main(["policy", "test", str(folder)]) == 1
    said = capsys.readouterr().out
    assert told in said
    assert ("test_one: PASS" in said) is ("ERROR" not in told)


def test_policy_alone_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("check", "test", "backtest"))


@pytest.mark.parametrize("command", ["check", "test", "backtest"])
def test_each_command_has_help_that_names_its_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["policy", command, "--help"])

    assert ended.value.code == 0
    assert "The exit code is 0 if" in capsys.readouterr().out


def test_checking_does_not_load_the_services() -> None:
    import subprocess

    program = (
        "import sys; from cli.mendflow import main; main(['policy']);"
        "print([m for m in sys.modules if m.startswith(('services', 'kubernetes', 'nats'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.splitlines()[-1] == "[]"
