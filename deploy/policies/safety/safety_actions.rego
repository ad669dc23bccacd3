# Only actions that are on this list are carried out.
package safety.actions

import rego.v1

default allow := false

allow if count(deny) == 0

# restart_network is not here: it restarts what every pod needs.
allowed := {
	"annotate_resource",
	"apply_manifest",
	"audit_logs",
	"backup_data",
	"cleanup_storage",
	"collect_diagnostics",
	"compact_storage",
	"cordon_node",
	"create_heap_dump",
	"custom",
	"delete_pod",
	"drain_node",
	"enable_debug_mode",
	"expand_pvc",
	"failover_database",
	"increase_resources",
	"label_resource",
	"migrate_workload",
	"notify_only",
	"optimize_resources",
	"patch_deployment",
	"quarantine_pod",
	"repair_database",
	"reset_service_mesh",
	"restart_daemonset",
	"restart_deployment",
	"restart_pod",
	"rollback_deployment",
	"rollout_status",
	"rotate_secrets",
	"scale_deployment",
	"scale_statefulset",
	"taint_node",
	"uncordon_node",
	"untaint_node",
	"update_configmap",
	"update_hpa",
	"update_image",
	"update_network_policy",
	"update_secret",
	"wait_for_condition",
}

deny contains msg if {
	not input.action in allowed
	msg := sprintf("action %v is not on the allow list", [object.get(input, "action", "without a name")])
}
