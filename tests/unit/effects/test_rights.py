"""What each action may do: enough for its targets, by the catalogue, and nothing dangerous."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import Kind
from shared.effects.catalogue import ALIASES, CATALOGUE, Family, canonical
from shared.effects.identities import account_of, role_of, user_of
from shared.effects.rights import RIGHTS, Rule, Scope
from shared.effects.targets import APPLICABLE, DIAGNOSABLE, MARKABLE, WAITABLE
from tools import generate_admission, generate_rbac
from tools.generate_admission import squashed

ROOT: Final = Path(__file__).resolve().parents[3] / "deploy"
NAMES: Final = st.sampled_from(sorted({*map(str, Action), *ALIASES}))
ON_ONE_KIND: Final = [(each.action, each.kind) for each in CATALOGUE.values() if each.kind]
OF_KINDS: Final = {
    Action.APPLY_MANIFEST: (APPLICABLE, {"get", "create", "patch", "delete"}),
    Action.LABEL_RESOURCE: (MARKABLE, {"get", "patch"}),
    Action.ANNOTATE_RESOURCE: (MARKABLE, {"get", "patch"}),
    Action.WAIT_FOR_CONDITION: (WAITABLE, {"get", "watch"}),
    Action.COLLECT_DIAGNOSTICS: (DIAGNOSABLE, {"get"}),
}


def verbs(action: Action, group: str, resource: str) -> set[str]:
    rules = [r for r in RIGHTS[action].rules if r.group == group and resource in r.resources]
    return {verb for rule in rules for verb in rule.verbs}


def test_every_action_but_a_word_to_people_has_rights_of_its_own() -> None:
    assert set(Action) - set(RIGHTS) == {Action.NOTIFY_ONLY}
    assert len({account_of(action) for action in RIGHTS}) == len(RIGHTS)
    assert len({role_of(action) for action in RIGHTS}) == len(RIGHTS)


@pytest.mark.parametrize(("action", "kind"), ON_ONE_KIND)
def test_an_action_may_see_its_target(action: Action, kind: Kind) -> None:
    assert "get" in verbs(action, kind.group, kind.plural)


@pytest.mark.parametrize(("action", "kind"), ON_ONE_KIND)
def test_an_action_that_can_be_undone_may_change_its_target(action: Action, kind: Kind) -> None:
    may_change = "patch" in verbs(action, kind.group, kind.plural)

    assert may_change or not CATALOGUE[action].reversible


@pytest.mark.parametrize("action", OF_KINDS)
def test_actions_on_many_kinds_may_do_to_each_what_they_do(action: Action) -> None:
    kinds, wanted = OF_KINDS[action]

    for kind in kinds.values():
        assert wanted <= verbs(action, kind.group, kind.plural), kind.kind


@pytest.mark.parametrize("action", [a for a in RIGHTS if CATALOGUE[a].family is Family.READS])
def test_what_only_looks_may_only_look(action: Action) -> None:
    granted = {verb for rule in RIGHTS[action].rules for verb in rule.verbs}

    assert granted <= {"get", "list", "watch"}


@pytest.mark.parametrize("action", RIGHTS)
def test_nothing_dangerous_is_granted(action: Action) -> None:
    for rule in RIGHTS[action].rules:
        assert not {"*", "deletecollection", "impersonate", "bind", "escalate"} & set(rule.verbs)
        assert "*" not in rule.resources
        assert not {"serviceaccounts", "pods/exec", "pods/ephemeralcontainers"} & set(
            rule.resources
        )
        assert "rbac" not in rule.group


@pytest.mark.parametrize("action", [a for a, r in RIGHTS.items() if r.scope is Scope.NAMESPACE])
def test_what_acts_in_a_namespace_asks_for_nothing_beyond(action: Action) -> None:
    assert not {"nodes", "namespaces"} & {
        r for rule in RIGHTS[action].rules for r in rule.resources
    }


def test_scaling_is_one_verb_on_one_kind() -> None:
    assert RIGHTS[Action.SCALE_DEPLOYMENT].rules == (
        Rule("apps", ("deployments",), ("get", "watch", "patch")),
    )


@pytest.mark.parametrize(("namespace", "account"), [("", "a"), ("a", ""), ("", "")])
def test_an_identity_is_never_half_named(namespace: str, account: str) -> None:
    with pytest.raises(ValueError, match="no account is named"):
        user_of(namespace, account)


def test_an_account_is_known_by_its_namespace_and_its_action() -> None:
    account = account_of(Action.SCALE_DEPLOYMENT)

    assert user_of("shop", account) == "system:serviceaccount:shop:mendflow-scale-deployment"


@pytest.mark.parametrize(
    ("path", "rendered"),
    [
        (ROOT / "rbac" / "actions.yaml", generate_rbac.rendered),
        (ROOT / "admission" / "identities.yaml", generate_admission.rendered),
    ],
)
def test_files_are_what_the_data_says(path: Path, rendered: Callable[[], dict[str, str]]) -> None:
    assert rendered() == {path.name: path.read_text()}


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """A name of an action in letters of any case, that Unicode holds to be the same too."""
    joint = st.sampled_from(["_", "-", ""])
    cases = st.sampled_from([str.lower, str.upper, str.title, lambda text: text])
    words = [draw(cases)(word) for word in draw(NAMES).split("_")]
    text = "".join(draw(joint) + word for word in words)[draw(st.integers(0, 1)) :]
    return text.replace("k", "\u212a") if draw(st.booleans()) else text


@given(spellings())
@example("Rollbac\u212aDeployment")
def test_admission_asks_for_an_action_in_every_spelling_that_is_read(spelling: str) -> None:
    """A name that is carried out and not asked for would be a way around."""
    meant = canonical(spelling)
    assume(meant is not None and meant is not Action.NOTIFY_ONLY)

    asked = {meant, *(alias for alias, action in ALIASES.items() if action is meant)}
    assert squashed(spelling) in {squashed(str(each)) for each in asked}


def test_one_sign_alone_is_no_plain_letter_but_is_one_in_lower_case() -> None:
    """The API server knows the lower case of plain letters only, so that sign is spelt out."""
    others = map(chr, range(128, 0x110000))

    assert [sign for sign in others if sign.lower().isascii()] == ["\u212a"]
