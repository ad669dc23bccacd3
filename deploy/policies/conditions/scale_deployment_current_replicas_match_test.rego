package precondition.scale_deployment.current_replicas_match

import rego.v1

test_as_planned if {
	allow with input.current_replicas as 3 with input.expected_baseline as 3
}

test_scaled_meanwhile if {
	not allow with input.current_replicas as 5 with input.expected_baseline as 3
}

test_no_baseline if {
	not allow with input.current_replicas as 3
}

test_nothing_is_not_the_same_as_nothing if {
	not allow with input.current_replicas as null with input.expected_baseline as null
}

test_the_reason_names_both if {
	wanted := "the deployment has 5 replicas where 3 were expected"
	error_message == {wanted} with input.current_replicas as 5 with input.expected_baseline as 3
}

test_the_reason_says_that_nothing_is_expected if {
	wanted := "it is not known how many replicas to expect; set expectedReplicas"
	error_message == {wanted} with input.current_replicas as 5
}
