"""The words of `mendflow namespace`, and the help that goes with them."""

import argparse
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cli.namespaces.choosing import BEYOND, WITHIN
from shared.api.enums import Action

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - has no name

_ABOUT: Final = """\
Print what opts a namespace in, for an admin to apply: a ServiceAccount for each action with the
rights of that action, and the right of the executor to act as these accounts. Until then nothing
can be changed there. Nothing is read from the cluster, and nothing is changed in it.
"""
_EPILOG: Final = """\
  mendflow namespace shop | kubectl apply -f -
  mendflow namespace shop --actions scale_deployment,restart_deployment | kubectl apply -f -
  mendflow namespace ops --actions '' --cluster-actions cordon_node,drain_node | kubectl apply -f -
  mendflow namespace shop | kubectl delete -f -           takes it back

Who may submit workflows there is decided apart from this; for each action they must be allowed
to `use` its account, as the role mendflow-submitter is:

  kubectl -n shop create rolebinding submitters --clusterrole=mendflow-submitter --group=oncall

What is printed replaces what was applied before: name all that is wanted. Actions that are no
longer named cannot be carried out any more; their accounts are left for you to delete.

--actions may name:
{within}

--cluster-actions may name:
{beyond}

The exit code is 0, or 2 if the words make no sense.
"""


def add_to(commands: "Commands") -> None:
    """Add `namespace`."""
    found = commands.add_parser(
        "namespace",
        help="print what opts a namespace in",
        description=_ABOUT,
        epilog=_EPILOG.format(within=_listed(WITHIN), beyond=_listed(BEYOND)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.set_defaults(module="cli.namespaces.opting_in")
    found.add_argument("name", metavar="NAME", help="the namespace of the workflows")
    found.add_argument(
        "--actions",
        metavar="A,B,...",
        help="what workflows there may do (default: all that acts in a namespace)",
    )
    found.add_argument(
        "--cluster-actions",
        default="",
        metavar="A,B,...",
        help="what they may do to nodes and in kube-system (default: nothing)",
    )
    found.add_argument(
        "--system-namespace",
        default="kubernaut-system",
        metavar="NS",
        help="where the services run (default: kubernaut-system)",
    )


def _listed(actions: Sequence[Action]) -> str:
    return textwrap.fill(", ".join(actions), width=96, initial_indent="  ", subsequent_indent="  ")
