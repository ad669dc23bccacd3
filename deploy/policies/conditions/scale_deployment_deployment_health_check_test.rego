package postcondition.scale_deployment.deployment_health_check

import rego.v1

test_healthy if {
	allow with input.conditions as {"Available": true, "Progressing": true, "ReplicaFailure": false}
}

test_not_available if {
	not allow with input.conditions as {"Available": false, "Progressing": true, "ReplicaFailure": false}
}

test_not_progressing if {
	not allow with input.conditions as {"Available": true, "Progressing": false, "ReplicaFailure": false}
}

test_replica_failure if {
	not allow with input.conditions as {"Available": true, "Progressing": true, "ReplicaFailure": true}
}

test_a_condition_is_missing if {
	not allow with input.conditions as {"Available": true, "Progressing": true}
}

test_no_conditions if {
	not allow with input.namespace as "shop"
}

test_reasons_name_each if {
	wanted := {
		"the deployment is not Available",
		"the deployment is not Progressing",
		"the deployment has ReplicaFailure",
	}
	error_message == wanted with input.conditions as {}
}

test_no_reason_without_need if {
	error_message == set() with input.conditions as {
		"Available": true,
		"Progressing": true,
		"ReplicaFailure": false,
	}
}
