"""Policies as they are given: files side by side, manifests, standard input."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from cli.policy.errors import UsageError
from cli.policy.manifests import config_maps
from cli.policy.reading import LARGEST_FILE, STDIN, given

SAFETY = "package safety.mine\n\nallow := true\n"
CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: kubernaut-workflow-conditions
  labels: {version: "2026.11"}
data:
  safety_mine.rego: |
    package safety.mine

    allow := true
"""


def feed(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_policies_side_by_side_are_one_set_under_the_names_of_their_files(tmp_path: Path) -> None:
    paths = [tmp_path / "safety_a.rego", tmp_path / "lib_b.rego"]
    for path in paths:
        path.write_text(SAFETY)

    (found,) = given([str(path) for path in paths], name=None)

    assert found.texts == {"safety_a.rego": SAFETY, "lib_b.rego": SAFETY}
    assert found.named("lib_b.rego") == str(paths[1])
    assert found.named("data") == f"{paths[0]}, {paths[1]}"


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_manifest_is_a_set_of_its_own_with_its_labels(tmp_path: Path, suffix: str) -> None:
    manifest, loose = tmp_path / f"m.{suffix}", tmp_path / "safety_a.rego"
    loose.write_text(SAFETY)
    (read,) = config_maps(CONFIG_MAP)
    body = {"kind": "ConfigMap", "metadata": {"labels": read.metadata.labels}, "data": read.data}
    manifest.write_text(CONFIG_MAP if suffix == "yaml" else json.dumps(body))

    first, second = given([str(manifest), str(loose)], name=None)

    assert set(first.texts) == {"safety_a.rego"}
    assert (second.texts, second.labels) == ({"safety_mine.rego": SAFETY}, {"version": "2026.11"})
    assert second.named("safety_mine.rego") == f"{manifest}: safety_mine.rego"


def test_a_list_and_many_documents_hold_many_config_maps() -> None:
    one = "kind: ConfigMap\ndata: {a: b}\n"
    listed = "kind: List\nitems: [{kind: ConfigMap}, {kind: ConfigMap, binaryData: {c: ZA==}}]\n"

    found = config_maps(f"{one}---\n{listed}")

    assert [each.texts for each in found] == [{"a": "b"}, {}, {"c": b""}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no ConfigMap"),
        ("just words", "no manifest"),
        ("kind: Secret\ndata: {a: b}", "holds a Secret"),
        ("kind: ConfigMap\ndata: [1]", "at $.data"),
        ("kind: ConfigMap\nmetadata: {labels: {version: 3}}", "at $.metadata.labels"),
        ("a: [", "not YAML"),
        ("[" * 20_000, "nested too deeply"),
        ("a: !!python/object/apply:os.system [id]", "not YAML"),
    ],
    ids=["empty", "words", "secret", "list", "number", "syntax", "deep", "code"],
)
def test_what_is_no_config_map_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as refused:
        config_maps(text)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("package", "key"),
    [
        ("safety.mine", "safety_mine.rego"),
        ("lib.mine", "lib_mine.rego"),
        ("precondition.any.mine", "any_mine.rego"),
    ],
)
def test_standard_input_is_called_what_its_package_says(
    monkeypatch: pytest.MonkeyPatch, package: str, key: str
) -> None:
    feed(monkeypatch, f"# mine\npackage {package}\n".encode())

    (found,) = given([STDIN], name=None)

    assert list(found.texts) == [key]
    assert found.named(key) == "standard input"


def test_standard_input_needs_a_name_where_its_package_does_not_say_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = b"package precondition.scale_deployment\n"
    feed(monkeypatch, text)
    with pytest.raises(UsageError, match="give --name"):
        given([STDIN], name=None)
    feed(monkeypatch, text)

    (found,) = given([STDIN], name="replicas_match.rego")

    assert list(found.texts) == ["replicas_match.rego"]


def test_standard_input_may_be_a_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, CONFIG_MAP.encode())

    (found,) = given([STDIN], name=None)

    assert found.texts == {"safety_mine.rego": SAFETY}


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("policy.txt", b"", "neither a policy"),
        ("x.rego", b"\xff", "not text in UTF-8"),
        ("x.rego", b" " * (LARGEST_FILE + 1), "larger than"),
        ("x.yaml", b"kind: Secret", "x.yaml: it holds a Secret"),
    ],
    ids=["suffix", "bytes", "large", "secret"],
)
def test_what_cannot_be_policies_is_told_with_its_path(
    tmp_path: Path, name: str, data: bytes, why: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(UsageError, match=why) as refused:
        given([str(path)], name=None)

    assert str(refused.value).startswith(str(path))


def test_a_file_that_is_not_there_and_a_directory_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.rego: No such file"):
        given([str(tmp_path / "gone.rego")], name=None)
    (tmp_path / "folder.rego").mkdir()
    with pytest.raises(UsageError, match="is a directory"):
        given([str(tmp_path / "folder.rego")], name=None)


def test_two_files_of_one_name_cannot_be_one_config_map(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "safety_x.rego").write_text(SAFETY)

    with pytest.raises(UsageError, match=r"has the same key safety_x\.rego"):
        given([str(tmp_path / each / "safety_x.rego") for each in "ab"], name=None)
