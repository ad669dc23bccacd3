# What actions do, and which targets are critical; what the safety policies have in common.
package lib.actions

import rego.v1

reads_only := {
	"audit_logs",
	"collect_diagnostics",
	"notify_only",
	"rollout_status",
	"wait_for_condition",
}

on_nodes := {"cordon_node", "drain_node", "taint_node", "uncordon_node", "untaint_node"}

scales := {"scale_deployment", "scale_statefulset"}

writes_data := {"update_configmap", "update_secret"}

destroys := {
	"cleanup_storage",
	"delete_pod",
	"drain_node",
	"failover_database",
	"repair_database",
	"reset_service_mesh",
	"restart_network",
}

reconfigures := {
	"apply_manifest",
	"patch_deployment",
	"rotate_secrets",
	"update_configmap",
	"update_image",
	"update_secret",
}

changes if not input.action in reads_only

targets_node if input.target_resource.kind == "Node"

# Labels that nobody could read are not the labels of something harmless.
labels_known if is_object(input.target_resource.labels)

annotations_known if is_object(input.target_resource.annotations)

is_critical if input.target_resource.labels.critical == "true"

namespace_known if {
	is_string(input.target_resource.namespace)
	input.target_resource.namespace != ""
}

namespace_known if targets_node
