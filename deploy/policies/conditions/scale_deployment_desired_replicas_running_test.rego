package postcondition.scale_deployment.desired_replicas_running

import rego.v1

test_enough if {
	allow with input.target_replicas as 3 with input.running_pods as 3 with input.ready_pods as 3
}

test_more_than_enough if {
	allow with input.target_replicas as 3
		with input.running_pods as 4
		with input.ready_pods as 4
		with input.deployment_available as true
}

test_not_all_ready if {
	not allow with input.target_replicas as 3 with input.running_pods as 3 with input.ready_pods as 2
}

test_not_all_running if {
	not allow with input.target_replicas as 3 with input.running_pods as 2 with input.ready_pods as 3
}

test_not_available if {
	not allow with input.target_replicas as 3
		with input.running_pods as 3
		with input.ready_pods as 3
		with input.deployment_available as false
}

test_a_word_is_not_more_than_a_number if {
	not allow with input.target_replicas as 3 with input.running_pods as "3" with input.ready_pods as "3"
}

test_nothing_known if {
	not allow with input.target_replicas as 0
}

test_the_reason_counts if {
	wanted := {"3 pods run and 2 are ready; 3 are wanted"}
	error_message == wanted with input.target_replicas as 3
		with input.running_pods as 3
		with input.ready_pods as 2
}

test_the_reason_says_unavailable if {
	"the deployment is not available" in error_message with input.deployment_available as false
}
