package safety.scaling

import rego.v1

test_something_ordinary_to_zero if {
	allow with input.action as "scale_deployment"
		with input.parameters as {"replicas": 0}
		with input.target_resource.labels as {"app": "web"}
}

test_something_critical_to_zero if {
	not allow with input.action as "scale_deployment"
		with input.parameters as {"replicas": 0}
		with input.target_resource.labels as {"critical": "true"}
}

test_the_reason_says_so if {
	wanted := {"something critical is never scaled to zero"}
	deny == wanted with input.action as "scale_statefulset"
		with input.parameters as {"replicas": 0}
		with input.target_resource.labels as {"critical": "true"}
}

test_something_critical_to_one if {
	allow with input.action as "scale_deployment"
		with input.parameters as {"replicas": 1}
		with input.target_resource.labels as {"critical": "true"}
}

test_replicas_nobody_knows if {
	not allow with input.action as "scale_deployment"
		with input.parameters as {}
		with input.target_resource.labels as {}
}

test_labels_nobody_knows if {
	not allow with input.action as "scale_deployment" with input.parameters as {"replicas": 0}
}

test_not_about_scaling if {
	allow with input.action as "restart_deployment"
}

test_no_action if {
	not allow with input.parameters as {"replicas": 3}
}
