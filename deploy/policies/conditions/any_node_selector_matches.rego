# A node that is Ready takes the pods.
package precondition.any.node_selector_matches

import rego.v1

default allow := false

allow if {
	is_number(input.matching_nodes)
	is_number(input.ready_nodes)
	input.matching_nodes > 0
	input.ready_nodes > 0
}

error_message := sprintf(
	"no Ready node matches: %v match, %v of them are Ready",
	[input.matching_nodes, input.ready_nodes],
) if {
	not allow
}
