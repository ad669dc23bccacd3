"""The words of `mendflow policy`, and the help that goes with them."""

import argparse
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - has no name

_CHECK: Final = """\
Check policies exactly as a running service would before it takes them: their keys, packages and
texts, in the same sandbox, together with the policies that ship. Nothing is changed anywhere.
"""
_CHECK_EPILOG: Final = """\
A FILE is a policy, NAME.rego, or a manifest of ConfigMaps in YAML or JSON, such as
kubernaut-workflow-conditions. Policies that are given side by side are checked as one ConfigMap
of that many keys. `-` reads standard input.

  mendflow policy check safety_nodes.rego lib_actions.rego
  kubectl -n kubernaut-system get cm kubernaut-workflow-conditions -o yaml | mendflow policy check -

The exit code is 0 if a service would take all of them, 1 if not, 2 if a FILE cannot be read.
"""
_TEST: Final = """\
Run the unit tests of policies: rules test_* of the files *_test.rego in a directory and below.
"""
_TEST_EPILOG: Final = """\
NAME_test.rego tests NAME.rego beside it, or else the one policy of its package, and is in the
package of that policy. A test passes by being true. It runs in the sandbox of the services, with
the libraries lib_*.rego of the directory over those that ship, and with more time.

  mendflow policy test deploy/policies

The exit code is 0 if all tests pass, 1 if one fails or there is none, 2 without a directory.
"""


def add_to(commands: "Commands") -> None:
    """Add `policy` and its commands."""
    policy = commands.add_parser(
        "policy",
        help="check and test policies",
        description="Try policies before they go live.",
    )
    policy.set_defaults(module=__name__, parser=policy)
    below = policy.add_subparsers(metavar="COMMAND")
    _add_check(below)
    _add_test(below)


def run(options: argparse.Namespace) -> int:
    """Show the help of `mendflow policy`, which says what there is to do."""
    options.parser.print_help()
    return 0


def _add_check(commands: "Commands") -> None:
    check = _added(commands, "check", "check policies as a service would", _CHECK, _CHECK_EPILOG)
    check.set_defaults(module="cli.policy.checking")
    _add_files(check)


def _add_test(commands: "Commands") -> None:
    test = _added(commands, "test", "run the unit tests of policies", _TEST, _TEST_EPILOG)
    test.set_defaults(module="cli.policy.testing")
    test.add_argument("directory", metavar="DIR", help="where the policies and their tests are")


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a policy or a manifest, or -")
    parser.add_argument(
        "--name",
        metavar="KEY",
        help="key of the policy on standard input, where its package does not say it",
    )


def _added(
    commands: "Commands", name: str, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
