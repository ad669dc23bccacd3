# As many pods run and are ready as were asked for.
package postcondition.scale_deployment.desired_replicas_running

import rego.v1

default allow := false

allow if {
	is_number(input.target_replicas)
	is_number(input.running_pods)
	is_number(input.ready_pods)
	input.running_pods >= input.target_replicas
	input.ready_pods >= input.target_replicas
	not unavailable
}

unavailable if input.deployment_available != true

error_message contains msg if {
	not allow
	msg := sprintf(
		"%v pods run and %v are ready; %v are wanted",
		[input.running_pods, input.ready_pods, input.target_replicas],
	)
}

error_message contains "the deployment is not available" if unavailable
