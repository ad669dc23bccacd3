package safety.namespaces

import rego.v1

test_an_ordinary_namespace if {
	allow with input.action as "scale_deployment" with input.target_resource.namespace as "shop"
}

test_a_protected_namespace if {
	not allow with input.action as "scale_deployment" with input.target_resource.namespace as "kube-system"
}

test_the_reason_names_it if {
	wanted := {"namespace kube-public is protected"}
	deny == wanted with input.action as "scale_deployment"
		with input.target_resource.namespace as "kube-public"
}

test_reading_changes_nothing if {
	allow with input.action as "wait_for_condition" with input.target_resource.namespace as "kube-system"
}

test_a_message_has_no_target if {
	allow with input.action as "notify_only"
}

test_our_own_is_restarted if {
	allow with input.action as "restart_deployment"
		with input.target_resource.namespace as "kubernaut-system"
}

test_our_own_is_not_scaled if {
	not allow with input.action as "scale_deployment"
		with input.target_resource.namespace as "kubernaut-system"
}

test_a_node_has_no_namespace if {
	allow with input.action as "cordon_node"
		with input.target_resource as {"kind": "Node", "namespace": ""}
}

test_a_namespace_nobody_knows if {
	not allow with input.action as "scale_deployment" with input.target_resource.namespace as ""
}

test_no_target if {
	not allow with input.action as "scale_deployment"
}

test_no_action if {
	not allow with input.target_resource.namespace as "shop"
}
