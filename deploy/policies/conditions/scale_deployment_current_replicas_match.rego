# Nobody has scaled the deployment since the plan was made.
package precondition.scale_deployment.current_replicas_match

import rego.v1

default allow := false

allow if {
	is_number(input.current_replicas)
	is_number(input.expected_baseline)
	input.current_replicas == input.expected_baseline
}

error_message contains msg if {
	not allow
	msg := sprintf(
		"the deployment has %v replicas where %v were expected",
		[input.current_replicas, input.expected_baseline],
	)
}

error_message contains "it is not known how many replicas to expect; set expectedReplicas" if {
	not is_number(input.expected_baseline)
}
