"""Group, version and plural of every kind this project touches.

The one place to change an API group; nothing else spells one out.
"""

from typing import Final

import msgspec


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """How to address one kind on the API server."""

    group: str
    """Empty for the core group."""
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return what stands in an object's `apiVersion` field."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def crd_name(self) -> str:
        """Return the name of the CustomResourceDefinition of this kind."""
        return f"{self.plural}.{self.group}"


WORKFLOW_EXECUTION: Final = Kind(
    group="workflowexecution.kubernaut.ai",
    version="v1alpha1",
    kind="WorkflowExecution",
    plural="workflowexecutions",
)
KUBERNETES_EXECUTION: Final = Kind(
    group="kubernetesexecution.kubernaut.ai",
    version="v1alpha1",
    kind="KubernetesExecution",
    plural="kubernetesexecutions",
)
AI_APPROVAL_REQUEST: Final = Kind(
    group="approval.kubernaut.ai",
    version="v1alpha1",
    kind="AIApprovalRequest",
    plural="aiapprovalrequests",
)
NOTIFICATION_REQUEST: Final = Kind(
    group="notification.kubernaut.ai",
    version="v1alpha1",
    kind="NotificationRequest",
    plural="notificationrequests",
)
REMEDIATION_REQUEST: Final = Kind(
    group="remediation.kubernaut.io",
    version="v1alpha1",
    kind="RemediationRequest",
    plural="remediationrequests",
)
"""Made by others and only read here; the kind may be missing from a cluster."""
CONCURRENCY_POOL: Final = Kind(
    group="workflowexecution.kubernaut.ai",
    version="v1alpha1",
    kind="ConcurrencyPool",
    plural="concurrencypools",
)
CUSTOM_RESOURCE_DEFINITION: Final = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    namespaced=False,
)
DEPLOYMENT: Final = Kind(group="apps", version="v1", kind="Deployment", plural="deployments")
STATEFUL_SET: Final = Kind(group="apps", version="v1", kind="StatefulSet", plural="statefulsets")
DAEMON_SET: Final = Kind(group="apps", version="v1", kind="DaemonSet", plural="daemonsets")
REPLICA_SET: Final = Kind(group="apps", version="v1", kind="ReplicaSet", plural="replicasets")
HORIZONTAL_POD_AUTOSCALER: Final = Kind(
    group="autoscaling",
    version="v2",
    kind="HorizontalPodAutoscaler",
    plural="horizontalpodautoscalers",
)
POD_DISRUPTION_BUDGET: Final = Kind(
    group="policy", version="v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets"
)
NETWORK_POLICY: Final = Kind(
    group="networking.k8s.io", version="v1", kind="NetworkPolicy", plural="networkpolicies"
)
INGRESS: Final = Kind(group="networking.k8s.io", version="v1", kind="Ingress", plural="ingresses")
CRON_JOB: Final = Kind(group="batch", version="v1", kind="CronJob", plural="cronjobs")
SERVICE: Final = Kind(group="", version="v1", kind="Service", plural="services")
PERSISTENT_VOLUME_CLAIM: Final = Kind(
    group="", version="v1", kind="PersistentVolumeClaim", plural="persistentvolumeclaims"
)
SERVICE_ACCOUNT: Final = Kind(
    group="", version="v1", kind="ServiceAccount", plural="serviceaccounts"
)
POD_TEMPLATE: Final = Kind(group="", version="v1", kind="PodTemplate", plural="podtemplates")
JOB: Final = Kind(group="batch", version="v1", kind="Job", plural="jobs")
POD: Final = Kind(group="", version="v1", kind="Pod", plural="pods")
NODE: Final = Kind(group="", version="v1", kind="Node", plural="nodes", namespaced=False)
NAMESPACE: Final = Kind(
    group="", version="v1", kind="Namespace", plural="namespaces", namespaced=False
)
SECRET: Final = Kind(group="", version="v1", kind="Secret", plural="secrets")
EVENT: Final = Kind(group="", version="v1", kind="Event", plural="events")
CONFIG_MAP: Final = Kind(group="", version="v1", kind="ConfigMap", plural="configmaps")
LEASE: Final = Kind(group="coordination.k8s.io", version="v1", kind="Lease", plural="leases")
