# Nodes of the control plane are left alone, and enough others stay in service.
package safety.nodes

import data.lib.actions
import rego.v1

default allow := false

allow if {
	is_string(input.action)
	count(deny) == 0
}

control_plane := {
	"node-role.kubernetes.io/control-plane",
	"node-role.kubernetes.io/controlplane",
	"node-role.kubernetes.io/master",
}

takes_away := {"cordon_node", "drain_node"}

fewest_to_drain := 3

about_a_node if input.action in actions.on_nodes

about_a_node if {
	actions.targets_node
	actions.changes
}

deny contains msg if {
	about_a_node
	some label, _ in input.target_resource.labels
	label in control_plane
	msg := sprintf("node %v belongs to the control plane", [object.get(input.target_resource, "name", "?")])
}

deny contains "the labels of the node are not known" if {
	about_a_node
	not actions.labels_known
}

deny contains "it is not known how many nodes there are" if {
	input.action in takes_away
	not counted
}

counted if {
	is_number(input.cluster_info.total_nodes)
	is_number(input.cluster_info.available_nodes)
}

deny contains msg if {
	input.action == "drain_node"
	counted
	input.cluster_info.total_nodes < fewest_to_drain
	msg := sprintf(
		"the cluster has %v nodes; none is drained with fewer than %v",
		[input.cluster_info.total_nodes, fewest_to_drain],
	)
}

deny contains "it is the last schedulable node" if {
	input.action in takes_away
	counted
	input.cluster_info.available_nodes <= 1
}
