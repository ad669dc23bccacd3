package precondition.any.node_selector_matches

import rego.v1

test_a_ready_node_matches if {
	allow with input.matching_nodes as 2 with input.ready_nodes as 1
}

test_none_matches if {
	not allow with input.matching_nodes as 0 with input.ready_nodes as 0
}

test_none_is_ready if {
	not allow with input.matching_nodes as 2 with input.ready_nodes as 0
}

test_a_list_is_no_count if {
	not allow with input.matching_nodes as ["a"] with input.ready_nodes as ["a"]
}

test_nothing_known if {
	not allow with input.matching_nodes as 2
}

test_the_reason_counts if {
	wanted := "no Ready node matches: 2 match, 0 of them are Ready"
	error_message == wanted with input.matching_nodes as 2 with input.ready_nodes as 0
}
