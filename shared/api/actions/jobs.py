"""Parameters of the actions that run as a Job.

What a plain cluster cannot do (a database, a mesh, a storage system) is done by a Job that is
made from a PodTemplate of the namespace; its parameters are given to it as environment.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.api.actions.common import InNamespace, ObjectName, OptionalName

Word = Annotated[str, Meta(max_length=253)]
Path = Annotated[str, Meta(max_length=512)]


class ByTemplate(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Parameters of an action that is done by a Job made from a PodTemplate."""

    template: Annotated[
        OptionalName,
        Meta(description="PodTemplate to run; by default the one with the name of the action."),
    ] = ""


class OptimizeResources(ByTemplate, frozen=True, kw_only=True, rename="camel"):
    """Set resources to values computed from usage."""

    resource_type: Annotated[
        Literal["cpu", "memory", "all"], Meta(description="Which resources.")
    ] = "all"


class ResetServiceMesh(ByTemplate, frozen=True, kw_only=True, rename="camel"):
    """Reset a service mesh."""

    mesh_type: Annotated[Word, Meta(description="Which mesh.")] = "istio"


class CleanupStorage(ByTemplate, frozen=True, kw_only=True, rename="camel"):
    """Remove what is not needed any more."""

    pod: OptionalName = ""
    path: Annotated[Path, Meta(description="Where.")] = "/var/log"


class BackupData(ByTemplate, frozen=True, kw_only=True, rename="camel"):
    """Back up data."""

    resource: ObjectName
    destination: Annotated[Path, Meta(description="Where to.")] = ""
    backup_name: Annotated[Word, Meta(description="Name of the backup.")] = ""


class CompactStorage(ByTemplate, frozen=True, kw_only=True, rename="camel"):
    """Compact a store."""

    volume: ObjectName


class FailoverDatabase(ByTemplate, frozen=True, kw_only=True, rename="camel"):
    """Make a replica the primary."""

    database: ObjectName
    replica_name: OptionalName = ""


class RepairDatabase(ByTemplate, frozen=True, kw_only=True, rename="camel"):
    """Check or repair a database."""

    database: ObjectName
    repair_type: Annotated[Word, Meta(description="What to do.")] = "consistency_check"


class CreateHeapDump(ByTemplate, frozen=True, kw_only=True, rename="camel"):
    """Dump the heap of a process."""

    pod: ObjectName
    dump_path: Annotated[Path, Meta(description="Where to.")] = ""


class AuditLogs(ByTemplate, frozen=True, kw_only=True, rename="camel"):
    """Read audit logs."""

    scope: Annotated[Word, Meta(description="Of what.")] = ""
    time_range: Annotated[Word, Meta(description="From when on.")] = "1h"


class Custom(ByTemplate, frozen=True, kw_only=True, rename="camel"):
    """Run a command, or a PodTemplate of the namespace, as a Job."""

    template: Annotated[
        OptionalName, Meta(description="PodTemplate to run, where there is no customCommand.")
    ] = ""
    action_type: Annotated[Word, Meta(description="What it is, for people.")] = ""
    config: Annotated[
        dict[str, Annotated[str, Meta(max_length=4096)]],
        Meta(max_length=32, description="Given to the Job as environment variables."),
    ] = msgspec.field(default_factory=dict)
    custom_command: Annotated[
        list[Annotated[str, Meta(max_length=4096)]],
        Meta(max_length=64, description="Program and arguments; no shell reads them."),
    ] = msgspec.field(default_factory=list)
