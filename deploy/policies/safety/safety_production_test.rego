package safety.production

import rego.v1

test_at_night if {
	allow with input.action as "scale_deployment"
		with input.production as true
		with input.now as "2026-01-02T08:59:59Z"
		with input.parameters as {"replicas": 20}
		with input.target_resource as {"labels": {}, "annotations": {}}
}

test_too_many_replicas if {
	deny == {"21 replicas; production allows 20"} with input.action as "scale_deployment"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.parameters as {"replicas": 21}
		with input.target_resource as {"labels": {}, "annotations": {}}
}

test_too_many_by_an_autoscaler if {
	not allow with input.action as "update_hpa"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.parameters as {"minReplicas": 1, "maxReplicas": 21}
		with input.target_resource as {"labels": {}, "annotations": {}}
}

test_an_autoscaler_within_bounds if {
	allow with input.action as "update_hpa"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.parameters as {"minReplicas": 1, "maxReplicas": 20}
		with input.target_resource as {"labels": {}, "annotations": {}}
}

test_replicas_nobody_knows if {
	not allow with input.action as "scale_deployment"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.parameters as {"replicas": null}
		with input.target_resource as {"labels": {}, "annotations": {}}
}

test_something_critical_keeps_three if {
	allow with input.action as "scale_deployment"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.parameters as {"replicas": 3}
		with input.target_resource as {"labels": {"critical": "true"}, "annotations": {}}
}

test_something_critical_with_two if {
	wanted := {"2 replicas; what is critical keeps 3 in production"}
	deny == wanted with input.action as "scale_deployment"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.parameters as {"replicas": 2}
		with input.target_resource as {"labels": {"critical": "true"}, "annotations": {}}
}

test_labels_nobody_knows if {
	not allow with input.action as "scale_deployment"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.parameters as {"replicas": 3}
}

test_nothing_is_destroyed if {
	wanted := {"delete_pod destroys something, which production does not allow"}
	deny == wanted with input.action as "delete_pod"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.target_resource as {"labels": {}, "annotations": {}}
}

test_an_image_with_approval if {
	allow with input.action as "update_image"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.target_resource.annotations as {"kubernaut.io/approved-by": "ada"}
}

test_an_image_without_approval if {
	wanted := {"update_image needs the annotation kubernaut.io/approved-by on its target in production"}
	deny == wanted with input.action as "update_image"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.target_resource.annotations as {}
}

test_nobody_approved if {
	not allow with input.action as "update_image"
		with input.production as true
		with input.now as "2026-01-02T03:00:00Z"
		with input.target_resource.annotations as {"kubernaut.io/approved-by": ""}
}

test_an_image_is_put_back if {
	allow with input.action as "update_image"
		with input.production as true
		with input.rollback as true
		with input.now as "2026-01-02T12:00:00Z"
		with input.target_resource.annotations as {}
}

test_an_undo_has_its_bounds_too if {
	not allow with input.action as "scale_deployment"
		with input.production as true
		with input.rollback as true
		with input.now as "2026-01-02T12:00:00Z"
		with input.parameters as {"replicas": 21}
		with input.target_resource as {"labels": {}, "annotations": {}}
}

test_in_business_hours if {
	not allow with input.action as "restart_deployment"
		with input.production as true
		with input.now as "2026-01-02T09:00:00Z"
		with input.target_resource.annotations as {}
}

test_in_business_hours_with_an_override if {
	allow with input.action as "restart_deployment"
		with input.production as true
		with input.now as "2026-01-02T16:59:59Z"
		with input.target_resource.annotations as {"kubernaut.io/business-hours-override": "true"}
}

test_after_business_hours if {
	allow with input.action as "restart_deployment"
		with input.production as true
		with input.now as "2026-01-02T17:00:00Z"
		with input.target_resource.annotations as {}
}

test_a_time_nobody_knows if {
	not allow with input.action as "restart_deployment" with input.production as true
}

test_a_time_elsewhere if {
	not allow with input.action as "restart_deployment"
		with input.production as true
		with input.now as "2026-01-02T20:00:00+09:00"
}

test_not_production if {
	allow with input.action as "delete_pod"
		with input.production as false
		with input.now as "2026-01-02T12:00:00Z"
}

test_not_known_to_be_anything_else if {
	not allow with input.action as "delete_pod" with input.now as "2026-01-02T03:00:00Z"
}

test_reading_is_fine if {
	allow with input.action as "wait_for_condition" with input.production as true
}

test_no_action if {
	not allow with input.production as false
}
