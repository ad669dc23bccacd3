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
_BACKTEST: Final = """\
Replay recorded inputs on changed policies, and show which decisions would change.
"""
_BACKTEST_EPILOG: Final = """\
Services record what their policies were asked and what they said, on the NATS stream WFPOL, for
7 days. The policies of the FILEs, as of `mendflow policy check`, are put over those that ship, or
over the ConfigMap in force if --kubeconfig is given. Nothing is changed anywhere.

  mendflow policy backtest safety_production.rego --against stream --since 24h
  mendflow policy backtest scale_deployment_current_replicas_match.rego --against shop/diamond

The exit code is 0 if no decision would change, 3 if one would, 1 if there is nothing to replay or
something is in the way, 2 if the words make no sense.
"""


def add_to(commands: "Commands") -> None:
    """Add `policy` and its commands."""
    policy = commands.add_parser(
        "policy",
        help="check, test and backtest policies",
        description="Try policies before they go live.",
    )
    policy.set_defaults(module=__name__, parser=policy)
    below = policy.add_subparsers(metavar="COMMAND")
    _add_check(below)
    _add_test(below)
    _add_backtest(below)


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


def _add_backtest(commands: "Commands") -> None:
    backtest = _added(
        commands,
        "backtest",
        "replay recorded inputs on changed policies",
        _BACKTEST,
        _BACKTEST_EPILOG,
    )
    backtest.set_defaults(module="cli.policy.backtesting")
    _add_files(backtest)
    backtest.add_argument(
        "--against",
        required=True,
        metavar="WHAT",
        help="`stream` for everything that is recorded, or a workflow: NAME or NAMESPACE/NAME",
    )
    backtest.add_argument(
        "-n",
        "--namespace",
        help="namespace of that workflow, default where NAME alone is given;"
        " with `stream`, only workflows of this namespace",
    )
    backtest.add_argument("--since", default="24h", help="how far back, such as 90m (default 24h)")
    backtest.add_argument("--nats-url", help="the NATS server; else MENDFLOW_NATS_URL says it")
    backtest.add_argument("--kubeconfig", help="of the cluster whose ConfigMap is in force")
    backtest.add_argument("--context", help="context in that file; else its current one")
    backtest.add_argument("--json", action="store_true", help="print JSON instead of a table")


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
