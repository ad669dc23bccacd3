package precondition.scale_deployment.deployment_exists

import rego.v1

test_a_deployment_that_is_there if {
	allow with input.deployment_found as true
}

test_one_that_is_not if {
	not allow with input.deployment_found as false
}

test_a_word_is_no_answer if {
	not allow with input.deployment_found as "true"
}

test_nothing_known if {
	not allow with input.namespace as "shop"
}

test_the_reason_names_it if {
	error_message == "deployment shop/web was not found" with input.deployment_found as false
		with input.namespace as "shop"
		with input.deployment_name as "web"
}

test_no_reason_without_need if {
	not error_message with input.deployment_found as true
		with input.namespace as "shop"
		with input.deployment_name as "web"
}
