"""Choosing free ports on the loopback interface."""

import random
import socket
from dataclasses import dataclass
from typing import Final

LOOPBACK: Final = "127.0.0.1"
# Below the range that the kernel hands to outgoing connections (32768 and up on Linux), so that
# nobody gets our port by accident between its choice and its use, or while a server restarts.
CHOICES: Final = range(20000, 32000)


class NoFreePortError(OSError):
    """Every port that was tried is taken."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one control plane; they stay the same when a component restarts."""

    etcd: int
    etcd_peer: int
    apiserver: int
    controller_manager: int
    scheduler: int
    kubelet: int
    """Where kwok answers for all nodes."""


def choose_ports() -> Ports:
    """Return ports that are free now and differ from each other."""
    etcd, etcd_peer, apiserver, controller_manager, scheduler, kubelet = choose_free_ports(6)
    return Ports(
        etcd=etcd,
        etcd_peer=etcd_peer,
        apiserver=apiserver,
        controller_manager=controller_manager,
        scheduler=scheduler,
        kubelet=kubelet,
    )


def choose_free_ports(count: int) -> list[int]:
    """Return that many different ports, each of which could be bound a moment ago."""
    # Random, so that clusters that start at the same time seldom want the same port.
    candidates = random.sample(CHOICES, len(CHOICES))
    chosen: list[int] = []
    for port in candidates:
        if len(chosen) == count:
            break
        if is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        message = f"fewer than {count} free ports from {CHOICES.start} to {CHOICES.stop - 1}"
        raise NoFreePortError(message)
    return chosen


def is_free(port: int) -> bool:
    """Say whether the port can be bound on the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
