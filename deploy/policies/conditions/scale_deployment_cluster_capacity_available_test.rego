package precondition.scale_deployment.cluster_capacity_available

import rego.v1

test_room_for_all if {
	allow with input.additional_replicas as 4
		with input.available_cpu as "2000m"
		with input.required_cpu_per_pod as "500m"
		with input.available_memory as "4Gi"
		with input.required_memory_per_pod as "1048576Ki"
}

test_too_little_cpu if {
	not allow with input.additional_replicas as 5
		with input.available_cpu as "2"
		with input.required_cpu_per_pod as "500m"
		with input.available_memory as "40Gi"
		with input.required_memory_per_pod as "1Gi"
}

test_too_little_memory if {
	not allow with input.additional_replicas as 2
		with input.available_cpu as "2"
		with input.required_cpu_per_pod as "100m"
		with input.available_memory as "2000000Ki"
		with input.required_memory_per_pod as "1Gi"
}

test_fewer_replicas_need_nothing if {
	allow with input.additional_replicas as 0
}

test_many_small_gaps_are_no_room if {
	not allow with input.additional_replicas as 1
		with input.available_cpu as "4"
		with input.required_cpu_per_pod as "2"
		with input.available_memory as "4Gi"
		with input.required_memory_per_pod as "1Gi"
		with input.largest_gap_cpu as "1500m"
		with input.largest_gap_memory as "2Gi"
}

test_a_pod_fits_on_no_node_by_memory if {
	not allow with input.additional_replicas as 1
		with input.available_cpu as "4"
		with input.required_cpu_per_pod as "1"
		with input.available_memory as "4Gi"
		with input.required_memory_per_pod as "2Gi"
		with input.largest_gap_cpu as "2"
		with input.largest_gap_memory as "1Gi"
}

test_a_pod_fits_on_one_node if {
	allow with input.additional_replicas as 1
		with input.available_cpu as "4"
		with input.required_cpu_per_pod as "1"
		with input.available_memory as "4Gi"
		with input.required_memory_per_pod as "1Gi"
		with input.largest_gap_cpu as "2"
		with input.largest_gap_memory as "1Gi"
}

test_nothing_known if {
	not allow with input.additional_replicas as 1
}

test_replicas_not_known if {
	not allow with input.available_cpu as "4"
}

test_the_reason_tells_both_numbers if {
	wanted := {"5 more pods need 500m cores of CPU each; 2 are free in all"}
	error_message == wanted with input.additional_replicas as 5
		with input.available_cpu as "2"
		with input.required_cpu_per_pod as "500m"
		with input.available_memory as "40Gi"
		with input.required_memory_per_pod as "1Gi"
}

test_the_reason_tells_of_memory if {
	wanted := {"2 more pods need 1Gi of memory each; 1Gi is free in all"}
	error_message == wanted with input.additional_replicas as 2
		with input.available_cpu as "2"
		with input.required_cpu_per_pod as "500m"
		with input.available_memory as "1Gi"
		with input.required_memory_per_pod as "1Gi"
}
