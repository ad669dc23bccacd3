package safety.nodes

import rego.v1

test_a_worker_is_cordoned if {
	allow with input.action as "cordon_node"
		with input.target_resource as {"kind": "Node", "name": "n1", "labels": {"zone": "a"}}
		with input.cluster_info as {"total_nodes": 2, "available_nodes": 2}
}

test_a_control_plane_node_is_not if {
	not allow with input.action as "cordon_node"
		with input.target_resource as {
			"kind": "Node", "name": "n1",
			"labels": {"node-role.kubernetes.io/control-plane": ""},
		}
		with input.cluster_info as {"total_nodes": 5, "available_nodes": 5}
}

test_nor_is_it_labelled if {
	not allow with input.action as "label_resource"
		with input.target_resource as {
			"kind": "Node", "name": "n1",
			"labels": {"node-role.kubernetes.io/master": ""},
		}
}

test_the_reason_names_it if {
	deny == {"node n1 belongs to the control plane"} with input.action as "uncordon_node"
		with input.target_resource as {
			"kind": "Node", "name": "n1",
			"labels": {"node-role.kubernetes.io/control-plane": ""},
		}
}

test_a_name_proves_nothing if {
	allow with input.action as "uncordon_node"
		with input.target_resource as {"kind": "Node", "name": "control-plane-1", "labels": {}}
}

test_labels_nobody_knows if {
	not allow with input.action as "uncordon_node"
		with input.target_resource as {"kind": "Node", "name": "n1"}
}

test_drained_among_three if {
	allow with input.action as "drain_node"
		with input.target_resource as {"kind": "Node", "name": "n1", "labels": {}}
		with input.cluster_info as {"total_nodes": 3, "available_nodes": 3}
}

test_not_drained_among_two if {
	not allow with input.action as "drain_node"
		with input.target_resource as {"kind": "Node", "name": "n1", "labels": {}}
		with input.cluster_info as {"total_nodes": 2, "available_nodes": 2}
}

test_the_last_schedulable_node if {
	deny == {"it is the last schedulable node"} with input.action as "cordon_node"
		with input.target_resource as {"kind": "Node", "name": "n1", "labels": {}}
		with input.cluster_info as {"total_nodes": 3, "available_nodes": 1}
}

test_nodes_nobody_counted if {
	not allow with input.action as "drain_node"
		with input.target_resource as {"kind": "Node", "name": "n1", "labels": {}}
}

test_not_about_a_node if {
	allow with input.action as "scale_deployment" with input.target_resource.kind as "Deployment"
}

test_no_action if {
	not allow with input.target_resource.kind as "Deployment"
}
