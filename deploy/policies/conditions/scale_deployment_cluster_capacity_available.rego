# The nodes have room for the replicas to come: in all, and on one node for a single pod.
package precondition.scale_deployment.cluster_capacity_available

import rego.v1

default allow := false

allow if not_needed

allow if {
	count(error_message) == 0
	enough_cpu
	enough_memory
}

not_needed if input.additional_replicas == 0

is_more if {
	is_number(input.additional_replicas)
	input.additional_replicas > 0
}

needed_cpu := units.parse(input.required_cpu_per_pod) * input.additional_replicas if is_more

needed_memory := units.parse_bytes(input.required_memory_per_pod) * input.additional_replicas if is_more

enough_cpu if units.parse(input.available_cpu) >= needed_cpu

enough_memory if units.parse_bytes(input.available_memory) >= needed_memory

error_message contains "additional_replicas must be a number, 0 or more" if {
	not not_needed
	not is_more
}

error_message contains msg if {
	is_more
	not enough_cpu
	msg := sprintf(
		"%v more pods need %v cores of CPU each; %v are free in all",
		[input.additional_replicas, input.required_cpu_per_pod, input.available_cpu],
	)
}

error_message contains msg if {
	is_more
	not enough_memory
	msg := sprintf(
		"%v more pods need %v of memory each; %v is free in all",
		[input.additional_replicas, input.required_memory_per_pod, input.available_memory],
	)
}

# The sum can mislead: many small gaps are no room for one pod.
error_message contains msg if {
	is_more
	units.parse(input.largest_gap_cpu) < units.parse(input.required_cpu_per_pod)
	msg := sprintf(
		"a pod needs %v cores of CPU; no node has more than %v free",
		[input.required_cpu_per_pod, input.largest_gap_cpu],
	)
}

error_message contains msg if {
	is_more
	units.parse_bytes(input.largest_gap_memory) < units.parse_bytes(input.required_memory_per_pod)
	msg := sprintf(
		"a pod needs %v of memory; no node has more than %v free",
		[input.required_memory_per_pod, input.largest_gap_memory],
	)
}
