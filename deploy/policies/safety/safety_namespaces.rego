# Nothing is changed in the namespaces that hold the cluster, and little in our own.
package safety.namespaces

import data.lib.actions
import rego.v1

default allow := false

allow if {
	is_string(input.action)
	count(deny) == 0
}

protected := {"kube-system", "kube-public", "kube-node-lease"}

own := "kubernaut-system"

allowed_in_own := {"restart_deployment", "restart_pod"}

deny contains msg if {
	actions.changes
	input.target_resource.namespace in protected
	msg := sprintf("namespace %s is protected", [input.target_resource.namespace])
}

deny contains msg if {
	actions.changes
	input.target_resource.namespace == own
	not input.action in allowed_in_own
	msg := sprintf("%s is not allowed in %s", [input.action, own])
}

deny contains "the namespace of the target is not known" if {
	actions.changes
	not actions.namespace_known
}
